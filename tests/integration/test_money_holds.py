"""Money is held with the video, settled at the provider's figure and released when nothing was made."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.batch import Batch
from filmgate.domain.budget import Span
from filmgate.domain.errors import BudgetExceeded
from filmgate.domain.ids import new_id
from filmgate.domain.money import FREE
from filmgate.domain.video import Video, VideoStatus
from filmgate.infrastructure.database import Database, RowRejected
from filmgate.repositories.batches import BatchRepository
from filmgate.repositories.unsettled import UnsettledRepository
from tests.integration.accounts import ERROR, RESULT, Accounts, dollars
from tests.integration.makers import a_video

pytestmark = pytest.mark.anyio

KEY = "key_owner"
DOLLAR = 1_000_000


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


def a_batch(total: int, price: str, max_cost: str | None = None) -> tuple[Batch, list[Video]]:
    name = new_id("batch")
    videos = [a_video(price=dollars(price), batch_id=name, batch_index=number) for number in range(total)]
    limit = None if max_cost is None else dollars(max_cost)
    batch = Batch(name, "project_of_owner", None, total, {}, datetime.now(UTC), max_cost=limit)
    return batch, videos


async def test_a_priced_video_comes_with_its_hold_and_its_line_in_the_ledger(accounts: Accounts) -> None:
    video = await accounts.ask("1.5")
    assert video is not None
    assert await accounts.hold_of(video) == ("held", 1_500_000, 0)
    assert await accounts.ledger_of(video) == [("hold", 1_500_000)]
    assert await accounts.adds_up()


async def test_a_free_video_has_no_hold(accounts: Accounts) -> None:
    assert await accounts.ask("0") is not None
    assert await accounts.database.value("SELECT count(*) FROM holds") == 0
    assert await accounts.adds_up()


async def test_inserting_again_holds_nothing_twice(accounts: Accounts) -> None:
    await accounts.limit(KEY, "1.50")
    video = a_video(price=dollars("1"))
    for _ in range(3):
        assert not await accounts.videos.insert([video])
    assert await accounts.standing(KEY) == {Span.TOTAL: (dollars("1"), FREE)}
    assert await accounts.ledger_of(video) == [("hold", DOLLAR)]
    assert await accounts.adds_up()


async def test_a_group_with_one_video_over_budget_loses_only_that_one(accounts: Accounts) -> None:
    await accounts.limit(KEY, "2")
    prices = ["1", "3", "0", "1", "1"]
    videos = [a_video(price=dollars(price)) for price in prices]
    refused = await accounts.videos.insert(videos)
    assert set(refused) == {videos[1].id, videos[4].id}
    stored = await accounts.videos.get_many([video.id for video in videos])
    assert [video is not None for video in stored] == [True, False, True, True, False]
    assert await accounts.adds_up()


async def test_a_refusal_says_used_limit_needed_and_the_mend(accounts: Accounts) -> None:
    await accounts.limit(KEY, "25", Span.DAY)
    await accounts.ask("24.50")
    video = a_video(price=dollars("1"))
    error = (await accounts.videos.insert([video]))[video.id]
    assert str(error) == (
        "The budget of this key for today (UTC) is $25.00, of which $0.00 is spent and $24.50 held; $0.50 is "
        "left, and this needs $1.00. Ask for less, wait for tomorrow, or have the operator raise the budget."
    )
    assert error.overrun is not None
    assert (error.overrun.budget.span, error.overrun.needed) == (Span.DAY, dollars("1"))


async def test_every_budget_of_a_key_has_to_have_room(accounts: Accounts) -> None:
    await accounts.limit(KEY, "100")
    await accounts.limit(KEY, "2", Span.DAY)
    await accounts.limit(KEY, "3", Span.MONTH)
    today = datetime.now(UTC).replace(day=15)
    first = [await accounts.ask("1", created_at=today) for _ in range(3)]
    assert [video is not None for video in first] == [True, True, False]
    tomorrow = today + timedelta(days=1)
    later = [await accounts.ask("1", created_at=tomorrow) for _ in range(2)]
    assert [video is not None for video in later] == [True, False]
    next_month = today.replace(day=1) + timedelta(days=40)
    assert await accounts.ask("1", created_at=next_month) is not None
    assert await accounts.standing(KEY, today) == {
        Span.TOTAL: (dollars("4"), FREE),
        Span.DAY: (dollars("2"), FREE),
        Span.MONTH: (dollars("3"), FREE),
    }
    assert await accounts.adds_up()


async def test_a_hold_is_settled_in_the_period_it_was_taken_from(accounts: Accounts) -> None:
    await accounts.limit(KEY, "2", Span.DAY)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    video = await accounts.ask("2", created_at=yesterday)
    assert video is not None
    await accounts.finish(await accounts.accept(video), "1.20")
    await accounts.videos.complete(video.id, RESULT)
    assert await accounts.standing(KEY, yesterday) == {Span.DAY: (FREE, dollars("1.20"))}
    assert await accounts.standing(KEY) == {Span.DAY: (FREE, FREE)}
    assert await accounts.adds_up()


async def test_other_keys_have_budgets_of_their_own(accounts: Accounts) -> None:
    await accounts.limit(KEY, "0")
    assert await accounts.ask("1") is None
    assert await accounts.ask("1", key_id="key_other") is not None


@pytest.mark.parametrize(
    ("said", "charged"), [(None, "0.80"), ("0.55", "0.55"), ("0", "0"), ("1.30", "1.30")], ids=str
)
async def test_a_finished_video_is_settled_at_the_providers_figure_else_at_the_price_where_it_was_made(
    accounts: Accounts, said: str | None, charged: str
) -> None:
    await accounts.limit(KEY, "1")
    video = await accounts.ask("1")
    assert video is not None
    await accounts.finish(await accounts.accept(video, "0.80"), said)
    assert await accounts.hold_of(video) == ("held", DOLLAR, 0)
    await accounts.videos.complete(video.id, RESULT)
    assert await accounts.cost_of(video) == dollars(charged)
    assert await accounts.standing(KEY) == {Span.TOTAL: (FREE, dollars(charged))}
    assert (await accounts.hold_of(video))[0] == ("released" if charged == "0" else "settled")
    assert await accounts.adds_up()


@pytest.mark.parametrize(
    ("said", "charges", "charged"),
    [(None, False, "0"), ("0.40", False, "0.40"), (None, True, "1"), ("0", True, "0")],
    ids=str,
)
async def test_a_failed_job_costs_nothing_unless_the_provider_says_so(
    accounts: Accounts, said: str | None, charges: bool, charged: str
) -> None:
    video = await accounts.ask("1")
    assert video is not None
    await accounts.fail(await accounts.accept(video), said, charged=charges)
    assert await accounts.cost_of(video) == dollars(charged)
    assert await accounts.adds_up()


@pytest.mark.parametrize("charges", [True, False])
async def test_a_cancelled_job_is_charged_only_if_the_provider_says_so(
    accounts: Accounts, charges: bool
) -> None:
    video = await accounts.ask("1")
    assert video is not None
    attempt = await accounts.accept(video)
    await accounts.videos.cancel(video.id)
    assert await accounts.hold_of(video) == ("held", DOLLAR, 0)
    await accounts.attempts.cancel(attempt, "stopped", charged=charges)
    assert await accounts.cost_of(video) == (dollars("1") if charges else FREE)
    assert await accounts.adds_up()


@pytest.mark.parametrize("state", ["unknown", "parked"])
async def test_what_nobody_knows_keeps_its_hold(accounts: Accounts, state: str) -> None:
    await accounts.limit(KEY, "1")
    video = await accounts.ask("1")
    assert video is not None
    attempt = await accounts.send(video)
    await accounts.database.execute("UPDATE attempts SET state = $1", state)
    await accounts.videos.fail(video.id, ERROR)
    assert await accounts.hold_of(video) == ("held", DOLLAR, 0)
    assert await accounts.ask("0.01") is None
    assert await accounts.attempts.give_back(attempt, "not there", retry_in=timedelta(0))
    assert await accounts.hold_of(video) == ("released", DOLLAR, 0)
    assert await accounts.adds_up()


async def test_a_video_that_goes_back_in_line_keeps_its_hold(accounts: Accounts) -> None:
    video = await accounts.ask("1")
    assert video is not None
    await accounts.attempts.give_back(await accounts.send(video), "throttled", retry_in=timedelta(0))
    assert await accounts.hold_of(video) == ("held", DOLLAR, 0)
    assert await accounts.adds_up()


async def test_a_job_that_turns_up_after_its_hold_was_released_is_held_again_and_settled(
    accounts: Accounts,
) -> None:
    await accounts.limit(KEY, "1")
    video = await accounts.ask("1")
    assert video is not None
    attempt = await accounts.send(video)
    await accounts.attempts.end(attempt, AttemptState.NOT_CREATED, ERROR)
    assert await accounts.standing(KEY) == {Span.TOTAL: (FREE, FREE)}
    assert await accounts.attempts.accept(attempt, "late", timedelta(0))
    assert await accounts.standing(KEY) == {Span.TOTAL: (dollars("1"), FREE)}
    assert await accounts.adds_up()
    await accounts.finish(attempt, "0.70")
    assert await accounts.standing(KEY) == {Span.TOTAL: (FREE, dollars("0.70"))}
    assert await accounts.cost_of(video) == dollars("0.70")
    assert await accounts.adds_up()


@pytest.mark.parametrize("figure", ["0.40", "0.90"])
async def test_a_job_that_an_operator_gave_up_is_corrected_when_it_turns_up(
    accounts: Accounts, figure: str
) -> None:
    await accounts.limit(KEY, "1")
    video = await accounts.ask("1")
    assert video is not None
    attempt = await accounts.send(video)
    await accounts.database.execute("UPDATE attempts SET state = 'parked'")
    assert await UnsettledRepository(accounts.database).abandon(attempt, ERROR, dollars("0.60"))
    assert await accounts.standing(KEY) == {Span.TOTAL: (FREE, dollars("0.60"))}
    assert await accounts.attempts.accept(attempt, "late", timedelta(0))
    assert await accounts.adds_up()
    await accounts.finish(attempt, figure)
    assert await accounts.standing(KEY) == {Span.TOTAL: (FREE, dollars(figure))}
    assert await accounts.adds_up()


async def test_a_batch_is_held_whole_or_not_at_all(accounts: Accounts) -> None:
    await accounts.limit(KEY, "9")
    batches = BatchRepository(accounts.database, accounts.videos)
    first, second = a_batch(5, "1", "5"), a_batch(5, "1", "20")
    await batches.insert(first[0], KEY, first[1])
    with pytest.raises(BudgetExceeded, match=r"\$4.00 is left, and this needs \$5.00"):
        await batches.insert(second[0], KEY, second[1])
    assert await accounts.database.value("SELECT count(*) FROM videos") == 5
    assert await accounts.database.value("SELECT count(*) FROM batches") == 1
    assert await accounts.standing(first[0].id) == {Span.TOTAL: (dollars("5"), FREE)}
    assert await accounts.adds_up()


async def test_a_batch_with_a_limit_of_its_own_cannot_grow_beyond_it(accounts: Accounts) -> None:
    batch, videos = a_batch(5, "1", "5.50")
    await BatchRepository(accounts.database, accounts.videos).insert(batch, KEY, videos)
    assert await accounts.ask("0.51", batch_id=batch.id) is None
    assert await accounts.ask("0.50", batch_id=batch.id) is not None


async def test_cancelling_a_batch_releases_what_was_not_sent(accounts: Accounts) -> None:
    await accounts.limit(KEY, "9")
    batches = BatchRepository(accounts.database, accounts.videos)
    batch, videos = a_batch(4, "1", "5")
    await batches.insert(batch, KEY, videos)
    await accounts.accept(videos[0])
    await accounts.finish(await accounts.accept(videos[1]), "0.25")
    assert set(await batches.cancel("project_of_owner", batch.id)) == {videos[0].id, videos[1].id}
    assert await accounts.standing(KEY) == {Span.TOTAL: (dollars("1"), dollars("0.25"))}
    shown = await batches.get("project_of_owner", batch.id)
    assert shown is not None
    assert (shown.price, shown.cost) == (dollars("4"), dollars("0.25"))
    assert shown.counts[VideoStatus.CANCELLED] == 4
    assert await accounts.adds_up()


async def test_ten_thousand_priced_videos_are_held_and_released_quickly(accounts: Accounts) -> None:
    await accounts.limit(KEY, "20000", Span.DAY)
    batches = BatchRepository(accounts.database, accounts.videos)
    batch, videos = a_batch(10_000, "1", "10000")
    await batches.insert(batch, KEY, videos)
    assert await accounts.standing(KEY) == {Span.DAY: (dollars("10000"), FREE)}
    async with asyncio.timeout(20):
        await batches.cancel("project_of_owner", batch.id)
    assert await accounts.standing(KEY) == {Span.DAY: (FREE, FREE)}
    assert await accounts.adds_up()


async def test_what_cannot_be_stored_is_not_held_either(accounts: Accounts) -> None:
    await accounts.limit(KEY, "5")
    bad = a_video(price=dollars("1"), metadata={"a": "b\x00"})
    with pytest.raises(RowRejected):
        await accounts.videos.insert([a_video(price=dollars("1")), bad])
    assert await accounts.standing(KEY) == {Span.TOTAL: (FREE, FREE)}
    assert await accounts.database.value("SELECT count(*) FROM ledger") == 0
    assert await accounts.adds_up()


async def test_a_budget_set_later_counts_what_the_key_has_used_before(accounts: Accounts) -> None:
    before = await accounts.ask("1", created_at=datetime.now(UTC) - timedelta(days=1))
    done, waiting = await accounts.ask("1"), await accounts.ask("2")
    assert before is not None
    assert done is not None
    assert waiting is not None
    await accounts.finish(await accounts.accept(done), "0.30")
    await accounts.videos.complete(done.id, RESULT)
    await accounts.limit(KEY, "5", Span.DAY)
    await accounts.limit(KEY, "5")
    await accounts.limit(KEY, "6", Span.DAY)
    assert await accounts.standing(KEY) == {
        Span.DAY: (dollars("2"), dollars("0.30")),
        Span.TOTAL: (dollars("3"), dollars("0.30")),
    }
    await accounts.videos.cancel(waiting.id)
    assert (await accounts.standing(KEY))[Span.DAY] == (FREE, dollars("0.30"))
    assert await accounts.adds_up()


async def test_a_lifted_budget_no_longer_holds_anybody_up(accounts: Accounts) -> None:
    await accounts.limit(KEY, "0")
    assert await accounts.budgets.lift(KEY, Span.TOTAL)
    assert not await accounts.budgets.lift(KEY, Span.TOTAL)
    assert await accounts.ask("1") is not None
    await accounts.limit(KEY, "1.5")
    assert await accounts.ask("1") is None
    assert await accounts.adds_up()


@pytest.mark.parametrize("table", ["holds", "ledger", "budget_periods", "videos"])
async def test_a_row_that_was_tampered_with_is_found(accounts: Accounts, table: str) -> None:
    await accounts.limit(KEY, "5")
    video = await accounts.ask("1")
    assert video is not None
    await accounts.fail(await accounts.accept(video), "0.50")
    assert await accounts.adds_up()
    change = {
        "holds": "UPDATE holds SET settled_micros = 1",
        "ledger": "UPDATE ledger SET micros = 1 WHERE kind = 'settle'",
        "budget_periods": "UPDATE budget_periods SET spent_micros = 1",
        "videos": "UPDATE videos SET cost_micros = 1",
    }
    async with accounts.database.session() as session:
        await session.script(change[table])
    assert await accounts.budgets.imbalance()


async def test_a_priced_video_without_a_hold_is_found(accounts: Accounts) -> None:
    video = await accounts.ask("0")
    assert video is not None
    await accounts.database.execute("UPDATE videos SET price_micros = 5")
    assert await accounts.budgets.imbalance() == [f"{video.id}: it has a price and no hold"]


async def test_a_video_and_its_attempt_that_end_at_the_same_moment_are_settled_exactly_once(
    accounts: Accounts, dsn: str
) -> None:
    database = Database(dsn, size=8)
    await database.open()
    both = Accounts(database)
    await both.limit(KEY, "1000")
    for number in range(60):
        video = await both.ask("1")
        assert video is not None
        attempt = await both.accept(video)
        ends = [
            both.fail(attempt, "0.25"),
            both.finish(attempt, "0.25"),
            both.attempts.cancel(attempt, "stopped", charged=False),
        ]
        await asyncio.gather(both.videos.cancel(video.id), ends[number % 3])
        for unused in ends[: number % 3] + ends[number % 3 + 1 :]:
            unused.close()
        kinds = [kind for kind, _ in await both.ledger_of(video)]
        assert kinds.count("settle") <= 1
        assert kinds.count("release") == 1
    assert (await both.standing(KEY))[Span.TOTAL] == (FREE, dollars("10"))
    assert await both.adds_up()
    await database.close()


async def test_200_inserts_at_once_from_many_connections_never_overrun_a_budget(
    accounts: Accounts, dsn: str
) -> None:
    await accounts.limit(KEY, "37")
    database = Database(dsn, size=16)
    await database.open()
    both = Accounts(database)
    made = await asyncio.gather(*(both.ask("1") for _ in range(200)))
    assert sum(video is not None for video in made) == 37
    assert await accounts.standing(KEY) == {Span.TOTAL: (dollars("37"), FREE)}
    assert await accounts.adds_up()
    await database.close()
