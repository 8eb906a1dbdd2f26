"""A refusal for reasons of the provider's own leads to the next target; any other ends the video."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from filmgate.domain.errors import OutcomeUnknown, RefusalKind, Refused, Throttled, Unavailable
from filmgate.domain.money import Money
from filmgate.domain.provider import JobState, Progress
from filmgate.domain.refusals import USUAL, WAITING_MENDS, Reaction, RefusalPolicy, possible
from filmgate.domain.routing import Capability, Lane, Route, Target
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.storage import LocalStore
from filmgate.providers.catalogue import read_catalogue
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.budgets import BudgetRepository
from filmgate.repositories.lanes import LaneRepository
from filmgate.repositories.reroutes import RerouteRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.admission import AdmissionService
from filmgate.services.fallback import PATIENCE as WAITING
from filmgate.services.fallback import REST, FallbackService
from filmgate.services.generation import GenerationService, Sender
from filmgate.services.pacing import PATIENCE, PacingService
from filmgate.services.polling import PollPlan
from filmgate.services.routing import RoutingService
from filmgate.services.watching import WatchingService
from tests.integration.makers import attempts_of, row_of, wait_in_line
from tests.integration.scripted import Scripted

pytestmark = pytest.mark.anyio

PASSED = [kind for kind, reaction in USUAL.items() if reaction is Reaction.NEXT]
ENDING = [kind for kind, reaction in USUAL.items() if reaction is Reaction.FAIL]


def capability(provider: str, **changes: object) -> Capability:
    like = read_catalogue()["embedded", "procedural-1"]
    return replace(like, provider=provider, model=f"{provider}-1", price=Money(10), **changes)  # type: ignore[arg-type] - test values


@dataclass
class Chain:
    """Two vendors behind one name."""

    first: Scripted
    second: Scripted
    videos: VideoRepository
    lanes: LaneRepository
    admission: AdmissionService
    generation: GenerationService
    watching: WatchingService
    database: Database

    async def send(self, video_id: str) -> None:
        await self.admission.admit()
        await self.generation.submit(video_id)


async def open_chain(
    database: Database, folder: Path, second: Capability, policy: RefusalPolicy | None = None
) -> Chain:
    vendors = {"first": Scripted("first"), "second": Scripted("second")}
    videos, lanes = VideoRepository(database), LaneRepository(database)
    await lanes.ensure([Lane("first", 8), Lane("second", 8)])
    targets = (Target("first", capability("first")), Target("second", second))
    routing = RoutingService({"house": Route("house", targets)}, "house")
    fallback = FallbackService(routing, videos, RerouteRepository(database), policy)
    attempts = AttemptRepository(database)
    generation = GenerationService(
        videos,
        attempts,
        vendors,
        Sender("worker_1", lambda: None, LocalStore(folder), PollPlan()),
        fallback,
        PacingService(lanes),
    )
    watching = WatchingService(videos, attempts, vendors, lambda: None, PollPlan(), fallback)
    return Chain(
        vendors["first"],
        vendors["second"],
        videos,
        lanes,
        AdmissionService(lanes),
        generation,
        watching,
        database,
    )


@pytest.fixture
async def chain(database: Database, tmp_path: Path) -> Chain:
    return await open_chain(database, tmp_path, capability("second"))


async def a_video(database: Database) -> str:
    (video,) = await wait_in_line(
        database,
        model="house",
        provider="first",
        provider_model="first-1",
        lane="first",
        requested={"duration": 2, "resolution": "640x360"},
    )
    return video.id


@pytest.mark.parametrize("kind", PASSED)
async def test_a_provider_that_cannot_is_passed_over(chain: Chain, kind: RefusalKind) -> None:
    video_id = await a_video(chain.database)
    chain.first.outcome = Refused(kind, "not here")
    await chain.send(video_id)
    row = await row_of(chain.database, video_id)
    assert (row["status"], row["provider"], row["lane"]) == ("queued", "second", "second")
    await chain.send(video_id)
    states = [(one["provider"], one["state"]) for one in await attempts_of(chain.database, video_id)]
    assert states == [("first", "not_created"), ("second", "accepted")]
    assert (len(chain.first.paid), len(chain.second.paid)) == (1, 1)


@pytest.mark.parametrize("kind", ENDING)
async def test_what_is_wrong_with_the_video_itself_ends_it(chain: Chain, kind: RefusalKind) -> None:
    video_id = await a_video(chain.database)
    chain.first.outcome = Refused(kind, "not like this")
    await chain.send(video_id)
    row = await row_of(chain.database, video_id)
    assert row["status"] == "failed"
    assert chain.second.paid == []


@pytest.mark.parametrize("kind", [kind for kind in RefusalKind if Reaction.NEXT in possible(kind)])
@pytest.mark.parametrize("where", ["everywhere", "on the route"])
async def test_the_operator_decides_what_follows_a_refusal(
    database: Database, tmp_path: Path, kind: RefusalKind, where: str
) -> None:
    wanted = Reaction.FAIL if kind in PASSED else Reaction.NEXT
    policy = RefusalPolicy({kind: wanted})
    if where == "on the route":
        policy = RefusalPolicy({kind: USUAL[kind]}, {"house": {kind: wanted}, "other": {kind: USUAL[kind]}})
    chain = await open_chain(database, tmp_path, capability("second"), policy)
    video_id = await a_video(database)
    chain.first.outcome = Refused(kind, "not here")
    await chain.send(video_id)
    row = await row_of(database, video_id)
    moved = ("queued", "second") if wanted is Reaction.NEXT else ("failed", "first")
    assert (row["status"], row["provider"]) == moved


@pytest.mark.parametrize("kind", sorted(WAITING_MENDS))
async def test_a_video_waits_for_its_provider_where_the_operator_wants_it(
    database: Database, tmp_path: Path, kind: RefusalKind
) -> None:
    policy = RefusalPolicy({kind: Reaction.WAIT})
    chain = await open_chain(database, tmp_path, capability("second"), policy)
    video_id = await a_video(database)
    chain.first.outcome = Refused(kind, "come back when it is mended")
    await chain.send(video_id)
    row = await row_of(database, video_id)
    assert (row["status"], row["provider"], row["admitted_at"]) == ("queued", "first", None)
    assert row["not_before"] > datetime.now(UTC) + REST / 2
    lane = await database.row("SELECT * FROM lanes WHERE name = 'first'")
    assert lane is not None
    assert lane["paused_until"] > datetime.now(UTC)
    assert lane["pause_reason"] == "come back when it is mended"
    await database.execute("UPDATE videos SET not_before = now()")
    await database.execute("UPDATE lanes SET paused_until = now()")
    chain.first.outcome = None
    await chain.send(video_id)
    states = [(one["provider"], one["state"]) for one in await attempts_of(database, video_id)]
    assert states == [("first", "not_created"), ("first", "accepted")]
    assert chain.second.paid == []


async def test_a_video_that_has_waited_for_a_day_goes_to_the_next_target(
    database: Database, tmp_path: Path
) -> None:
    policy = RefusalPolicy({RefusalKind.QUOTA: Reaction.WAIT})
    chain = await open_chain(database, tmp_path, capability("second"), policy)
    video_id = await a_video(database)
    await database.execute("UPDATE videos SET created_at = now() - $1::interval", WAITING)
    chain.first.outcome = Refused(RefusalKind.QUOTA, "still nothing")
    await chain.send(video_id)
    row = await row_of(database, video_id)
    assert (row["status"], row["provider"]) == ("queued", "second")


async def failed_late(chain: Chain, progress: Progress) -> str:
    """Have the first vendor take a video and fail it afterwards; return the video's id."""
    video_id = await a_video(chain.database)
    await chain.send(video_id)
    chain.first.progress = progress
    await chain.database.execute("UPDATE attempts SET next_poll_at = now()")
    await chain.watching.watch()
    return video_id


@pytest.mark.parametrize("kind", [RefusalKind.POLICY, RefusalKind.OUTPUT, RefusalKind.PROMPT])
@pytest.mark.parametrize("told", [{"charged": False}, {"cost": Money(0)}], ids=["charged", "cost"])
async def test_a_job_that_is_refused_late_at_no_charge_is_handed_on_where_the_operator_wants_it(
    database: Database, tmp_path: Path, kind: RefusalKind, told: dict[str, Any]
) -> None:
    policy = RefusalPolicy({kind: Reaction.NEXT})
    chain = await open_chain(database, tmp_path, capability("second"), policy)
    video_id = await failed_late(chain, Progress(JobState.FAILED, reason="no", code=kind.value, **told))
    row = await row_of(database, video_id)
    assert (row["status"], row["provider"], row["lane"], row["progress"]) == ("queued", "second", "second", 0)
    await chain.send(video_id)
    made = [(one["provider"], one["state"]) for one in await attempts_of(database, video_id)]
    assert made == [("first", "failed"), ("second", "accepted")]
    assert await BudgetRepository(database).imbalance() == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("policy", {}),
        ("policy", {"charged": True}),
        ("policy", {"cost": Money(5)}),
        ("provider_failed", {"charged": False}),
        ("image", {"charged": False}),
    ],
    ids=["not said", "charged", "cost", "no refusal", "not wanted"],
)
async def test_a_job_that_may_have_been_paid_for_or_is_no_refusal_is_not_made_again(
    database: Database, tmp_path: Path, code: str, told: dict[str, Any]
) -> None:
    policy = RefusalPolicy({RefusalKind.POLICY: Reaction.NEXT})
    chain = await open_chain(database, tmp_path, capability("second"), policy)
    video_id = await failed_late(chain, Progress(JobState.FAILED, reason="no", code=code, **told))
    assert (await row_of(database, video_id))["status"] == "failed"
    assert chain.second.paid == []
    assert await BudgetRepository(database).imbalance() == []


async def test_a_cancelled_video_is_not_handed_on(database: Database, tmp_path: Path) -> None:
    policy = RefusalPolicy({RefusalKind.POLICY: Reaction.NEXT})
    chain = await open_chain(database, tmp_path, capability("second"), policy)
    video_id = await a_video(database)
    await chain.send(video_id)
    await chain.videos.cancel(video_id)
    chain.first.progress = Progress(JobState.FAILED, reason="no", code="policy", charged=False)
    await database.execute("UPDATE attempts SET next_poll_at = now()")
    await chain.watching.watch()
    assert (await row_of(database, video_id))["status"] == "cancelled"
    assert [one["state"] for one in await attempts_of(database, video_id)] == ["failed"]


async def test_the_last_refusal_ends_the_video_with_the_words_of_who_refused(chain: Chain) -> None:
    video_id = await a_video(chain.database)
    chain.first.outcome = Refused(RefusalKind.QUOTA, "first is out of money")
    chain.second.outcome = Refused(RefusalKind.KEY, "second knows no such key")
    await chain.send(video_id)
    await chain.send(video_id)
    row = await row_of(chain.database, video_id)
    assert row["status"] == "failed"
    assert "second knows no such key" in row["error"]
    assert (len(chain.first.paid), len(chain.second.paid)) == (1, 1)


async def test_a_refusal_before_the_send_leads_on_as_well(chain: Chain) -> None:
    video_id = await a_video(chain.database)
    chain.first.unprepared = Refused(RefusalKind.REQUEST, "cannot be expressed")
    await chain.send(video_id)
    await chain.send(video_id)
    assert [one["provider"] for one in await attempts_of(chain.database, video_id)] == ["second"]


@pytest.mark.parametrize("outcome", [OutcomeUnknown("no answer"), Throttled("later", timedelta(0))])
async def test_nothing_but_a_certain_refusal_leads_on(chain: Chain, outcome: Exception) -> None:
    video_id = await a_video(chain.database)
    chain.first.outcome = outcome
    await chain.send(video_id)
    row = await row_of(chain.database, video_id)
    assert row["provider"] == "first"
    assert chain.second.paid == []


@pytest.mark.parametrize(
    "change",
    [
        {"price": Money(1_000_000)},
        {"max_seconds": 1.0},
        {"sizes": ((1920, 1080),)},
        {"retires_on": datetime.now(UTC).date()},
    ],
    ids=["dearer than what is held", "too short", "other sizes", "retired"],
)
async def test_a_target_that_does_not_fit_is_left_out(
    database: Database, tmp_path: Path, change: dict[str, object]
) -> None:
    chain = await open_chain(database, tmp_path, replace(capability("second"), **change))  # type: ignore[arg-type] - test values
    video_id = await a_video(database)
    chain.first.outcome = Refused(RefusalKind.CAPACITY, "full")
    await chain.send(video_id)
    assert (await row_of(database, video_id))["status"] == "failed"
    assert chain.second.paid == []


async def test_failures_in_a_row_rest_the_lane_and_one_success_opens_it(chain: Chain) -> None:
    chain.first.unreached = Unavailable("no route")
    for _ in range(PATIENCE):
        await chain.send(await a_video(chain.database))
    lane = await chain.database.row("SELECT * FROM lanes WHERE name = 'first'")
    assert lane is not None
    assert lane["paused_until"] > datetime.now(UTC)
    assert (lane["ceiling"], lane["openings"]) == (1, 1)
    await chain.database.execute("UPDATE lanes SET paused_until = now()")
    await chain.database.execute("UPDATE videos SET not_before = now()")
    chain.first.unreached = None
    assert await chain.admission.admit() == 1
    (probe,) = await chain.database.fetch("SELECT id FROM videos WHERE admitted_at IS NOT NULL")
    await chain.generation.submit(probe["id"])
    lane = await chain.database.row("SELECT * FROM lanes WHERE name = 'first'")
    assert lane is not None
    assert (lane["ceiling"], lane["openings"], lane["failures"]) == (2, 0, 0)


async def test_a_throttled_lane_lets_half_through_and_recovers_one_by_one(chain: Chain) -> None:
    chain.first.outcome = Throttled("slow down", timedelta(0))
    await chain.send(await a_video(chain.database))
    assert await _ceiling(chain) == 4
    chain.first.outcome = None
    await chain.database.execute("UPDATE lanes SET paused_until = NULL")
    await chain.database.execute("UPDATE videos SET not_before = now()")
    seen: list[float | None] = []
    for _ in range(4):
        await chain.send(await a_video(chain.database))
        seen.append(await _ceiling(chain))
    assert seen == [5, 6, 7, None]


async def test_no_more_than_the_rate_are_let_through_in_a_minute(chain: Chain) -> None:
    await chain.lanes.ensure([Lane("first", 100, per_minute=3)])
    await chain.database.execute("UPDATE lanes SET tokens = 3, refilled_at = now()")
    for _ in range(8):
        await a_video(chain.database)
    assert await chain.admission.admit() == 3
    assert await chain.admission.admit() == 0
    await chain.database.execute("UPDATE lanes SET refilled_at = now() - interval '20 seconds'")
    assert await chain.admission.admit() == 1
    await chain.database.execute("UPDATE lanes SET refilled_at = now() - interval '1 hour'")
    assert await chain.admission.admit() == 3


async def _ceiling(chain: Chain) -> float | None:
    ceiling = await chain.database.value("SELECT ceiling FROM lanes WHERE name = 'first'")
    return None if ceiling is None else float(ceiling)
