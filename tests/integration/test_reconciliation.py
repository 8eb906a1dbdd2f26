"""What became of a lost send is found out by looking, never by sending again."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.provider import CannotTell, Found, NotThere
from filmgate.domain.video import VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.services.reconciliation import NotSettledYet
from tests.integration.makers import (
    attempts_of,
    open_lane,
    put_attempt,
    row_of,
    slots_taken,
    state_of,
    steps_of,
)
from tests.integration.scripted import Works, open_works

pytestmark = pytest.mark.anyio

LATER = timedelta(hours=-1)
UNKNOWN = AttemptState.UNKNOWN


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> AsyncGenerator[Works, None]:
    async with open_works(database, tmp_path) as opened:
        await open_lane(database, 1)
        yield opened


@pytest.mark.parametrize("age", [timedelta(hours=1), LATER], ids=["quiet", "not quiet"])
async def test_a_job_that_is_found_is_ours_at_any_time(works: Works, age: timedelta) -> None:
    video_id, attempt_id = await put_attempt(works.database, UNKNOWN, age=age)
    works.vendor.lookup = Found("vendor-found")
    await works.reconciliation.reconcile(attempt_id)
    (attempt,) = await attempts_of(works.database, video_id)
    assert (attempt["state"], attempt["provider_job_id"]) == ("accepted", "vendor-found")
    assert await works.attempts.seconds_to_next_poll() == 0
    assert works.vendor.looked == [video_id]
    assert works.vendor.paid == []


async def test_proven_absence_puts_the_video_back_in_line(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, UNKNOWN)
    works.vendor.lookup = NotThere()
    await works.reconciliation.reconcile(attempt_id)
    assert await state_of(works.database, attempt_id) is AttemptState.NOT_CREATED
    row = await row_of(works.database, video_id)
    assert (row["status"], row["admitted_at"]) == ("queued", None)
    assert await slots_taken(works.database) == 0
    await works.database.execute("UPDATE videos SET attempts = 1")
    assert await works.admission.admit() == 1


async def test_a_video_nobody_can_tell_of_is_parked_and_keeps_its_slot(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, UNKNOWN)
    works.vendor.lookup = CannotTell()
    await works.reconciliation.reconcile(attempt_id)
    assert await state_of(works.database, attempt_id) is AttemptState.PARKED
    assert (await row_of(works.database, video_id))["status"] == "in_progress"
    assert await slots_taken(works.database) == 1


@pytest.mark.parametrize("lookup", [NotThere(), CannotTell()], ids=lambda lookup: type(lookup).__name__)
async def test_absence_proves_nothing_before_the_quiet_time_is_over(
    works: Works, lookup: NotThere | CannotTell
) -> None:
    _, attempt_id = await put_attempt(works.database, UNKNOWN, age=LATER)
    works.vendor.lookup = lookup
    with pytest.raises(NotSettledYet):
        await works.reconciliation.reconcile(attempt_id)
    assert await state_of(works.database, attempt_id) is UNKNOWN


async def test_a_look_that_fails_says_nothing(works: Works) -> None:
    _, attempt_id = await put_attempt(works.database, UNKNOWN)
    works.vendor.lookup = ConnectionResetError("cut")
    with pytest.raises(ConnectionResetError):
        await works.reconciliation.reconcile(attempt_id)
    assert await state_of(works.database, attempt_id) is UNKNOWN


@pytest.mark.parametrize("state", [state for state in AttemptState if state is not UNKNOWN])
async def test_only_an_unknown_send_is_looked_into(works: Works, state: AttemptState) -> None:
    _, attempt_id = await put_attempt(works.database, state)
    await works.reconciliation.reconcile(attempt_id)
    await works.reconciliation.reconcile("att_none")
    assert works.vendor.looked == []
    assert await state_of(works.database, attempt_id) is state


async def test_a_found_job_that_another_attempt_has_is_not_bound_twice(works: Works) -> None:
    _, other = await put_attempt(works.database, AttemptState.ACCEPTED)
    _, attempt_id = await put_attempt(works.database, UNKNOWN)
    works.vendor.lookup = Found(f"vendor-{other}")
    await works.reconciliation.reconcile(attempt_id)
    assert await state_of(works.database, attempt_id) is AttemptState.PARKED


async def test_a_found_job_of_a_cancelled_video_is_bound_so_that_it_can_be_stopped(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, UNKNOWN, status=VideoStatus.CANCELLED)
    works.vendor.lookup = Found("vendor-found")
    await works.reconciliation.reconcile(attempt_id)
    await works.watching.watch()
    assert works.vendor.stopped == ["vendor-found"]
    assert (await row_of(works.database, video_id))["status"] == "cancelled"


async def test_a_sender_that_did_not_report_is_swept_once(works: Works) -> None:
    _, attempt_id = await put_attempt(works.database, AttemptState.SENDING)
    assert [await works.reconciliation.sweep() for _ in range(2)] == [1, 0]
    assert await steps_of(works.database, "reconcile") == [attempt_id]


async def test_upkeep_puts_whatever_was_on_its_way_back_in_line(works: Works) -> None:
    _, lost = await put_attempt(works.database, UNKNOWN)
    _, film = await put_attempt(works.database, AttemptState.SUCCEEDED)
    await works.upkeep.mend()
    assert await steps_of(works.database, "reconcile") == [lost]
    assert await steps_of(works.database, "collect") == [film]


async def test_upkeep_clears_workers_and_work_files_that_are_gone(works: Works) -> None:
    await works.database.execute(
        """
        INSERT INTO workers (id, host, pid, seen_at) VALUES
            ('gone', 'h', 1, now() - interval '2 hours'), ('here', 'h', 2, now())
        """
    )
    (works.store.workspace() / "half.mp4").write_bytes(b"half")
    await works.upkeep.clear()
    assert [row["id"] for row in await works.database.fetch("SELECT id FROM workers")] == ["here"]
    assert (works.store.workspace() / "half.mp4").exists()
