"""A database that went back is noticed, and whatever it has forgotten is held for sent."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from filmgate.domain.errors import OutcomeUnknown, RefusalKind, Refused, Throttled
from filmgate.domain.provider import CannotTell, Found, NotThere
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.journal import SendJournal
from filmgate.repositories.attempts import AttemptRepository, Intent
from filmgate.repositories.reroutes import RerouteRepository
from filmgate.repositories.restores import Finding, RestoreRepository
from filmgate.services.fallback import FallbackService
from filmgate.services.generation import GenerationService, Sender
from filmgate.services.guarding import RecoveryService, RestoreGuard
from filmgate.services.pacing import PacingService
from filmgate.services.polling import PollPlan
from filmgate.services.reconciliation import NotSettledYet
from filmgate.services.routing import RoutingService
from tests.integration.makers import LANE, attempts_of, open_lane, row_of, state_of, steps_of, wait_in_line
from tests.integration.restore_walks import back_up, exchange
from tests.integration.scripted import Works, open_works

pytestmark = pytest.mark.anyio

QUIET = timedelta(minutes=10)


@dataclass
class Site:
    """The services of a worker, and a guard whose journal lies in a folder."""

    works: Works
    folder: Path
    guards: list[RestoreGuard] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.works.database

    @property
    def restores(self) -> RestoreRepository:
        return RestoreRepository(self.database)

    async def begin_process(self) -> GenerationService:
        """Start a process that sends; it looks at the database first."""
        guard = RestoreGuard(
            self.restores,
            self.works.attempts,
            SendJournal(self.folder, f"worker_{len(self.guards)}"),
            {LANE: QUIET},
        )
        self.guards.append(guard)
        await guard.verify()
        return self.sender(guard)

    def sender(self, guard: RestoreGuard) -> GenerationService:
        works = self.works
        return GenerationService(
            works.videos,
            works.attempts,
            {works.vendor.name: works.vendor},
            Sender("worker", lambda: None, works.store, PollPlan(), guards=guard.of_providers()),
            FallbackService(RoutingService({}, "none"), works.videos, RerouteRepository(works.database)),
            PacingService(works.lanes),
        )

    async def waiting(self) -> str:
        """Accept a video, and return its id."""
        return (await wait_in_line(self.database))[0].id

    async def send(self, generation: GenerationService, video_id: str) -> None:
        """Let it through, and send it."""
        await self.database.execute("UPDATE videos SET not_before = NULL")
        await self.database.execute("UPDATE lanes SET paused_until = NULL")
        await self.works.admission.admit()
        await generation.submit(video_id)

    async def quiet(self) -> None:
        """Let every quiet time pass."""
        await self.database.execute("UPDATE attempts SET quiet_at = now() - interval '1 s'")

    async def finding(self) -> Finding:
        (found,) = await self.restores.findings()
        return found


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncGenerator[Site, None]:
    async with open_works(database, tmp_path) as works:
        await open_lane(database, 5)
        yield Site(works, tmp_path / "sends")


async def lose_a_send(site: Site) -> str:
    """Send a video whose answer is lost, have the database forget it, and start anew; return the video."""
    generation = await site.begin_process()
    video_id = await site.waiting()
    await back_up(site.database)
    site.works.vendor.outcome = OutcomeUnknown("no answer in time")
    await site.send(generation, video_id)
    site.works.vendor.outcome = None
    await exchange(site.database)
    await site.begin_process()
    return video_id


async def test_a_forgotten_send_whose_job_is_known_is_followed_at_once(site: Site) -> None:
    generation = await site.begin_process()
    video_id = await site.waiting()
    await back_up(site.database)
    await site.send(generation, video_id)
    (before,) = await attempts_of(site.database, video_id)
    await exchange(site.database)
    assert await attempts_of(site.database, video_id) == []
    again = await site.begin_process()
    (after,) = await attempts_of(site.database, video_id)
    for column in ("id", "state", "provider_job_id", "ordinal", "account"):
        assert after[column] == before[column], column
    assert (await site.finding()).outcome == "adopted"
    assert await site.restores.stopped() == {}
    await site.send(again, video_id)
    await site.works.watching.watch()
    assert site.works.vendor.polled == [before["provider_job_id"]]
    assert len(site.works.vendor.paid) == 1


async def test_a_forgotten_send_stops_its_account_until_it_is_found(site: Site) -> None:
    video_id = await lose_a_send(site)
    other = await site.waiting()
    (attempt,) = await attempts_of(site.database, video_id)
    assert (attempt["state"], (await site.finding()).outcome) == ("unknown", "looked_for")
    assert await steps_of(site.database, "reconcile") == [attempt["id"]]
    assert await site.restores.stopped() == {LANE: 1}
    assert await site.works.admission.admit() == 0
    site.works.vendor.lookup = Found("vendor-found")
    await site.works.reconciliation.reconcile(attempt["id"])
    assert await site.restores.stopped() == {}
    await site.send(site.sender(site.guards[-1]), other)
    assert [order.reference for order in site.works.vendor.paid] == [video_id, other]


async def test_a_forgotten_send_that_made_nothing_is_sent_again_without_anybody(site: Site) -> None:
    video_id = await lose_a_send(site)
    (attempt,) = await attempts_of(site.database, video_id)
    site.works.vendor.lookup = NotThere()
    with pytest.raises(NotSettledYet):
        await site.works.reconciliation.reconcile(attempt["id"])
    await site.quiet()
    await site.works.reconciliation.reconcile(attempt["id"])
    assert (await row_of(site.database, video_id))["status"] == "queued"
    await site.send(site.sender(site.guards[-1]), video_id)
    assert [row["state"] for row in await attempts_of(site.database, video_id)] == ["not_created", "accepted"]


async def test_where_nobody_can_tell_sending_stops_until_an_operator_lets_it_go_on(site: Site) -> None:
    video_id = await lose_a_send(site)
    other = await site.waiting()
    (attempt,) = await attempts_of(site.database, video_id)
    site.works.vendor.lookup = CannotTell()
    await site.quiet()
    await site.works.reconciliation.reconcile(attempt["id"])
    assert (await site.finding()).state == "parked"
    await site.send(site.sender(site.guards[-1]), other)
    # Nor does one that was let through before the others stopped leave.
    await site.database.execute("UPDATE videos SET admitted_at = now() WHERE id = $1", other)
    await site.sender(site.guards[-1]).submit(other)
    assert len(site.works.vendor.paid) == 1
    assert (await row_of(site.database, other))["admitted_at"] is None
    assert await RecoveryService(site.restores).resume() == 1
    await site.send(site.sender(site.guards[-1]), other)
    assert [order.reference for order in site.works.vendor.paid] == [video_id, other]
    assert await state_of(site.database, attempt["id"]) == "parked"


async def test_a_process_that_runs_on_notices_before_it_sends(site: Site) -> None:
    generation = await site.begin_process()
    video_id = await site.waiting()
    await back_up(site.database)
    await site.send(generation, video_id)
    await exchange(site.database)
    await site.send(generation, video_id)
    assert len(site.works.vendor.paid) == 1
    assert (await site.finding()).outcome == "adopted"
    other = await site.waiting()
    await site.send(generation, other)
    assert [order.reference for order in site.works.vendor.paid] == [video_id, other]


async def test_a_forgotten_send_of_a_forgotten_video_is_shown(site: Site) -> None:
    generation = await site.begin_process()
    await back_up(site.database)
    video_id = await site.waiting()
    await site.send(generation, video_id)
    await exchange(site.database)
    await site.begin_process()
    found = await site.finding()
    assert (found.video_id, found.outcome, found.state) == (video_id, "lost", None)
    assert found.provider_job_id == f"vendor-{video_id}-1"
    assert await site.restores.stopped() == {}


@pytest.mark.parametrize(
    "outcome",
    [Throttled("later", timedelta(0)), Refused(RefusalKind.PROMPT, "not that")],
    ids=lambda outcome: type(outcome).__name__,
)
async def test_a_forgotten_send_that_was_turned_away_holds_nothing_up(site: Site, outcome: Exception) -> None:
    generation = await site.begin_process()
    video_id = await site.waiting()
    await back_up(site.database)
    site.works.vendor.outcome = outcome
    await site.send(generation, video_id)
    site.works.vendor.outcome = None
    await exchange(site.database)
    again = await site.begin_process()
    assert await site.restores.findings() == []
    await site.send(again, video_id)
    assert [row["state"] for row in await attempts_of(site.database, video_id)] == ["accepted"]


async def test_only_the_last_send_of_a_video_is_put_back(site: Site) -> None:
    """The first one is in the backup, still under way; what came of it was known when the second was sent."""
    generation = await site.begin_process()
    video_id = await site.waiting()
    site.works.vendor.outcome = OutcomeUnknown("no answer in time")
    await site.send(generation, video_id)
    await back_up(site.database)
    (first,) = await attempts_of(site.database, video_id)
    await site.quiet()
    await site.works.reconciliation.reconcile(first["id"])
    site.works.vendor.outcome = None
    await site.send(generation, video_id)
    await exchange(site.database)
    await site.begin_process()
    states = [(row["state"], row["ordinal"]) for row in await attempts_of(site.database, video_id)]
    assert states == [("not_created", 1), ("accepted", 2)]
    assert len(site.works.vendor.paid) == 2


async def test_a_job_that_had_failed_at_no_charge_gives_way_to_the_send_that_followed(site: Site) -> None:
    generation = await site.begin_process()
    video_id = await site.waiting()
    await site.send(generation, video_id)
    await back_up(site.database)
    await site.database.execute("UPDATE attempts SET state = 'failed', next_poll_at = NULL")
    await site.database.execute("UPDATE videos SET status = 'queued', admitted_at = NULL")
    await site.send(generation, video_id)
    await exchange(site.database)
    again = await site.begin_process()
    states = [(row["state"], row["cost_micros"]) for row in await attempts_of(site.database, video_id)]
    assert states == [("failed", 0), ("accepted", 0)]
    await site.send(again, video_id)
    assert len(site.works.vendor.paid) == 2


async def test_a_job_that_was_noted_but_not_committed_is_bound_at_the_next_start(site: Site) -> None:
    await site.begin_process()
    video_id = await site.waiting()
    await site.works.admission.admit()
    intent = Intent("att_1", video_id, LANE, "scripted-1", LANE, b"", "worker", QUIET, QUIET)
    begun_at = await site.works.attempts.begin(intent)
    assert begun_at is not None
    assert await site.guards[0].note(intent, begun_at)
    await site.guards[0].made("att_1", "vendor-1")
    await site.begin_process()
    (attempt,) = await attempts_of(site.database, video_id)
    assert (attempt["state"], attempt["provider_job_id"]) == ("accepted", "vendor-1")
    assert await site.restores.findings() == []


async def test_an_old_send_that_is_noted_late_hides_no_later_one(site: Site) -> None:
    """A sender was stopped behind its intent, and wakes when the video was sent again and all was lost."""
    generation = await site.begin_process()
    video_id = await site.waiting()
    await back_up(site.database)
    await site.works.admission.admit()
    stopped = Intent("att_old", video_id, LANE, "scripted-1", LANE, b"", "worker", QUIET, QUIET)
    begun_at = await site.works.attempts.begin(stopped)
    assert begun_at is not None
    await site.works.attempts.give_back("att_old", "proven absent", retry_in=timedelta(0))
    site.works.vendor.outcome = OutcomeUnknown("no answer in time")
    await site.send(generation, video_id)
    assert not await site.guards[0].note(stopped, begun_at)
    await site.guards[0].made_nothing("att_old")
    (later,) = [row["id"] for row in await attempts_of(site.database, video_id) if row["state"] == "unknown"]
    await exchange(site.database)
    await site.begin_process()
    assert [row["id"] for row in await attempts_of(site.database, video_id)] == [later]


async def test_a_send_whose_intent_the_database_forgot_does_not_leave(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = await site.begin_process()
    video_id = await site.waiting()
    await back_up(site.database)
    really = AttemptRepository.begin

    async def begin(attempts: AttemptRepository, intent: Intent) -> datetime | None:
        begun = await really(attempts, intent)
        await exchange(site.database)
        return begun

    monkeypatch.setattr(AttemptRepository, "begin", begin)
    await site.send(generation, video_id)
    monkeypatch.undo()
    assert site.works.vendor.paid == []
    await site.begin_process()
    assert await site.restores.findings() == []
    assert (await row_of(site.database, video_id))["status"] == "queued"


async def test_nothing_is_sent_that_cannot_be_noted(site: Site) -> None:
    generation = await site.begin_process()
    video_id = await site.waiting()
    for path in site.folder.iterdir():
        path.unlink()
    site.folder.rmdir()
    site.folder.write_text("in the way")
    await site.send(generation, video_id)
    assert site.works.vendor.paid == []
    (attempt,) = await attempts_of(site.database, video_id)
    assert attempt["state"] == "not_created"
    assert "journal" in attempt["reason"]
    assert (await row_of(site.database, video_id))["status"] == "queued"


async def another_branch(site: Site) -> None:
    """Have the database remember that it was another cluster, or another branch of its history."""
    tag = await site.database.execute("UPDATE restore_guard SET identity = '1/00000001'")
    assert tag == "UPDATE 1"


async def test_the_database_says_which_cluster_and_branch_it_is(site: Site) -> None:
    await site.begin_process()
    system, timeline = (await site.database.value("SELECT identity FROM restore_guard")).split("/")
    assert system == str(await site.database.value("SELECT system_identifier FROM pg_control_system()"))
    assert timeline == "00000001"


async def test_another_branch_with_our_journal_is_no_harm_where_nothing_is_missing(site: Site) -> None:
    generation = await site.begin_process()
    video_id = await site.waiting()
    await another_branch(site)
    generation = await site.begin_process()
    assert await site.restores.findings() == []
    assert await site.database.value("SELECT identity = database_identity() FROM restore_guard")
    await site.send(generation, video_id)
    assert len(site.works.vendor.paid) == 1


async def test_another_branch_without_its_journal_holds_whatever_waits(site: Site) -> None:
    await site.begin_process()
    waiting = [await site.waiting() for _ in range(2)]
    own = (await wait_in_line(site.database, provider="embedded", lane="embedded"))[0].id
    await another_branch(site)
    elsewhere = replace(site, folder=site.folder.parent / "lost", guards=[])
    await elsewhere.begin_process()
    assert {one.video_id for one in await site.restores.findings()} == set(waiting)
    assert await site.restores.stopped() == {LANE: 2}
    assert (await row_of(site.database, own))["status"] == "queued"
    for video_id in waiting:
        (attempt,) = await attempts_of(site.database, video_id)
        assert (attempt["state"], attempt["sent_by"]) == ("unknown", "restore guard")
        # Nobody knows when it was sent: perhaps a moment ago.
        quiet = await site.database.value(
            "SELECT quiet_at - now() FROM attempts WHERE id = $1", attempt["id"]
        )
        assert QUIET - timedelta(minutes=1) < quiet <= QUIET
    await elsewhere.begin_process()
    assert len(await site.restores.findings()) == 2


async def test_a_lost_journal_alone_holds_nothing_up(site: Site) -> None:
    await site.begin_process()
    await site.waiting()
    await replace(site, folder=site.folder.parent / "lost", guards=[]).begin_process()
    assert await site.restores.findings() == []


async def test_several_processes_that_start_at_once_put_a_send_back_once(site: Site) -> None:
    video_id = await lose_a_send(site)
    await site.database.execute("TRUNCATE attempts, restored_sends, restore_guard")
    await exchange(site.database)
    guards = [
        RestoreGuard(site.restores, site.works.attempts, SendJournal(site.folder, f"late_{n}"), {LANE: QUIET})
        for n in range(4)
    ]
    await asyncio.gather(*(guard.verify() for guard in guards))
    assert [row["state"] for row in await attempts_of(site.database, video_id)] == ["unknown"]
    assert len(await site.restores.findings()) == 1
