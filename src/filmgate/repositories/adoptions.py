"""Take in provider jobs that were made elsewhere."""

from typing import Final

import msgspec

from filmgate.domain.video import Video
from filmgate.infrastructure.database import Database, RowRejected

_encode: Final = msgspec.json.Encoder().encode


class AdoptionRepository:
    """Write a video and its attempt as if the attempt had just been accepted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def holder(self, account: str, provider_job_id: str) -> str | None:
        """Return the video that a provider's job belongs to."""
        return await self._database.value(
            "SELECT video_id FROM attempts WHERE account = $1 AND provider_job_id = $2",
            account,
            provider_job_id,
        )

    async def insert(self, video: Video, attempt_id: str, provider_job_id: str) -> bool:
        """Keep a video that is under way as this job; False where the job has a video already."""
        try:
            async with self._database.transaction() as session:
                await session.execute(
                    """
                    INSERT INTO videos (
                        id, project, key_id, status, share_tag, model, provider, provider_model, lane,
                        prompt, request, requested, adjustments, price_micros, attempts, created_at,
                        estimated_at, admitted_at, started_at)
                    VALUES ($1, $2, $3, 'in_progress', 0, $4, $5, $6, $7, $8, $9::text::jsonb,
                            $10::text::jsonb, $11::text::jsonb, 0, 1, $12, $13, now(), now())
                    """,
                    video.id,
                    video.project,
                    video.key_id,
                    video.model,
                    video.provider,
                    video.provider_model,
                    video.lane,
                    video.request.prompt,
                    _encode(video.request).decode(),
                    _encode(video.requested).decode(),
                    _encode(video.adjustments).decode(),
                    video.created_at,
                    video.estimated_at,
                )
                await session.execute(
                    """
                    INSERT INTO attempts (
                        id, video_id, ordinal, provider, provider_model, account, state, body, sent_by,
                        lease_until, quiet_at, provider_job_id, accepted_at, next_poll_at)
                    VALUES ($1, $2, 1, $3, $4, $5, 'accepted', ''::bytea, 'operator', now(), now(), $6,
                            now(), now())
                    """,
                    attempt_id,
                    video.id,
                    video.provider,
                    video.provider_model,
                    video.lane,
                    provider_job_id,
                )
        except RowRejected:
            if await self.holder(video.lane, provider_job_id) is None:
                raise
            return False
        return True
