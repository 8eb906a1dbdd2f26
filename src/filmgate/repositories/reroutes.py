"""Send videos elsewhere whose provider took them, made nothing of them and charges nothing."""

import msgspec

from filmgate.infrastructure.database import Database, changed, storable
from filmgate.repositories.endings import lock_video
from filmgate.repositories.videos import Rerouted

_encode = msgspec.json.Encoder().encode


class RerouteRepository:
    """Change an attempt and its video together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hand_on(self, attempt_id: str, reason: str, target: Rerouted) -> bool:
        """End an attempt as failed at no cost, and put its video in line for another target.

        False, and nothing changed, where either of them has moved on meanwhile.
        """
        async with self._database.transaction() as session:
            await lock_video(session, attempt_id)
            tag = await session.execute(
                """
                UPDATE attempts a
                SET state = 'failed', reason = $2, ended_at = now(), next_poll_at = NULL, cost_micros = 0
                FROM videos v
                WHERE a.id = $1 AND a.state = 'accepted' AND v.id = a.video_id AND v.status = 'in_progress'
                """,
                attempt_id,
                storable(reason),
            )
            if changed(tag) == 0:
                return False
            await session.execute(
                """
                UPDATE videos v
                SET status = 'queued', progress = 0, admitted_at = NULL, not_before = NULL,
                    provider = $2, provider_model = $3, lane = $4, request = $5::text::jsonb,
                    adjustments = $6::text::jsonb,
                    share_tag = 1 + coalesce((SELECT l.share_clock FROM lanes l WHERE l.name = $4), 0)
                FROM attempts a WHERE a.id = $1 AND v.id = a.video_id
                """,
                attempt_id,
                target.provider,
                target.provider_model,
                target.lane,
                _encode(target.request).decode(),
                _encode(target.adjustments).decode(),
            )
        return True
