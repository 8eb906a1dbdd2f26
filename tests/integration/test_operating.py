"""An operator settles what nothing else can, and each verb says what it does."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.budget import Span
from filmgate.domain.errors import BudgetExceeded, InvalidRequest, NotFound
from filmgate.domain.money import Money
from filmgate.domain.video import Video
from filmgate.infrastructure.database import Database
from filmgate.repositories.unsettled import UnsettledRepository
from filmgate.services.operating import OperatingService
from tests.integration.accounts import RESULT, Accounts, dollars
from tests.integration.makers import attempts_of, open_lane, put_attempt, row_of, state_of
from tests.integration.scripted import Works, open_works

pytestmark = pytest.mark.anyio

OPEN = [AttemptState.UNKNOWN, AttemptState.PARKED]


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> AsyncGenerator[Works, None]:
    async with open_works(database, tmp_path) as opened:
        await open_lane(database, 1)
        yield opened


@pytest.fixture
def operating(works: Works) -> OperatingService:
    return OperatingService(works.attempts, UnsettledRepository(works.database))


@pytest.mark.parametrize("state", OPEN)
async def test_an_unsettled_attempt_is_listed(
    works: Works, operating: OperatingService, state: AttemptState
) -> None:
    video_id, attempt_id = await put_attempt(works.database, state)
    await put_attempt(works.database, AttemptState.ACCEPTED)
    (one,) = await operating.list()
    assert (one.attempt_id, one.video_id, one.state) == (attempt_id, video_id, state.value)


@pytest.mark.parametrize("state", OPEN)
async def test_an_adopted_attempt_is_followed_and_nothing_is_sent(
    works: Works, operating: OperatingService, state: AttemptState
) -> None:
    video_id, attempt_id = await put_attempt(works.database, state)
    await operating.adopt(attempt_id, "their-job")
    (attempt,) = await attempts_of(works.database, video_id)
    assert (attempt["state"], attempt["provider_job_id"]) == ("accepted", "their-job")
    await works.watching.watch()
    assert works.vendor.polled == ["their-job"]
    assert works.vendor.paid == []


@pytest.mark.parametrize("state", OPEN)
async def test_an_abandoned_attempt_fails_its_video_and_writes_down_the_charge(
    works: Works, operating: OperatingService, state: AttemptState
) -> None:
    video_id, attempt_id = await put_attempt(works.database, state)
    await operating.abandon(attempt_id, Money.parse("1.20"))
    (attempt,) = await attempts_of(works.database, video_id)
    assert (attempt["state"], attempt["cost_micros"]) == ("not_created", 1_200_000)
    row = await row_of(works.database, video_id)
    assert row["status"] == "failed"
    assert '"said_by": "operator"' in row["error"]
    assert await operating.list() == []


@pytest.mark.parametrize("state", OPEN)
async def test_a_resent_video_waits_again_and_is_then_sent_once_more(
    works: Works, operating: OperatingService, state: AttemptState
) -> None:
    video_id, attempt_id = await put_attempt(works.database, state)
    await operating.resend(attempt_id)
    row = await row_of(works.database, video_id)
    assert (row["status"], row["admitted_at"]) == ("queued", None)
    await works.database.execute("UPDATE videos SET attempts = 1")
    assert await works.admission.admit() == 1
    await works.generation.submit(video_id)
    assert [order.reference for order in works.vendor.paid] == [video_id]


async def test_a_job_of_another_attempt_cannot_be_adopted(works: Works, operating: OperatingService) -> None:
    _, other = await put_attempt(works.database, AttemptState.ACCEPTED)
    _, attempt_id = await put_attempt(works.database, AttemptState.PARKED)
    with pytest.raises(InvalidRequest) as refused:
        await operating.adopt(attempt_id, f"vendor-{other}")
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("provider_job_id", "job_taken")
    assert await state_of(works.database, attempt_id) is AttemptState.PARKED


async def parked(accounts: Accounts, video: Video) -> str:
    """Send a video and leave it to the operator."""
    attempt_id = await accounts.send(video)
    await accounts.attempts.lose(attempt_id, "cut")
    await accounts.database.execute("UPDATE attempts SET quiet_at = now()")
    assert await accounts.attempts.park(attempt_id, "nobody can tell")
    return attempt_id


async def test_a_resent_video_is_held_for_twice_and_the_ledger_says_why(
    works: Works, operating: OperatingService
) -> None:
    accounts = Accounts(works.database)
    await accounts.limit("key_owner", "3")
    video = await accounts.ask("1")
    assert video is not None
    await operating.resend(await parked(accounts, video))
    assert await accounts.hold_of(video) == ("held", 2_000_000, 0)
    assert await accounts.standing("key_owner") == {Span.TOTAL: (dollars("2"), dollars("0"))}
    marks = await works.database.fetch("SELECT kind, may_pay_twice FROM ledger ORDER BY id")
    assert [(row["kind"], row["may_pay_twice"]) for row in marks] == [("hold", False), ("hold", True)]
    assert await accounts.adds_up()
    # Two dollars are held of three, so there is room for one more.
    assert await accounts.ask("1") is not None
    assert await accounts.ask("1") is None


async def test_once_a_resent_video_has_ended_only_its_cost_is_kept(
    works: Works, operating: OperatingService
) -> None:
    accounts = Accounts(works.database)
    await accounts.limit("key_owner", "2")
    video = await accounts.ask("1")
    assert video is not None
    await operating.resend(await parked(accounts, video))
    await works.database.execute("UPDATE videos SET not_before = NULL")
    await accounts.finish(await accounts.accept(video))
    await accounts.videos.complete(video.id, RESULT)
    assert await accounts.hold_of(video) == ("settled", 2_000_000, 1_000_000)
    assert await accounts.standing("key_owner") == {Span.TOTAL: (dollars("0"), dollars("1"))}
    assert await accounts.adds_up()


async def test_a_video_is_not_resent_where_the_budget_has_no_room_for_paying_twice(
    works: Works, operating: OperatingService
) -> None:
    accounts = Accounts(works.database)
    await accounts.limit("key_owner", "1.50")
    video = await accounts.ask("1")
    assert video is not None
    attempt_id = await parked(accounts, video)
    with pytest.raises(BudgetExceeded, match=r"\$0\.50 is left, and this needs \$1\.00"):
        await operating.resend(attempt_id)
    assert await state_of(works.database, attempt_id) is AttemptState.PARKED
    assert await accounts.hold_of(video) == ("held", 1_000_000, 0)
    assert await accounts.adds_up()


async def test_a_settled_attempt_cannot_be_settled_again(works: Works, operating: OperatingService) -> None:
    _, attempt_id = await put_attempt(works.database, AttemptState.ACCEPTED)
    with pytest.raises(NotFound):
        await operating.adopt(attempt_id, "their-job")
    with pytest.raises(NotFound):
        await operating.abandon(attempt_id, Money(0))
    with pytest.raises(NotFound):
        await operating.resend(attempt_id)
