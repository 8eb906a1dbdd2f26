"""Keep books beside the gate: budgets, priced videos, and what the database says of the money."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from filmgate.domain.attempt import AttemptState
from filmgate.domain.budget import Budget, Span
from filmgate.domain.ids import new_id
from filmgate.domain.money import Money
from filmgate.domain.video import Video, VideoError, VideoResult
from filmgate.infrastructure.database import Database
from filmgate.repositories.attempts import AttemptRepository, Intent
from filmgate.repositories.budgets import BudgetRepository
from filmgate.repositories.videos import VideoRepository
from tests.integration.makers import a_video

RESULT = VideoResult("videos/a/b", 1.0, 64, 64, 24.0, "h264", None, 1, "00", 1, 1)
ERROR = VideoError("no", "No.")
_HOUR = timedelta(hours=1)


def dollars(text: str) -> Money:
    return Money.parse(text)


class Accounts:
    """The money of one database, and the verbs that move it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.budgets = BudgetRepository(database)
        self.videos = VideoRepository(database)
        self.attempts = AttemptRepository(database)

    async def limit(self, scope: str, limit: str, span: Span = Span.TOTAL) -> None:
        await self.budgets.set_limit(Budget(scope, span, dollars(limit)), datetime.now(UTC))

    async def standing(self, scope: str, when: datetime | None = None) -> dict[Span, tuple[Money, Money]]:
        """Return what is held and spent of each budget of a scope."""
        found = await self.budgets.of([scope], when or datetime.now(UTC))
        return {budget.span: (budget.held, budget.spent) for budget in found}

    async def ask(self, price: str = "1", **changes: Any) -> Video | None:
        """Ask for a video; None if there was no room for it."""
        video = a_video(price=dollars(price), **changes)
        return None if await self.videos.insert([video]) else video

    async def send(self, video: Video, price: str | None = None) -> str:
        """Begin to send a video, whatever its lane has room for."""
        await self.database.execute("UPDATE videos SET admitted_at = now() WHERE id = $1", video.id)
        attempt = new_id("att")
        cost = video.price if price is None else dollars(price)
        intent = Intent(attempt, video.id, "scripted", "scripted-1", "scripted", b"", "w", _HOUR, _HOUR)
        assert await self.attempts.begin(replace(intent, price=cost))
        return attempt

    async def accept(self, video: Video, price: str | None = None) -> str:
        """Send a video and have it accepted."""
        attempt = await self.send(video, price)
        assert await self.attempts.accept(attempt, f"vendor-{attempt}", timedelta(0))
        return attempt

    async def finish(self, attempt: str, cost: str | None = None) -> None:
        await self.attempts.succeed([attempt], {} if cost is None else {attempt: dollars(cost)})

    async def fail(self, attempt: str, cost: str | None = None, *, charged: bool = False) -> None:
        said = None if cost is None else dollars(cost)
        await self.attempts.end(attempt, AttemptState.FAILED, ERROR, cost=said, charged=charged)

    async def hold_of(self, video: Video) -> tuple[str, int, int]:
        row = await self.database.row(
            "SELECT state, micros, settled_micros FROM holds WHERE video_id = $1", video.id
        )
        assert row is not None
        return row["state"], row["micros"], row["settled_micros"]

    async def ledger_of(self, video: Video) -> list[tuple[str, int]]:
        rows = await self.database.fetch(
            "SELECT kind, micros FROM ledger WHERE video_id = $1 ORDER BY id", video.id
        )
        return [(row["kind"], row["micros"]) for row in rows]

    async def cost_of(self, video: Video) -> Money:
        return Money(await self.database.value("SELECT cost_micros FROM videos WHERE id = $1", video.id))

    async def adds_up(self) -> bool:
        wrong = await self.budgets.imbalance()
        assert wrong == []
        return True
