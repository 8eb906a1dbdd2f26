"""A video is sent once: whatever comes back, or does not, is sorted by what it proves."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from filmgate.domain.errors import (
    DatabaseUnavailable,
    OutcomeUnknown,
    RefusalKind,
    Refused,
    Throttled,
    Unavailable,
)
from filmgate.domain.video import VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.repositories.attempts import AttemptRepository
from tests.integration.makers import (
    LANE,
    attempts_of,
    cut_connections,
    open_lane,
    row_of,
    slots_taken,
    steps_of,
    until,
    wait_in_line,
)
from tests.integration.scripted import Works, open_works

pytestmark = pytest.mark.anyio


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> AsyncGenerator[Works, None]:
    async with open_works(database, tmp_path) as opened:
        await open_lane(database, 1)
        yield opened


async def admitted(works: Works) -> str:
    """Insert a video and let it through."""
    (video,) = await wait_in_line(works.database)
    assert await works.admission.admit() == 1
    return video.id


async def test_a_job_id_binds_the_attempt_and_the_bytes_that_were_sent_are_kept(works: Works) -> None:
    name = await admitted(works)
    await works.generation.submit(name)
    (attempt,) = await attempts_of(works.database, name)
    assert (attempt["state"], attempt["provider_job_id"]) == ("accepted", f"vendor-{name}-1")
    assert attempt["body"] == works.vendor.sent[0]
    assert attempt["sent_by"] == "worker_1"
    assert attempt["next_poll_at"] is not None
    assert (await row_of(works.database, name))["status"] == "in_progress"
    assert await slots_taken(works.database) == 1
    assert works.wakes


async def test_the_order_carries_the_videos_own_reference(works: Works) -> None:
    name = await admitted(works)
    await works.generation.submit(name)
    assert [order.reference for order in works.vendor.paid] == [name]


@pytest.mark.parametrize("times", [2, 8])
async def test_the_same_step_at_once_and_again_sends_once(works: Works, times: int) -> None:
    name = await admitted(works)
    await asyncio.gather(*(works.generation.submit(name) for _ in range(times)))
    await works.generation.submit(name)
    assert len(works.vendor.paid) == 1
    assert len(await attempts_of(works.database, name)) == 1


@pytest.mark.parametrize("status", [status for status in VideoStatus if status is not VideoStatus.QUEUED])
async def test_a_video_that_no_longer_waits_is_left_alone(works: Works, status: VideoStatus) -> None:
    name = await admitted(works)
    await works.generation.submit(name)
    if status is VideoStatus.CANCELLED:
        await works.videos.cancel(name)
    await works.generation.submit(name)
    assert len(works.vendor.paid) == 1


async def test_a_video_that_is_not_there_is_left_alone(works: Works) -> None:
    await works.generation.submit("job_none")
    assert works.vendor.paid == []


async def test_a_video_cancelled_before_the_first_byte_is_not_sent(works: Works) -> None:
    name = await admitted(works)
    video = await works.videos.get(name)
    assert video is not None
    await works.videos.cancel(name)
    await works.generation.submit(name)
    assert works.vendor.paid == []
    assert await attempts_of(works.database, name) == []


async def test_a_provider_that_was_not_reached_is_tried_again_later(works: Works) -> None:
    name = await admitted(works)
    works.vendor.unreached = Unavailable("connection refused")
    await works.generation.submit(name)
    row = await row_of(works.database, name)
    assert (row["status"], row["admitted_at"], row["attempts"]) == ("queued", None, 0)
    assert row["not_before"] is not None
    assert await attempts_of(works.database, name) == []
    assert await slots_taken(works.database) == 0


async def test_a_send_that_broke_before_the_first_byte_is_given_back(works: Works) -> None:
    name = await admitted(works)
    works.vendor.outcome = Unavailable("reset before the first byte")
    await works.generation.submit(name)
    (attempt,) = await attempts_of(works.database, name)
    assert (attempt["state"], attempt["reason"]) == ("not_created", "reset before the first byte")
    row = await row_of(works.database, name)
    assert (row["status"], row["admitted_at"]) == ("queued", None)
    assert await slots_taken(works.database) == 0
    assert await works.database.value("SELECT paused_until FROM lanes") is None


async def test_what_was_given_back_is_sent_again_with_the_next_ordinal_and_the_same_reference(
    works: Works,
) -> None:
    name = await admitted(works)
    works.vendor.outcome = Unavailable("reset before the first byte")
    await works.generation.submit(name)
    works.vendor.outcome = None
    await works.database.execute("UPDATE videos SET not_before = NULL")
    await works.admission.admit()
    await works.generation.submit(name)
    attempts = await attempts_of(works.database, name)
    assert [(row["ordinal"], row["state"]) for row in attempts] == [(1, "not_created"), (2, "accepted")]
    assert {order.reference for order in works.vendor.paid} == {name}


@pytest.mark.parametrize(("asked", "seconds"), [(timedelta(minutes=5), 300), (None, 15)])
async def test_a_throttled_lane_is_closed_for_as_long_as_the_provider_asks(
    works: Works, asked: timedelta | None, seconds: int
) -> None:
    name = await admitted(works)
    works.vendor.outcome = Throttled("slow down", asked)
    await works.generation.submit(name)
    row = await row_of(works.database, name)
    assert (row["status"], row["admitted_at"]) == ("queued", None)
    assert [attempt["state"] for attempt in await attempts_of(works.database, name)] == ["not_created"]
    pause = await works.database.value("SELECT extract(epoch FROM paused_until - now()) FROM lanes")
    assert seconds - 5 < pause <= seconds
    assert await works.admission.admit() == 0
    await works.generation.submit(name)
    assert len(works.vendor.paid) == 1


@pytest.mark.parametrize("kind", RefusalKind)
async def test_a_refusal_fails_the_video_with_what_the_provider_said(works: Works, kind: RefusalKind) -> None:
    name = await admitted(works)
    works.vendor.outcome = Refused(kind, "We do not make this.")
    await works.generation.submit(name)
    video = await works.videos.get(name)
    assert video is not None
    assert video.error is not None
    assert (video.status, video.error.code) == (VideoStatus.FAILED, kind.value)
    assert (video.error.message, video.error.said_by) == ("We do not make this.", "scripted")
    assert video.error.charged is False
    assert [attempt["state"] for attempt in await attempts_of(works.database, name)] == ["not_created"]
    assert await slots_taken(works.database) == 0


async def test_a_request_that_cannot_be_expressed_fails_without_an_attempt(works: Works) -> None:
    name = await admitted(works)
    works.vendor.unprepared = Refused(RefusalKind.REQUEST, "Not in this size.")
    await works.generation.submit(name)
    assert (await row_of(works.database, name))["status"] == "failed"
    assert await attempts_of(works.database, name) == []
    assert works.vendor.paid == []


@pytest.mark.parametrize("error", ["Not\x00this.", "half \ud800 a pair", "x" * 100_000])
async def test_a_refusal_in_bytes_that_no_database_keeps_still_ends_the_video(
    works: Works, error: str
) -> None:
    name = await admitted(works)
    works.vendor.outcome = Refused(RefusalKind.PROMPT, error)
    await works.generation.submit(name)
    assert (await row_of(works.database, name))["status"] == "failed"
    assert [attempt["state"] for attempt in await attempts_of(works.database, name)] == ["not_created"]


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("cut\x00here"),
        Throttled("slow\x00down", timedelta(seconds=1)),
        OutcomeUnknown("half \ud800 an answer"),
    ],
    ids=["unavailable", "throttled", "unknown"],
)
async def test_whatever_a_provider_says_is_written_down(works: Works, error: Exception) -> None:
    name = await admitted(works)
    works.vendor.outcome = error
    await works.generation.submit(name)
    (attempt,) = await attempts_of(works.database, name)
    assert attempt["state"] != "sending"
    assert attempt["reason"]


async def test_an_unknown_outcome_is_looked_into_and_never_sent_again(works: Works) -> None:
    name = await admitted(works)
    works.vendor.outcome = OutcomeUnknown("the answer was cut")
    await works.generation.submit(name)
    (attempt,) = await attempts_of(works.database, name)
    assert (attempt["state"], attempt["reason"]) == ("unknown", "the answer was cut")
    assert (await row_of(works.database, name))["status"] == "in_progress"
    assert await steps_of(works.database, "reconcile") == [attempt["id"]]
    await works.generation.submit(name)
    assert len(works.vendor.paid) == 1
    assert await slots_taken(works.database) == 1


async def test_an_error_nobody_foresaw_leaves_the_send_to_the_sweeper(works: Works) -> None:
    name = await admitted(works)
    works.vendor.outcome = KeyError("id")
    with pytest.raises(KeyError):
        await works.generation.submit(name)
    await works.generation.submit(name)
    assert len(works.vendor.paid) == 1
    await works.database.execute("UPDATE attempts SET lease_until = now() - interval '1 second'")
    assert await works.reconciliation.sweep() == 1
    assert [attempt["state"] for attempt in await attempts_of(works.database, name)] == ["unknown"]


async def test_an_answer_that_finds_the_database_away_is_kept_until_it_is_back(
    works: Works, dsn: str
) -> None:
    name = await admitted(works)
    works.vendor.gate = asyncio.Event()
    sending = asyncio.create_task(works.generation.submit(name))
    await works.vendor.at_fence.wait()
    await cut_connections(dsn)
    works.vendor.gate.set()
    await sending
    (attempt,) = await attempts_of(works.database, name)
    assert attempt["state"] == "accepted"


async def test_nothing_is_sent_while_the_intent_cannot_be_written(works: Works) -> None:
    name = await admitted(works)
    await works.database.execute("ALTER TABLE attempts RENAME TO attempts_away")
    with pytest.raises(Exception, match="attempts"):
        await works.generation.submit(name)
    assert works.vendor.paid == []


async def test_nothing_is_sent_without_a_database(works: Works) -> None:
    name = await admitted(works)
    await works.database.close()
    with pytest.raises(DatabaseUnavailable):
        await works.generation.submit(name)
    assert works.vendor.paid == []


async def test_a_database_that_goes_away_at_the_fence_leaves_no_doubt(works: Works) -> None:
    name = await admitted(works)
    await works.database.execute(
        """
        CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$
        """
    )
    await works.database.execute(
        "CREATE TRIGGER cut BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION cut()"
    )
    await works.generation.submit(name)
    row = await row_of(works.database, name)
    assert (row["status"], row["admitted_at"]) == ("queued", None)
    assert (await attempts_of(works.database, name), works.vendor.paid) == ([], [])
    await works.database.execute("DROP TRIGGER cut ON attempts")
    await works.admission.admit()
    await works.generation.submit(name)
    assert [attempt["state"] for attempt in await attempts_of(works.database, name)] == ["accepted"]
    assert len(works.vendor.paid) == 1


async def test_an_answer_that_comes_after_the_sender_was_given_up_on_is_still_used(works: Works) -> None:
    name = await admitted(works)
    works.vendor.gate = asyncio.Event()
    sending = asyncio.create_task(works.generation.submit(name))
    await works.vendor.at_fence.wait()
    await works.database.execute("UPDATE attempts SET lease_until = now(), quiet_at = now()")
    await until(works.reconciliation.sweep)
    (attempt,) = await attempts_of(works.database, name)
    await works.reconciliation.reconcile(attempt["id"])
    assert (await row_of(works.database, name))["status"] == "queued"
    works.vendor.gate.set()
    await sending
    assert (await row_of(works.database, name))["status"] == "in_progress"
    assert [row["state"] for row in await attempts_of(works.database, name)] == ["accepted"]
    await works.admission.admit()
    await works.generation.submit(name)
    assert len(works.vendor.paid) == 1


async def test_the_answer_to_a_create_counts_more_than_a_callback_with_another_job(
    works: Works,
) -> None:
    name = await admitted(works)
    works.vendor.gate = asyncio.Event()
    sending = asyncio.create_task(works.generation.submit(name))
    await works.vendor.at_fence.wait()
    (attempt,) = await attempts_of(works.database, name)
    repository = AttemptRepository(works.database)
    assert await repository.accept(attempt["id"], "never-made", timedelta(0))
    works.vendor.gate.set()
    await sending
    (attempt,) = await attempts_of(works.database, name)
    assert attempt["state"] == "accepted"
    assert attempt["provider_job_id"] not in {None, "never-made"}


async def test_a_job_that_another_attempt_has_already_is_bound_once_and_left_to_an_operator(
    works: Works,
) -> None:
    await open_lane(works.database, 2)
    works.vendor.jobs_id = "vendor-same"
    one, two = await admitted(works), await admitted(works)
    await works.generation.submit(one)
    await works.generation.submit(two)
    (attempt,) = await attempts_of(works.database, two)
    assert attempt["state"] == "parked"
    assert "vendor-same" in attempt["reason"]
    bound = await works.database.value("SELECT count(*) FROM attempts WHERE provider_job_id = 'vendor-same'")
    assert bound == 1
    assert await works.lanes.admit(LANE) == 0
