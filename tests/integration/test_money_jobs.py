"""What a provider says of its charge finds its way to the video, and nobody overwrites it."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from filmgate.domain.money import FREE, Money
from filmgate.domain.provider import CancelOutcome, JobState, Progress
from filmgate.domain.video import Video, VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.services.acceptance import Acceptance
from filmgate.services.forecast import Forecast
from filmgate.services.polling import PollPlan
from filmgate.services.routing import RoutingService
from filmgate.services.videos import VideoService
from filmgate.services.watching import WatchingService
from tests.integration.accounts import Accounts, dollars
from tests.integration.makers import film, open_lane, row_of
from tests.integration.scripted import Scripted, Works, open_works

pytestmark = pytest.mark.anyio


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> AsyncGenerator[Works, None]:
    async with open_works(database, tmp_path) as opened:
        await open_lane(database)
        yield opened


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


async def on_its_way(works: Works, accounts: Accounts) -> tuple[Video, str]:
    """Return a video that its provider has taken, for a dollar, and its attempt."""
    video = await accounts.ask("1")
    assert video is not None
    await works.admission.admit()
    await works.generation.submit(video.id)
    attempt = await works.attempts.live_of(video.id)
    assert attempt is not None
    await works.database.execute("UPDATE attempts SET next_poll_at = now()")
    return video, attempt.id


def videos_of(works: Works) -> VideoService:
    acceptance = Acceptance(RoutingService({}, "none"), Forecast(works.lanes), works.store)
    return VideoService(
        works.videos, works.attempts, acceptance, {"scripted": works.vendor}, works.store, lambda: None
    )


async def test_a_collected_film_costs_what_its_provider_said(works: Works, accounts: Accounts) -> None:
    works.vendor.film = film(1.0)
    works.vendor.progress = Progress(JobState.SUCCEEDED, 100, cost=dollars("0.37"))
    video, attempt = await on_its_way(works, accounts)
    await works.watching.watch()
    await works.collecting.collect(attempt)
    shown = await works.videos.get(video.id)
    assert shown is not None
    assert (shown.status, shown.cost) == (VideoStatus.COMPLETED, dollars("0.37"))
    assert await accounts.adds_up()


async def test_a_collected_film_costs_its_price_where_its_provider_says_nothing(
    works: Works, accounts: Accounts
) -> None:
    works.vendor.film = film(1.0)
    works.vendor.progress = Progress(JobState.SUCCEEDED, 100)
    video, attempt = await on_its_way(works, accounts)
    await works.watching.watch()
    await works.collecting.collect(attempt)
    assert await accounts.cost_of(video) == dollars("1")


@pytest.mark.parametrize("cost", [Money(-1), Money(10**30)], ids=["negative", "absurd"])
async def test_a_figure_that_cannot_be_is_not_believed(works: Works, accounts: Accounts, cost: Money) -> None:
    works.vendor.progress = Progress(JobState.SUCCEEDED, 100, cost=cost)
    video, _ = await on_its_way(works, accounts)
    with capture_logs() as lines:
        await works.watching.watch()
    assert [line["event"] for line in lines] == ["cost_unbelievable"]
    await works.videos.cancel(video.id)
    assert await accounts.cost_of(video) == dollars("1")


@pytest.mark.parametrize(("cost", "charged"), [(None, None), ("0", False), ("0.25", True)], ids=str)
async def test_a_failed_job_says_whether_it_was_charged(
    works: Works, accounts: Accounts, cost: str | None, charged: bool | None
) -> None:
    said = None if cost is None else dollars(cost)
    works.vendor.progress = Progress(JobState.FAILED, reason="No.", cost=said)
    video, _ = await on_its_way(works, accounts)
    await works.watching.watch()
    shown = await works.videos.get(video.id)
    assert shown is not None
    assert shown.error is not None
    assert (shown.error.charged, shown.cost) == (charged, said or FREE)
    assert await accounts.adds_up()


@pytest.mark.parametrize(
    ("outcome", "cost"), [(CancelOutcome(True, True), "1"), (CancelOutcome(True, False), "0")], ids=str
)
async def test_a_job_cancelled_by_its_client_costs_what_the_provider_says(
    works: Works, accounts: Accounts, outcome: CancelOutcome, cost: str
) -> None:
    works.vendor.stopping = outcome
    video, _ = await on_its_way(works, accounts)
    await works.videos.cancel(video.id)
    await videos_of(works).stop_at_provider(video.id)
    assert await accounts.cost_of(video) == dollars(cost)
    assert await accounts.adds_up()


@pytest.mark.parametrize(("charged", "cost"), [(True, "1"), (False, "0"), (None, "0")], ids=str)
async def test_a_failed_job_costs_its_price_only_where_its_vendor_says_so(
    works: Works, accounts: Accounts, charged: bool | None, cost: str
) -> None:
    works.vendor.progress = Progress(JobState.FAILED, reason="No.", charged=charged)
    video, _ = await on_its_way(works, accounts)
    await works.watching.watch()
    shown = await works.videos.get(video.id)
    assert shown is not None
    assert shown.error is not None
    assert (shown.error.charged, shown.cost) == (charged, dollars(cost))
    assert await accounts.adds_up()


@pytest.mark.parametrize("charged", [True, False])
async def test_a_job_stopped_by_the_watcher_costs_what_the_provider_says(
    works: Works, accounts: Accounts, charged: bool
) -> None:
    works.vendor.stopping = CancelOutcome(True, charged)
    works.vendor.progress = Progress(JobState.CANCELLED)
    video, _ = await on_its_way(works, accounts)
    await works.videos.cancel(video.id)
    await works.watching.watch()
    assert await accounts.cost_of(video) == (dollars("1") if charged else FREE)
    assert await accounts.adds_up()


async def test_jobs_that_end_together_each_cost_their_own(works: Works, accounts: Accounts) -> None:
    made = [await on_its_way(works, accounts) for _ in range(4)]
    await works.videos.cancel(made[3][0].id)
    figures = {made[0][1]: dollars("0.1"), made[1][1]: dollars("0.2"), made[3][1]: dollars("0.4")}
    attempts = {attempt: await works.attempts.get(attempt) for _, attempt in made}

    class Telling(Scripted):
        async def poll(self, jobs: object) -> dict[str, Progress]:
            return {
                one.provider_job_id or "": Progress(JobState.SUCCEEDED, cost=figures.get(name))
                for name, one in attempts.items()
                if one is not None
            }

    vendor = Telling(stopping=CancelOutcome(False, None))
    service = WatchingService(works.videos, works.attempts, {"scripted": vendor}, lambda: None, PollPlan())
    await service.watch()
    rows = await works.database.fetch("SELECT id, cost_micros FROM attempts")
    costs = {row["id"]: row["cost_micros"] for row in rows}
    assert [costs[attempt] for _, attempt in made] == [100_000, 200_000, 1_000_000, 400_000]
    assert await accounts.cost_of(made[3][0]) == dollars("0.4")
    assert await accounts.adds_up()


async def test_what_is_charged_is_the_price_where_it_was_sent_not_the_dearest(
    works: Works, accounts: Accounts
) -> None:
    video = await accounts.ask("1")
    assert video is not None
    await works.admission.admit()
    sender = works.generation._sender
    works.generation._sender = replace(sender, price=lambda _: dollars("0.60"))
    await works.generation.submit(video.id)
    await works.database.execute("UPDATE attempts SET next_poll_at = now()")
    works.vendor.progress = Progress(JobState.SUCCEEDED)
    await works.watching.watch()
    await works.videos.cancel(video.id)
    assert (await row_of(works.database, video.id))["cost_micros"] == 600_000
    assert await accounts.adds_up()
