"""Deleted videos lose their files for good, also where a process dies in between."""

import pytest

from filmgate.domain.asset import AssetStore
from filmgate.domain.errors import NotFound, VideoNotFinished
from filmgate.domain.key import Key
from filmgate.domain.video import Variant, VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.storage import LocalStore
from filmgate.repositories.deletions import DeletionRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.deletions import DeletionService
from tests.integration.makers import open_lane, put_video

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(database: Database, settings: object, tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    await open_lane(database)
    return LocalStore(tmp_path_factory.mktemp("assets"))


def service(database: Database, store: AssetStore) -> DeletionService:
    return DeletionService(VideoRepository(database), DeletionRepository(database), store)


async def a_film(database: Database, store: LocalStore) -> tuple[str, list[str]]:
    """Insert a completed video with its three files."""
    video_id = await put_video(database, VideoStatus.COMPLETED)
    video = await VideoRepository(database).get(video_id)
    assert video is not None
    assert video.result is not None
    names = [video.result.key(variant) for variant in Variant]
    for name in names:
        path = store.workspace() / "film"
        path.write_bytes(b"film")
        await store.put(name, path)
    return video_id, names


async def left(store: LocalStore, names: list[str]) -> list[str]:
    return [name for name in names if await store.stat(name) is not None]


async def test_a_deleted_video_keeps_its_row_and_loses_its_files(
    database: Database, store: LocalStore, owner: Key
) -> None:
    video_id, names = await a_film(database, store)
    await service(database, store).delete(owner, video_id)
    assert await left(store, names) == []
    video = await VideoRepository(database).get(video_id)
    assert video is not None
    assert video.deleted_at is not None
    assert await DeletionRepository(database).unpurged(10) == []
    page = await service(database, store).page(owner, None, 10, oldest_first=False)
    assert page.items == ()


async def test_files_that_a_dying_process_left_go_with_the_next_purge(
    database: Database, store: LocalStore
) -> None:
    video_id, names = await a_film(database, store)
    assert await DeletionRepository(database).delete(video_id)
    assert await left(store, names) == names
    await service(database, store).purge()
    assert await left(store, names) == []
    assert await DeletionRepository(database).unpurged(10) == []
    await service(database, store).purge()


@pytest.mark.parametrize("status", [VideoStatus.QUEUED, VideoStatus.IN_PROGRESS])
async def test_a_video_in_the_making_cannot_be_deleted(
    database: Database, store: LocalStore, owner: Key, status: VideoStatus
) -> None:
    video_id = await put_video(database, status)
    with pytest.raises(VideoNotFinished, match=f"DELETE /api/v1/videos/{video_id}"):
        await service(database, store).delete(owner, video_id)
    assert not await DeletionRepository(database).delete(video_id)


@pytest.mark.parametrize("status", [VideoStatus.FAILED, VideoStatus.CANCELLED])
async def test_a_video_without_a_film_can_be_deleted_once_and_again_only_by_a_retry(
    database: Database, store: LocalStore, owner: Key, status: VideoStatus
) -> None:
    video_id = await put_video(database, status)
    await service(database, store).delete(owner, video_id)
    with pytest.raises(NotFound):
        await service(database, store).delete(owner, video_id)
    await service(database, store).delete(owner, video_id, again=True)


async def test_nobody_deletes_for_another(database: Database, store: LocalStore) -> None:
    video_id, names = await a_film(database, store)
    with pytest.raises(NotFound):
        await service(database, store).delete(Key("key_2", "other", "project_of_other", "ther"), video_id)
    assert await left(store, names) == names
