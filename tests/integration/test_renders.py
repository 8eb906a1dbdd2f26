"""The built-in renderer makes each film once, stops when told to, and gives up with a reason."""

import asyncio
import base64
import io
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from PIL import Image

from filmgate.domain.errors import Refused, StorageFull
from filmgate.domain.ids import new_id
from filmgate.domain.provider import Found, JobState, NotThere, Order, Progress, ProviderJob
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.children import ChildPool
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.media import Media, media_pool
from filmgate.infrastructure.storage import LocalStore
from filmgate.providers.embedded import MAX_TRIES, Embedded
from filmgate.repositories.renders import RenderRepository
from tests.integration.makers import steps_of, until

pytestmark = pytest.mark.anyio

RENDERER = (sys.executable, "-m", "filmgate.renderer")
SMALL = VideoRequest("a lake at dawn", 1.0, 360, 360, 7, audio=False)
LONG = replace(SMALL, seconds=20.0, width=1280, height=720)


@pytest.fixture
def renders(database: Database) -> RenderRepository:
    return RenderRepository(database)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "assets")


@pytest.fixture
async def pool() -> AsyncGenerator[ChildPool, None]:
    opened = ChildPool(RENDERER, 2, memory_limit=1024**3)
    yield opened
    await opened.close(0)


@pytest.fixture
def embedded(renders: RenderRepository, store: LocalStore, pool: ChildPool) -> Embedded:
    return Embedded(renders, store, pool, "runner_1")


async def open_fence() -> None:
    """Let everything through."""


async def submitted(embedded: Embedded, request: VideoRequest = SMALL) -> ProviderJob:
    order = Order(new_id("job"), "procedural-1", request)
    job_id = await embedded.submit(order, embedded.prepare(order), open_fence)
    return ProviderJob(job_id, order.model, order.reference, datetime.now(UTC))


async def progress_of(embedded: Embedded, job: ProviderJob) -> Progress:
    return (await embedded.poll([job]))[job.id]


def renderers() -> set[int]:
    """Return the process ids of the renderer children of this process."""
    children = psutil.Process().children()
    return {child.pid for child in children if "filmgate.renderer" in child.cmdline()}


async def test_a_job_becomes_a_film_of_the_length_that_was_asked(
    embedded: Embedded, store: LocalStore, tmp_path: Path
) -> None:
    job = await submitted(embedded)
    assert (await progress_of(embedded, job)).state is JobState.PENDING
    await embedded.run(job.id)
    progress = await progress_of(embedded, job)
    assert (progress.state, progress.percent) == (JobState.SUCCEEDED, 100)
    await embedded.download(job, tmp_path / "film.mp4")
    media = media_pool(1)
    probe = await Media(media).probe(tmp_path / "film.mp4")
    await media.close(0)
    assert (probe.width, probe.height, probe.frames) == (360, 360, 24)
    assert list(store.workspace().iterdir()) == []


async def test_the_same_order_never_becomes_two_jobs(database: Database, embedded: Embedded) -> None:
    order = Order("job_1", "procedural-1", SMALL)
    for _ in range(3):
        assert await embedded.submit(order, embedded.prepare(order), open_fence) == "job_1"
    assert await database.value("SELECT count(*) FROM renders") == 1
    assert await steps_of(database, "render") == ["job_1"]


async def test_nothing_is_taken_on_before_the_fence(database: Database, embedded: Embedded) -> None:
    async def closed_fence() -> None:
        raise RuntimeError

    order = Order("job_1", "procedural-1", SMALL)
    with pytest.raises(RuntimeError):
        await embedded.submit(order, embedded.prepare(order), closed_fence)
    assert await database.value("SELECT count(*) FROM renders") == 0


async def test_a_film_without_a_frame_is_refused(embedded: Embedded) -> None:
    with pytest.raises(Refused, match="at least one frame"):
        await submitted(embedded, replace(SMALL, seconds=0.01))


async def test_a_lost_job_is_found_by_its_reference(embedded: Embedded) -> None:
    job = await submitted(embedded)
    now = datetime.now(UTC)
    assert await embedded.find_lost(Order(job.reference, job.model, SMALL), now) == Found(job.id)
    assert await embedded.find_lost(Order("job_none", job.model, SMALL), now) == NotThere()


async def test_a_job_that_is_not_there_has_failed_and_cannot_be_fetched(
    embedded: Embedded, tmp_path: Path
) -> None:
    gone = ProviderJob("job_none", "procedural-1", "job_none", datetime.now(UTC))
    progress = await progress_of(embedded, gone)
    assert progress.state is JobState.FAILED
    assert progress.reason
    with pytest.raises(FileNotFoundError):
        await embedded.download(gone, tmp_path / "film.mp4")


async def test_two_runners_of_one_job_make_one_film(
    database: Database, renders: RenderRepository, store: LocalStore, pool: ChildPool, tmp_path: Path
) -> None:
    one, two = (Embedded(renders, store, pool, name) for name in ("runner_1", "runner_2"))
    job = await submitted(one)
    await asyncio.gather(one.run(job.id), two.run(job.id))
    assert (await progress_of(one, job)).state is JobState.SUCCEEDED
    await one.download(job, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").stat().st_size > 0
    files = [path.name for path in store.root.rglob("*") if path.is_file()]
    assert files == [f"{job.id}.mp4"]
    assert await database.value("SELECT count(*) FROM renders") == 1


async def test_progress_rises_while_the_film_is_made(embedded: Embedded) -> None:
    job = await submitted(embedded, replace(LONG, seconds=2.5))
    running = asyncio.create_task(embedded.run(job.id))
    seen: list[int] = []
    while not running.done():
        percent = (await progress_of(embedded, job)).percent
        assert percent is not None
        seen.append(percent)
        await asyncio.sleep(0.1)
    await running
    assert seen == sorted(seen)
    assert len({percent for percent in seen if 0 < percent < 100}) > 1


async def test_cancelling_ends_the_child_within_a_second_or_so(embedded: Embedded, store: LocalStore) -> None:
    job = await submitted(embedded, LONG)
    running = asyncio.create_task(embedded.run(job.id))
    await until(renderers)
    (pid,) = renderers()
    outcome = await embedded.cancel(job)
    assert (outcome.stopped, outcome.charged) == (True, False)
    await asyncio.wait_for(running, 5)
    assert not psutil.pid_exists(pid)
    assert (await progress_of(embedded, job)).state is JobState.CANCELLED
    assert [path for path in store.root.rglob("*") if path.is_file()] == []
    await embedded.run(job.id)
    assert not renderers()


async def test_a_job_taken_over_by_another_runner_is_left_to_it(
    renders: RenderRepository, embedded: Embedded
) -> None:
    job = await submitted(embedded, LONG)
    running = asyncio.create_task(embedded.run(job.id))
    await until(renderers)
    assert await renders.claim(job.id, "runner_2")
    await asyncio.wait_for(running, 5)
    (render,) = await renders.get_many([job.id])
    assert render.state is JobState.PROCESSING
    assert not await renders.succeed(job.id, "runner_1", "renders/a.mp4")


async def test_a_job_that_keeps_dying_fails_with_the_reason(database: Database, embedded: Embedded) -> None:
    job = await submitted(embedded)
    await database.execute("UPDATE renders SET tries = $1", MAX_TRIES)
    await embedded.run(job.id)
    progress = await progress_of(embedded, job)
    assert (progress.state, progress.code) == (JobState.FAILED, "renderer_failed")
    assert progress.reason == f"The renderer died {MAX_TRIES} times over it."
    assert not renderers()


async def test_a_child_that_dies_leaves_the_job_to_the_next_try(embedded: Embedded) -> None:
    job = await submitted(embedded, LONG)
    running = asyncio.create_task(embedded.run(job.id))
    await until(renderers)
    for pid in renderers():
        psutil.Process(pid).kill()
    with pytest.raises(Exception, match="signal 9"):
        await running
    assert (await progress_of(embedded, job)).state is JobState.PROCESSING


async def test_a_full_store_loses_nothing(
    embedded: Embedded, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await submitted(embedded)

    async def full(_store: LocalStore, key: str, path: Path) -> None:
        raise StorageFull("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put", full)
        for _ in range(MAX_TRIES + 1):
            with pytest.raises(StorageFull):
                await embedded.run(job.id)
    assert list(store.workspace().iterdir()) == []
    await embedded.run(job.id)
    assert (await progress_of(embedded, job)).state is JobState.SUCCEEDED


async def test_an_image_becomes_the_start_of_the_film(embedded: Embedded, store: LocalStore) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(picture, "PNG")
    path = store.workspace() / "reference.png"
    path.write_bytes(picture.getvalue())
    await store.put("references/a.png", path)
    job = await submitted(embedded, replace(SMALL, input_reference="references/a.png"))
    await embedded.run(job.id)
    assert (await progress_of(embedded, job)).state is JobState.SUCCEEDED


async def test_an_image_that_cannot_be_read_fails_the_job_as_such(
    embedded: Embedded, store: LocalStore
) -> None:
    path = store.workspace() / "reference.png"
    path.write_bytes(base64.b64decode("iVBORw0KGgo="))
    await store.put("references/a.png", path)
    job = await submitted(embedded, replace(SMALL, input_reference="references/a.png"))
    await embedded.run(job.id)
    progress = await progress_of(embedded, job)
    assert (progress.state, progress.code) == (JobState.FAILED, "bad_reference")
    assert progress.reason


async def test_a_process_that_does_not_work_runs_nothing(
    renders: RenderRepository, store: LocalStore
) -> None:
    idle = Embedded(renders, store, None, "runner_1")
    job = await submitted(idle)
    await idle.run(job.id)
    assert list(store.root.rglob("*.mp4")) == []


async def test_forgetting_removes_the_film_and_the_job_and_is_harmless_again(
    embedded: Embedded, renders: RenderRepository, store: LocalStore
) -> None:
    job = await submitted(embedded)
    await embedded.run(job.id)
    for _ in range(2):
        await embedded.forget(job)
    assert await renders.get_many([job.id]) == []
    assert list(store.root.rglob("*.mp4")) == []


VERBS = {
    "claim": (JobState.PROCESSING, {JobState.PENDING, JobState.PROCESSING}),
    "succeed": (JobState.SUCCEEDED, {JobState.PROCESSING}),
    "fail": (JobState.FAILED, {JobState.PENDING, JobState.PROCESSING}),
    "cancel": (JobState.CANCELLED, {JobState.PENDING, JobState.PROCESSING}),
    "hand_back": (JobState.PENDING, {JobState.PROCESSING}),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_moves_a_render_only_while_it_has_not_ended(
    database: Database, renders: RenderRepository, verb: str
) -> None:
    target, allowed = VERBS[verb]
    for state in JobState:
        name = new_id("job")
        await renders.create(name, b"{}", 24)
        await database.execute(
            "UPDATE renders SET state = $2, runner = 'me', tries = 1 WHERE id = $1", name, state.value
        )
        match verb:
            case "claim":
                await renders.claim(name, "me")
            case "succeed":
                await renders.succeed(name, "me", "renders/a.mp4")
            case "fail":
                await renders.fail(name, "x", "It broke.")
            case "cancel":
                assert await renders.cancel(name) is (state in allowed)
            case _:
                await renders.hand_back(name, "me")
        (render,) = await renders.get_many([name])
        assert render.state is (target if state in allowed else state)


async def test_a_render_that_is_not_over_is_not_forgotten(renders: RenderRepository) -> None:
    await renders.create("job_1", b"{}", 24)
    await renders.forget("job_1")
    assert len(await renders.get_many(["job_1"])) == 1


async def test_renders_that_ended_long_ago_are_listed_oldest_first(
    database: Database, renders: RenderRepository
) -> None:
    for number in range(3):
        await renders.create(f"job_{number}", b"{}", 24)
        await renders.cancel(f"job_{number}")
        await database.execute(
            "UPDATE renders SET ended_at = now() - $2::interval WHERE id = $1",
            f"job_{number}",
            timedelta(hours=number),
        )
    found = await renders.ended_before(timedelta(minutes=30))
    assert [render.id for render in found] == ["job_2", "job_1"]


async def test_another_runners_progress_is_not_taken(renders: RenderRepository) -> None:
    await renders.create("job_1", b"{}", 24)
    await renders.claim("job_1", "runner_1")
    assert await renders.show_progress("job_1", "runner_1", 5)
    assert not await renders.show_progress("job_1", "runner_2", 9)
    (render,) = await renders.get_many(["job_1"])
    assert render.frames_done == 5
