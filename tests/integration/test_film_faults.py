"""Every fault that the twin has for films, through adapter, collecting and database to what the user sees."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.money import Money
from filmgate.domain.provider import JobState, ProviderJob
from filmgate.domain.video import Variant, Video, VideoRequest, VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.media import Media, media_pool
from filmgate.infrastructure.queue import Postponed
from filmgate.infrastructure.storage import LocalStore
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.collecting import MAX_FETCHES, CollectingService
from filmgate.twin.kinds import KINDS, Stage
from tests.contract.providers import CASES, Bench, bench
from tests.integration.makers import open_lane, put_attempt

pytestmark = pytest.mark.anyio

# One whose films lie on a media host, one whose films need the key and a redirect, and one's own server.
HOSTS = {case.name: case for case in CASES if case.name in {"fal", "gemini", "vllm"}}
SIZES = {"fal": (640, 360, 4.0), "gemini": (640, 360, 3.0), "vllm": (128, 96, 2.0)}
EVERY = tuple(HOSTS)
# What a file holds does not depend on where it comes from.
TWO = ("fal", "vllm")
PRICE = 250_000


@dataclass(frozen=True)
class Effect:
    """What a fault comes to: how the video ends, after how many fetches, and what the user is told."""

    code: str | None = None
    fetches: int = 1
    told: str = ""
    hosts: tuple[str, ...] = EVERY


LOST, INVALID = "asset_lost", "asset_invalid"
FAULTS = {
    "url-expired": Effect(fetches=2),
    "url-expired fetches=4": Effect(fetches=5),
    "url-expired fetches=99": Effect(LOST, MAX_FETCHES, "answered 404"),
    "url-forbidden": Effect(LOST, MAX_FETCHES, "answered 403"),
    "media-cut": Effect(fetches=2),
    "media-cut fetches=99": Effect(LOST, MAX_FETCHES),
    "media-redirect": Effect(),
    "length-short": Effect(INVALID, MAX_FETCHES),
    "length-long": Effect(LOST, MAX_FETCHES),
    "length-absent": Effect(hosts=TWO),
    "film-truncated": Effect(INVALID, MAX_FETCHES, hosts=TWO),
    "film-empty": Effect(INVALID, MAX_FETCHES, "0 bytes", hosts=TWO),
    "film-html": Effect(INVALID, MAX_FETCHES, "this is HTML, not video", hosts=TWO),
    "film-json": Effect(INVALID, MAX_FETCHES, "this is JSON, not video", hosts=TWO),
    "film-black": Effect(INVALID, MAX_FETCHES, "it is black from start to end", hosts=TWO),
    "film-wrong-length": Effect(INVALID, MAX_FETCHES, " s long where ", hosts=TWO),
    "film-wrong-size": Effect(INVALID, MAX_FETCHES, " was asked", hosts=TWO),
    "vanish-after-success": Effect(LOST, MAX_FETCHES, "does not say where the film", ("fal",)),
    "result-missing": Effect(LOST, MAX_FETCHES, "does not say where the film", ("fal",)),
    # What a media host, or the server that holds the film, may answer instead of it.
    "error-before@download times=1": Effect(fetches=2),
    "error-before@download": Effect(LOST, MAX_FETCHES, "answered 503"),
    "rate-limited@download times=1": Effect(fetches=2),
    "lost-before-accept@download": Effect(LOST, MAX_FETCHES, hosts=TWO),
    "slow-headers@download seconds=0.5": Effect(hosts=TWO),
    "slow-body@download seconds=1": Effect(hosts=TWO),
    "html@download": Effect(INVALID, MAX_FETCHES, "HTML", TWO),
    "empty-answer@download": Effect(INVALID, MAX_FETCHES, "0 bytes", TWO),
    "huge-body@download megabytes=8": Effect(INVALID, MAX_FETCHES, "JSON", ("fal",)),
}


def test_no_fault_of_films_is_left_out() -> None:
    assert {name for name, kind in KINDS.items() if kind.stage is Stage.FILM} <= {
        fault.split()[0] for fault in FAULTS
    }


@dataclass(frozen=True)
class Home:
    """One provider against its twin, and what brings its films home."""

    at: Bench
    collecting: CollectingService
    database: Database
    videos: VideoRepository
    store: LocalStore

    async def finished(self, fault: str) -> tuple[str, str, ProviderJob]:
        """Have a film made; return its video, its attempt and its job, all as watching leaves them."""
        width, height, seconds = SIZES[self.at.case.name]
        asked = {"width": width, "height": height, "seconds": seconds}
        job = await self.at.submitted(f"A kite [twin:{fault}]" if fault else "A kite", **asked)
        assert (await self.at.until_final(job, 60)).state is JobState.SUCCEEDED
        request = VideoRequest("A kite", seconds, width, height, 1907, audio=False)
        video_id, attempt_id = await put_attempt(self.database, AttemptState.SUCCEEDED, request=request)
        await self.database.execute(
            """
            UPDATE attempts SET provider = $2, provider_model = $3, provider_job_id = $4, cost_micros = $5
            WHERE id = $1
            """,
            attempt_id,
            self.at.case.name,
            job.model,
            job.id,
            PRICE,
        )
        return video_id, attempt_id, job

    async def collected(self, attempt_id: str) -> int:
        """Fetch until it is settled; return how many times that took."""
        for times in range(1, MAX_FETCHES + 1):
            try:
                await self.collecting.collect(attempt_id)
            except Postponed:
                continue
            return times
        raise AssertionError(f"it was not settled after {MAX_FETCHES} fetches")

    async def shown(self, video_id: str) -> Video:
        video = await self.videos.get(video_id)
        assert video is not None
        return video


@asynccontextmanager
async def home(host: str, database: Database, folder: Path) -> AsyncGenerator[Home, None]:
    store, pool = LocalStore(folder / "assets"), media_pool(1)
    videos = VideoRepository(database)
    await open_lane(database)
    async with bench(HOSTS[host]) as at:
        media = Media(pool, timeout=60)
        attempts = AttemptRepository(database)
        services = CollectingService(videos, attempts, {host: at.provider}, media, store, lambda: None)
        try:
            yield Home(at, services, database, videos, store)
        finally:
            await pool.close(0)


@pytest.mark.parametrize(
    ("fault", "host"), [(fault, host) for fault, effect in FAULTS.items() for host in effect.hosts]
)
async def test_a_fault_of_films_comes_to_what_is_promised(
    fault: str, host: str, database: Database, tmp_path: Path
) -> None:
    effect = FAULTS[fault]
    async with home(host, database, tmp_path) as here:
        video_id, attempt_id, job = await here.finished(fault)
        assert await here.collected(attempt_id) == effect.fetches
        video = await here.shown(video_id)
        stored = [path for path in here.store.root.rglob("*") if path.is_file()]
        if effect.code is None:
            assert video.status is VideoStatus.COMPLETED
            assert video.result is not None
            content = here.store.path(video.result.key(Variant.VIDEO)).read_bytes()
            assert hashlib.sha256(content).hexdigest() == video.result.sha256
            assert (video.result.width, video.result.height, video.result.seconds) == SIZES[host]
            assert len(stored) == 3
        else:
            assert video.status is VideoStatus.FAILED
            assert video.error is not None
            assert (video.error.code, video.error.charged) == (effect.code, True)
            assert effect.told in video.error.message
            assert job.id in str(video.error.action)
            assert stored == []
        # However often it is fetched, it is made and paid once.
        assert (here.at.posts(), here.at.created()) == (1, 1)


@pytest.mark.parametrize("host", EVERY)
async def test_without_a_fault_a_film_is_fetched_once(host: str, database: Database, tmp_path: Path) -> None:
    async with home(host, database, tmp_path) as here:
        video_id, attempt_id, _ = await here.finished("")
        assert await here.collected(attempt_id) == 1
        video = await here.shown(video_id)
        assert video.status is VideoStatus.COMPLETED
        assert video.cost == Money(PRICE)


async def test_a_film_that_comes_inside_the_answer_is_taken_from_there(
    database: Database, tmp_path: Path
) -> None:
    async with home("gemini", database, tmp_path) as here:
        video_id, attempt_id, _ = await here.finished("gemini-inline")
        assert await here.collected(attempt_id) == 1
        assert (await here.shown(video_id)).status is VideoStatus.COMPLETED
        assert here.at.judge.requests(place="media") == []
