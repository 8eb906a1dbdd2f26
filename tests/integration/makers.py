"""Make videos, rows and films for the tests, and read back what the database says of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import asyncpg
import av
import numpy as np

from filmgate.domain.attempt import AttemptState
from filmgate.domain.ids import new_id
from filmgate.domain.money import Money
from filmgate.domain.routing import Lane
from filmgate.domain.video import Video, VideoRequest, VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.repositories.lanes import LaneRepository
from filmgate.repositories.videos import VideoRepository

LANE = "scripted"
_HAS_JOB = {
    AttemptState.ACCEPTED,
    AttemptState.SUCCEEDED,
    AttemptState.FAILED,
    AttemptState.CANCELLED,
}


def a_video(**changes: Any) -> Video:
    """Return a video that waits, asked of the scripted provider."""
    now = datetime.now(UTC)
    video = Video(
        id=new_id("job"),
        project="project_of_owner",
        key_id="key_owner",
        status=VideoStatus.QUEUED,
        model="scripted-1",
        provider="scripted",
        provider_model="scripted-1",
        lane=LANE,
        request=VideoRequest("a lake", 1.0, 64, 64, 7),
        requested={"duration": 1.0},
        price=Money(50_000),
        created_at=now,
        estimated_at=now + timedelta(seconds=10),
    )
    return replace(video, **changes)


async def open_lane(database: Database, slots: int = 100, name: str = LANE) -> None:
    """Create a lane, or set its limit."""
    await LaneRepository(database).ensure([Lane(name, slots)])


async def wait_in_line(database: Database, count: int = 1, **changes: Any) -> list[Video]:
    """Insert videos that wait."""
    videos = [a_video(**changes) for _ in range(count)]
    await VideoRepository(database).insert(videos)
    return videos


async def put_video(database: Database, status: VideoStatus, *, admitted: bool = True, **changes: Any) -> str:
    """Insert a video and set its status by hand."""
    (video,) = await wait_in_line(database, **changes)
    await database.execute(
        """
        UPDATE videos SET status = $2, admitted_at = CASE WHEN $3 THEN now() END,
            result = CASE WHEN $2 = 'completed' THEN $4::text::jsonb END,
            error = CASE WHEN $2 = 'failed' THEN '{"code": "x", "message": "before"}'::jsonb END
        WHERE id = $1
        """,
        video.id,
        status.value,
        admitted,
        '{"asset": "videos/a/b", "seconds": 1, "width": 64, "height": 64, "fps": 24, "video_codec": "h264",'
        ' "audio_codec": null, "size_bytes": 1, "sha256": "00", "thumbnail_bytes": 1,'
        ' "spritesheet_bytes": 1}',
    )
    return video.id


async def put_attempt(
    database: Database,
    state: AttemptState,
    *,
    status: VideoStatus = VideoStatus.IN_PROGRESS,
    age: timedelta = timedelta(hours=1),
    **changes: Any,
) -> tuple[str, str]:
    """Insert a video with one attempt in a state set by hand, all its deadlines over; return both ids."""
    video_id = await put_video(database, status, **changes)
    attempt_id = new_id("att")
    await database.execute(
        """
        INSERT INTO attempts (
            id, video_id, ordinal, provider, provider_model, account, state, body, sent_by, sent_at,
            lease_until, quiet_at, provider_job_id, accepted_at, next_poll_at, ended_at)
        VALUES ($1, $2, 1, 'scripted', 'scripted-1', $3, $4, '', 'nobody', now() - $5::interval,
                now() - $5::interval, now() - $5::interval, $6, now() - $5::interval,
                now() - $5::interval, now() - $5::interval)
        """,
        attempt_id,
        video_id,
        LANE,
        state.value,
        age,
        f"vendor-{attempt_id}" if state in _HAS_JOB else None,
    )
    return video_id, attempt_id


async def row_of(database: Database, video_id: str) -> asyncpg.Record:
    """Return the whole row of a video."""
    row = await database.row("SELECT * FROM videos WHERE id = $1", video_id)
    assert row is not None
    return row


async def attempts_of(database: Database, video_id: str) -> Sequence[asyncpg.Record]:
    """Return the rows of a video's attempts, in order."""
    return await database.fetch("SELECT * FROM attempts WHERE video_id = $1 ORDER BY ordinal", video_id)


async def state_of(database: Database, attempt_id: str) -> AttemptState:
    """Return the state of one attempt."""
    return AttemptState(await database.value("SELECT state FROM attempts WHERE id = $1", attempt_id))


async def steps_of(database: Database, step: str) -> list[str]:
    """Return what waits in the queue for a step, in order."""
    rows = await database.fetch(
        "SELECT payload FROM pgqueuer WHERE entrypoint = $1 AND status = 'queued' ORDER BY id", step
    )
    return [row["payload"].decode() for row in rows]


async def slots_taken(database: Database, lane: str = LANE) -> int:
    """Return how many slots of a lane are taken."""
    return await database.value(
        """
        SELECT count(*) FROM videos
        WHERE lane = $1 AND status IN ('queued', 'in_progress') AND admitted_at IS NOT NULL
        """,
        lane,
    )


async def cut_connections(dsn: str) -> int:
    """End every other connection to a database, as a restart of the server would; return how many."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(
            """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """
        )
    finally:
        await connection.close()


async def until(condition: Callable[[], Awaitable[object] | object], seconds: float = 20) -> None:
    """Wait until a condition holds, or fail at the deadline."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if await held if isinstance(held, Awaitable) else held:
                return
            await asyncio.sleep(0.02)


def film(
    seconds: float = 1.0, *, rate: int = 24, size: tuple[int, int] = (64, 64), black: bool = False
) -> bytes:
    """Return a small film of moving stripes, or of nothing."""
    with NamedTemporaryFile(suffix=".mp4") as file:
        _draw(file.name, round(seconds * rate), rate, size, 0 if black else 1)
        return Path(file.name).read_bytes()


def _draw(path: str, frames: int, rate: int, size: tuple[int, int], light: int) -> None:
    with av.open(path, "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            row = (np.arange(size[0]) * 4 + number * 8) % 256 * light
            picture = np.repeat(row.astype(np.uint8)[None, :, None], size[1], axis=0).repeat(3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
