"""Whatever happens to videos in whatever order, and many at once, the money adds up and budgets hold."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.batch import Batch
from filmgate.domain.budget import Span
from filmgate.domain.errors import BudgetExceeded
from filmgate.domain.ids import new_id
from filmgate.domain.money import Money
from filmgate.domain.video import Video
from filmgate.infrastructure.database import Database
from filmgate.repositories.batches import BatchRepository
from tests.integration.accounts import ERROR, RESULT, Accounts, dollars
from tests.integration.makers import a_video

pytestmark = pytest.mark.anyio

KEYS = ("key_owner", "key_other")
LIMITS = {Span.TOTAL: "60", Span.DAY: "25", Span.MONTH: "45"}
NOW = timedelta(0)


@dataclass
class Walk:
    """Take random steps with videos; ``attempts`` are those that may still change."""

    accounts: Accounts
    random: Random
    videos: list[Video] = field(default_factory=list)
    attempts: list[tuple[str, Video]] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)

    async def step(self) -> None:
        verbs: list[Callable[[], Awaitable[object]]] = [self.ask, self.ask_batch, self.again]
        verbs += [self.send] * 4
        verbs += [self.end] * 5
        verbs += [self.cancel, self.fail, self.complete, self.complete, self.cancel_batch]
        await self.random.choice(verbs)()

    def price(self) -> Money:
        return Money(self.random.randint(0, 3_000_000))

    def cost(self, video: Video) -> str | None:
        """Return what a provider says: nothing, or never more than what is held."""
        if self.random.random() < 0.4:
            return None
        return str(Money(self.random.randint(0, video.price.micros)).dollars)

    async def ask(self) -> None:
        day = datetime.now(UTC) - timedelta(days=self.random.randint(0, 2))
        group = [
            a_video(price=self.price(), key_id=self.random.choice(KEYS), created_at=day)
            for _ in range(self.random.randint(1, 6))
        ]
        refused = await self.accounts.videos.insert(group)
        self.videos += [video for video in group if video.id not in refused]

    async def ask_batch(self) -> None:
        name, key = new_id("batch"), self.random.choice(KEYS)
        group = [a_video(price=self.price(), key_id=key, batch_id=name, batch_index=i) for i in range(4)]
        batch = Batch(name, "project_of_owner", None, 4, {}, datetime.now(UTC), max_cost=dollars("12"))
        try:
            await BatchRepository(self.accounts.database, self.accounts.videos).insert(batch, key, group)
        except BudgetExceeded:
            return
        self.videos += group
        self.batches.append(name)

    async def again(self) -> None:
        """Insert what is there already, as after a commit whose answer was lost."""
        if self.videos:
            assert not await self.accounts.videos.insert([self.random.choice(self.videos)])

    async def send(self) -> None:
        if not self.videos:
            return
        video = self.random.choice(self.videos)
        price = str(Money(self.random.randint(0, video.price.micros)).dollars)
        try:
            attempt = await self.accounts.send(video, price)
        except AssertionError:
            return
        self.attempts.append((attempt, video))
        if self.random.random() < 0.8:
            await self.accounts.attempts.accept(attempt, f"vendor-{attempt}", NOW)
        else:
            await self.accounts.attempts.lose(attempt, "cut")

    async def end(self) -> None:
        if not self.attempts:
            return
        attempt, video = self.random.choice(self.attempts)
        cost, charged, attempts = self.cost(video), self.random.random() < 0.3, self.accounts.attempts
        match self.random.randint(0, 6):
            case 0:
                await self.accounts.finish(attempt, cost)
            case 1:
                several = self.random.sample(self.attempts, min(4, len(self.attempts)))
                await attempts.succeed([name for name, _ in several])
            case 2:
                await self.accounts.fail(attempt, cost, charged=charged)
            case 3:
                await attempts.cancel(attempt, "stopped", charged=charged)
            case 4:
                await attempts.give_back(attempt, "not there", retry_in=NOW)
            case 5:
                await attempts.park(attempt, "nobody knows")
            case _:
                await attempts.end(attempt, AttemptState.NOT_CREATED, ERROR)

    async def cancel(self) -> None:
        if self.videos:
            await self.accounts.videos.cancel(self.random.choice(self.videos).id)

    async def fail(self) -> None:
        if self.videos:
            await self.accounts.videos.fail(self.random.choice(self.videos).id, ERROR)

    async def complete(self) -> None:
        """Complete a video whose film is there, as collecting does."""
        rows = await self.accounts.database.fetch(
            """
            SELECT v.id FROM videos v JOIN attempts a ON a.video_id = v.id
            WHERE v.status = 'in_progress' AND a.state = 'succeeded' LIMIT 3
            """
        )
        for row in rows:
            await self.accounts.videos.complete(row["id"], RESULT)

    async def cancel_batch(self) -> None:
        if self.batches and self.random.random() < 0.5:
            repository = BatchRepository(self.accounts.database, self.accounts.videos)
            await repository.cancel("project_of_owner", self.random.choice(self.batches))


async def within_limits(accounts: Accounts) -> bool:
    rows = await accounts.database.fetch(
        """
        SELECT p.scope, p.span, p.period, p.held_micros + p.spent_micros AS used, b.limit_micros
        FROM budget_periods p JOIN budgets b USING (scope, span)
        WHERE p.held_micros + p.spent_micros > b.limit_micros
        """
    )
    assert [dict(row) for row in rows] == []
    return True


async def with_limits(accounts: Accounts) -> Accounts:
    for key in KEYS:
        for span, limit in LIMITS.items():
            await accounts.limit(key, limit, span)
    return accounts


@pytest.mark.parametrize("seed", range(8))
async def test_after_every_step_of_a_walk_the_money_adds_up(database: Database, seed: int) -> None:
    accounts = await with_limits(Accounts(database))
    walk = Walk(accounts, Random(seed))
    for _ in range(150):
        await walk.step()
        assert await accounts.adds_up()
        assert await within_limits(accounts)
    moved = await database.value("SELECT count(DISTINCT kind) FROM ledger")
    assert moved == 3


@pytest.mark.parametrize("seed", range(4))
async def test_after_many_walks_over_the_same_videos_at_once_the_money_adds_up(dsn: str, seed: int) -> None:
    database = Database(dsn, size=16)
    await database.open()
    accounts = await with_limits(Accounts(database))
    first = Walk(accounts, Random(seed))
    walks = [Walk(accounts, Random(f"{seed}-{number}"), first.videos, first.attempts) for number in range(12)]

    async def take(walk: Walk) -> None:
        for _ in range(60):
            await walk.step()

    await asyncio.gather(*map(take, walks))
    assert await accounts.adds_up()
    assert await within_limits(accounts)
    assert await database.value("SELECT count(*) FROM holds WHERE state <> 'held'") > 20
    await database.close()
