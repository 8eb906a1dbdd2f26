"""Keep videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import msgspec

from filmgate.domain.errors import BudgetExceeded
from filmgate.domain.money import Money
from filmgate.domain.origin import Origin
from filmgate.domain.video import Video, VideoError, VideoFilter, VideoRequest, VideoResult, VideoStatus
from filmgate.infrastructure.database import Database, Record, Session, changed, storable
from filmgate.repositories.holds import hold

_ROWS_AT_ONCE = 10_000

_encode = msgspec.json.Encoder().encode
_request = msgspec.json.Decoder(VideoRequest).decode
_result = msgspec.json.Decoder(VideoResult).decode
_origin = msgspec.json.Decoder(Origin).decode
_error = msgspec.json.Decoder(VideoError).decode
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_mapping = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Rerouted:
    """Where a video goes instead, and what is asked of it there."""

    provider: str
    provider_model: str
    lane: str
    request: VideoRequest
    adjustments: Sequence[str]


class VideoRepository:
    """Read and change videos; every change names the status it starts from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(
        self, videos: Sequence[Video], session: Session | None = None
    ) -> Mapping[str, BudgetExceeded]:
        """Insert new videos, those with a price together with what is held for them; harmless when repeated.

        Those that a budget has no room for are left out, and returned by id with why. Of a batch it is all.
        """
        priced = [video for video in videos if video.price.micros]
        if not priced:
            await self._insert_in_slices(session or self._database, videos)
            return {}
        if session is None:
            async with self._database.transaction() as own:
                return await self.insert(videos, own)
        held = await hold(session, priced)
        left_out = held.refused.keys() | held.known
        await self._insert_in_slices(session, [video for video in videos if video.id not in left_out])
        return held.refused

    async def _insert_in_slices(self, runner: Database | Session, videos: Sequence[Video]) -> None:
        # More than one slice comes only with a session: all of them are one transaction.
        for start in range(0, len(videos), _ROWS_AT_ONCE):
            await self._insert_rows(runner, videos[start : start + _ROWS_AT_ONCE])

    async def _insert_rows(self, runner: Database | Session, videos: Sequence[Video]) -> None:
        """Insert new videos in one statement; those already there by id are left alone.

        Each gets its share tag: one step beyond the last waiting video of its key in its lane, or beyond
        the lane's clock where the key has none waiting. Urgent videos drive the clock ahead of the others,
        so a newcomer starts no later than whoever is next in its own priority.

        The rows go out as one JSON text: as arrays, the driver would look at every single value.
        """
        await runner.execute(
            """
            WITH new AS (
                SELECT * FROM ROWS FROM (
                    json_to_recordset($1::text::json) AS (
                        id text, project text, key_id text, batch_id text, batch_index integer,
                        priority smallint, model text, provider text, provider_model text, lane text,
                        request jsonb, requested jsonb, adjustments jsonb, metadata jsonb,
                        webhook_url text, price jsonb, created_at timestamptz, estimated_at timestamptz,
                        origin jsonb)
                ) WITH ORDINALITY AS n (
                    id, project, key_id, batch_id, batch_index, priority, model, provider,
                    provider_model, lane, request, requested, adjustments, metadata, webhook_url,
                    price, created_at, estimated_at, origin, place)
            ),
            -- Where each key stands in each lane before these: worked out once for each, not for each row,
            -- and read off the end of an index even while a young table has no statistics.
            shares AS MATERIALIZED (
                SELECT k.lane, k.key_id, k.priority, greatest(
                    least(
                        coalesce((SELECT l.share_clock FROM lanes l WHERE l.name = k.lane), 0),
                        (SELECT w.share_tag - 1 FROM videos w
                         WHERE w.lane = k.lane AND w.priority = k.priority
                           AND w.status = 'queued' AND w.admitted_at IS NULL
                         ORDER BY w.share_tag LIMIT 1)),
                    coalesce((SELECT w.share_tag FROM videos w
                              WHERE w.lane = k.lane AND w.key_id = k.key_id
                                AND w.status = 'queued' AND w.admitted_at IS NULL
                              ORDER BY w.share_tag DESC LIMIT 1), 0)) AS tag
                FROM (SELECT DISTINCT lane, key_id, priority FROM new) AS k
            )
            INSERT INTO videos (
                id, project, key_id, batch_id, batch_index, status, priority, share_tag, model,
                provider, provider_model, lane, prompt, request, requested, adjustments, metadata,
                webhook_url, price_micros, created_at, estimated_at, origin)
            SELECT n.id, n.project, n.key_id, n.batch_id, n.batch_index, 'queued', n.priority,
                   s.tag + row_number() OVER (PARTITION BY n.lane, n.key_id ORDER BY n.place),
                   n.model, n.provider, n.provider_model, n.lane, n.request->>'prompt', n.request,
                   n.requested, n.adjustments, n.metadata, n.webhook_url,
                   (n.price->>'micros')::bigint, n.created_at, n.estimated_at, n.origin
            FROM new n JOIN shares s USING (lane, key_id, priority)
            ON CONFLICT (id) DO NOTHING
            """,
            _encode(videos).decode(),
        )

    async def get_many(self, ids: Sequence[str]) -> Sequence[Video | None]:
        """Return the videos with these ids, in order, None where there is none."""
        rows = await self._database.fetch(
            """
            SELECT id, project, key_id, batch_id, batch_index, status, priority, model, provider,
                   provider_model, lane, request, requested, adjustments, metadata, webhook_url,
                   progress, price_micros, cost_micros, attempts, result, error, created_at,
                   estimated_at, started_at, completed_at, origin, deleted_at
            FROM videos WHERE id = ANY($1::text[])
            """,
            list(ids),
        )
        found = {row["id"]: video_of(row) for row in rows}
        return [found.get(name) for name in ids]

    async def get(self, video_id: str) -> Video | None:
        """Return one video."""
        return (await self.get_many([video_id]))[0]

    async def list(
        self,
        project: str,
        wanted: VideoFilter,
        before: str | None,
        limit: int,
    ) -> Sequence[Video]:
        """Return up to ``limit`` videos of a project, newest first, from below the id ``before``."""
        async with self._database.transaction() as session:
            # The filters make one plan right for one call and ruinous for the next.
            await session.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            rows = await session.fetch(
                """
                SELECT id, project, key_id, batch_id, batch_index, status, priority, model, provider,
                       provider_model, lane, request, requested, adjustments, metadata, webhook_url,
                       progress, price_micros, cost_micros, attempts, result, error, created_at,
                       estimated_at, started_at, completed_at, origin, deleted_at
                FROM videos
                WHERE project = $1
                  AND ($2::text IS NULL OR status = $2)
                  AND ($3::text IS NULL OR batch_id = $3)
                  AND ($4::text IS NULL OR model = $4)
                  AND ($5::text IS NULL OR provider = $5)
                  AND ($6::text IS NULL OR position(lower($6) IN lower(prompt)) > 0)
                  AND ($7::timestamptz IS NULL OR created_at >= $7)
                  AND ($8::timestamptz IS NULL OR created_at < $8)
                  AND ($9::text IS NULL OR id < $9)
                ORDER BY id DESC LIMIT $10
                """,
                project,
                wanted.status,
                wanted.batch_id,
                wanted.model,
                wanted.provider,
                wanted.text,
                wanted.created_after,
                wanted.created_before,
                before,
                limit,
            )
        return [video_of(row) for row in rows]

    async def cancel(self, video_id: str) -> bool:
        """Cancel a video that has not ended; tell whether this call did it."""
        tag = await self._database.execute(
            """
            UPDATE videos SET status = 'cancelled', completed_at = now()
            WHERE id = $1 AND status IN ('queued', 'in_progress')
            """,
            video_id,
        )
        return changed(tag) == 1

    async def complete(self, video_id: str, result: VideoResult) -> bool:
        """Complete a video in progress; tell whether it still was."""
        tag = await self._database.execute(
            """
            UPDATE videos
            SET status = 'completed', progress = 100, result = $2::text::jsonb, completed_at = now()
            WHERE id = $1 AND status = 'in_progress'
            """,
            video_id,
            _encode(result).decode(),
        )
        return changed(tag) == 1

    async def fail(self, video_id: str, error: VideoError, session: Session | None = None) -> bool:
        """Fail a video that has not ended; tell whether this call did it."""
        tag = await (session or self._database).execute(
            """
            UPDATE videos SET status = 'failed', error = $2::text::jsonb, completed_at = now()
            WHERE id = $1 AND status IN ('queued', 'in_progress')
            """,
            video_id,
            written_error(error),
        )
        return changed(tag) == 1

    async def fail_waiting(self, video_id: str, error: VideoError) -> bool:
        """Fail a video that still waits; one that was sent meanwhile ends by what becomes of that send."""
        tag = await self._database.execute(
            """
            UPDATE videos SET status = 'failed', error = $2::text::jsonb, completed_at = now()
            WHERE id = $1 AND status = 'queued'
            """,
            video_id,
            written_error(error),
        )
        return changed(tag) == 1

    async def reroute(self, video_id: str, target: Rerouted) -> bool:
        """Send a waiting video elsewhere, with a fresh place in the other lane's line."""
        tag = await self._database.execute(
            """
            UPDATE videos v
            SET provider = $2, provider_model = $3, lane = $4, request = $5::text::jsonb,
                adjustments = $6::text::jsonb, admitted_at = NULL, not_before = NULL,
                share_tag = 1 + coalesce((SELECT l.share_clock FROM lanes l WHERE l.name = $4), 0)
            WHERE v.id = $1 AND v.status = 'queued'
            """,
            video_id,
            target.provider,
            target.provider_model,
            target.lane,
            _encode(target.request).decode(),
            _encode(target.adjustments).decode(),
        )
        return changed(tag) == 1

    async def tried(self, video_id: str) -> set[tuple[str, str]]:
        """Return the providers' models that a video was already sent to."""
        rows = await self._database.fetch(
            "SELECT DISTINCT provider, provider_model FROM attempts WHERE video_id = $1", video_id
        )
        return {(row["provider"], row["provider_model"]) for row in rows}

    async def postpone(self, video_id: str, delay: timedelta) -> None:
        """Put a video that was let through but could not be sent back in line."""
        await self._database.execute(
            """
            UPDATE videos SET admitted_at = NULL, not_before = now() + $2::interval
            WHERE id = $1 AND status = 'queued'
            """,
            video_id,
            delay,
        )

    async def show_progress(self, percents: Sequence[tuple[str, int]]) -> None:
        """Raise the progress of videos under way; it never falls and never says 100."""
        await self._database.execute(
            """
            UPDATE videos v SET progress = n.percent
            FROM unnest($1::text[], $2::smallint[]) AS n (id, percent)
            WHERE v.id = n.id AND v.status = 'in_progress' AND v.progress < n.percent
            """,
            [video_id for video_id, _ in percents],
            [min(99, percent) for _, percent in percents],
        )

    async def readmit_strays(self, older_than: timedelta) -> int:
        """Put videos back in line that were let through but never sent, and return how many."""
        tag = await self._database.execute(
            """
            UPDATE videos v SET admitted_at = NULL
            WHERE v.status = 'queued' AND v.admitted_at < now() - $1::interval
            """,
            older_than,
        )
        return changed(tag)


def written_error(error: VideoError) -> str:
    """Return an error as it is stored; what a provider says may hold anything."""
    said = replace(error, code=storable(error.code), message=storable(error.message))
    return _encode(said).decode()


def video_of(row: Record) -> Video:
    """Return the video a row holds."""
    result, error, origin = row["result"], row["error"], row["origin"]
    return Video(
        id=row["id"],
        project=row["project"],
        key_id=row["key_id"],
        status=VideoStatus(row["status"]),
        model=row["model"],
        provider=row["provider"],
        provider_model=row["provider_model"],
        lane=row["lane"],
        request=_request(row["request"]),
        requested=_mapping(row["requested"]),
        price=Money(row["price_micros"]),
        created_at=row["created_at"],
        estimated_at=row["estimated_at"],
        batch_id=row["batch_id"],
        batch_index=row["batch_index"],
        priority=row["priority"],
        progress=row["progress"],
        webhook_url=row["webhook_url"],
        metadata=cast("dict[str, str]", _mapping(row["metadata"])),
        adjustments=_texts(row["adjustments"]),
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        result=None if result is None else _result(result),
        error=None if error is None else _error(error),
        cost=Money(row["cost_micros"]),
        attempts=row["attempts"],
        origin=None if origin is None else _origin(origin),
        deleted_at=row["deleted_at"],
    )
