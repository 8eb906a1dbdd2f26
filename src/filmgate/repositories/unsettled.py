"""Keep what an operator decides on: attempts of which it is not known what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from filmgate.domain.errors import BudgetExceeded
from filmgate.domain.money import Money
from filmgate.domain.video import VideoError
from filmgate.infrastructure.database import Database, changed
from filmgate.repositories.endings import lock_video
from filmgate.repositories.holds import hold_twice

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Unsettled:
    """One attempt whose outcome is not known; ``price`` is what it may have cost."""

    attempt_id: str
    video_id: str
    provider: str
    provider_model: str
    state: str
    reason: str | None
    sent_at: datetime
    quiet_at: datetime
    price: Money


class UnsettledRepository:
    """Read such attempts, and write down what was decided."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[Unsettled]:
        """Return all of them, the oldest first."""
        rows = await self._database.fetch(
            """
            SELECT a.id, a.video_id, a.provider, a.provider_model, a.state, a.reason, a.sent_at, a.quiet_at,
                   v.price_micros
            FROM attempts a JOIN videos v ON v.id = a.video_id
            WHERE a.state IN ('unknown', 'parked') ORDER BY a.sent_at
            """
        )
        return [
            Unsettled(
                row["id"],
                row["video_id"],
                row["provider"],
                row["provider_model"],
                row["state"],
                row["reason"],
                row["sent_at"],
                row["quiet_at"],
                Money(row["price_micros"]),
            )
            for row in rows
        ]

    async def abandon(self, attempt_id: str, error: VideoError, charged: Money) -> bool:
        """Give an attempt up and fail its video, writing down what it has cost; False where it moved on."""
        async with self._database.transaction() as session:
            await lock_video(session, attempt_id)
            row = await session.row(
                """
                UPDATE attempts
                SET state = 'not_created', reason = $2, cost_micros = $3, ended_at = now()
                WHERE id = $1 AND state IN ('unknown', 'parked') RETURNING video_id
                """,
                attempt_id,
                error.message,
                charged.micros,
            )
            if row is None:
                return False
            await session.execute(
                """
                UPDATE videos SET status = 'failed', error = $2::text::jsonb, completed_at = now()
                WHERE id = $1 AND status IN ('queued', 'in_progress')
                """,
                row["video_id"],
                _encode(error).decode(),
            )
        return True

    async def resend(self, attempt_id: str, reason: str) -> bool:
        """Give an attempt up and put its video back in line, with its price held a second time.

        False where the attempt moved on; BudgetExceeded where there is no room, and then nothing is done.
        """
        async with self._database.transaction() as session:
            await lock_video(session, attempt_id)
            row = await session.row(
                """
                UPDATE attempts SET state = 'not_created', reason = $2, ended_at = now()
                WHERE id = $1 AND state IN ('unknown', 'parked') RETURNING video_id
                """,
                attempt_id,
                reason,
            )
            if row is None:
                return False
            tag = await session.execute(
                """
                UPDATE videos SET status = 'queued', admitted_at = NULL, not_before = now()
                WHERE id = $1 AND status = 'in_progress'
                """,
                row["video_id"],
            )
            overrun = await hold_twice(session, row["video_id"]) if changed(tag) else None
            if overrun is not None:
                raise BudgetExceeded(str(overrun), overrun)
        return True
