"""An operator settles what nothing else can, and each verb says what it does."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.errors import NotFound
from filmgate.domain.money import Money
from filmgate.infrastructure.database import Database
from filmgate.repositories.unsettled import UnsettledRepository
from filmgate.services.operating import OperatingService
from tests.integration.makers import attempts_of, open_lane, put_attempt, row_of
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


async def test_a_settled_attempt_cannot_be_settled_again(works: Works, operating: OperatingService) -> None:
    _, attempt_id = await put_attempt(works.database, AttemptState.ACCEPTED)
    with pytest.raises(NotFound):
        await operating.adopt(attempt_id, "their-job")
    with pytest.raises(NotFound):
        await operating.abandon(attempt_id, Money(0))
    with pytest.raises(NotFound):
        await operating.resend(attempt_id)
