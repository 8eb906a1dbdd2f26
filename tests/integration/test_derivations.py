"""An extension comes home joined and measured as a whole, whatever happens on the way."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import av
import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.origin import Origin, OriginKind
from filmgate.domain.video import Variant, Video, VideoResult, VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.queue import Postponed
from filmgate.repositories.videos import VideoRepository
from tests.integration.makers import a_video, film, open_lane, put_attempt
from tests.integration.scripted import Works, open_works

pytestmark = pytest.mark.anyio


def frames(path: Path) -> int:
    with av.open(str(path)) as file:
        return sum(packet.pts is not None for packet in file.demux(video=0))


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> AsyncGenerator[Works, None]:
    async with open_works(database, tmp_path) as opened:
        await open_lane(database, 1)
        yield opened


async def put_extension(works: Works, before: bytes, part: bytes) -> tuple[str, str, str]:
    """Insert an extension whose new part waits to be collected; return the ids and its source's key."""
    video_id, attempt_id = await put_attempt(works.database, AttemptState.SUCCEEDED)
    asset = f"references/film_{video_id}.mp4"
    copy = works.store.workspace() / "before"
    copy.write_bytes(before)
    await works.store.put(asset, copy)
    await works.database.execute(
        "UPDATE videos SET origin = $2::text::jsonb WHERE id = $1",
        video_id,
        f'{{"kind": "extension", "how": "so", "film": "{asset}", "seconds": 2.0}}',
    )
    works.vendor.film = part
    return video_id, attempt_id, asset


async def finished(works: Works, video_id: str) -> tuple[Video, VideoResult]:
    video = await works.videos.get(video_id)
    assert video is not None
    assert video.result is not None, video.error
    assert video.status is VideoStatus.COMPLETED
    return video, video.result


async def test_an_extension_comes_home_joined_hashed_and_measured_as_a_whole(works: Works) -> None:
    video_id, attempt_id, asset = await put_extension(works, film(2.0), film(1.0))
    await works.collecting.collect(attempt_id)
    video, result = await finished(works, video_id)
    assert (video.seconds, result.seconds) == (3.0, 3.0)
    path = works.store.path(result.key(Variant.VIDEO))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == result.sha256
    assert frames(path) == 72
    assert result.joined == "joined packet by packet, nothing was encoded anew"
    assert video.told == ("joined packet by packet, nothing was encoded anew",)
    assert await works.store.stat(asset) is None
    assert [one for one in works.store.workspace().iterdir() if one.is_file()] == []


async def test_two_collectors_of_one_extension_join_it_once(works: Works) -> None:
    video_id, attempt_id, _ = await put_extension(works, film(2.0), film(1.0))
    works.vendor.delay = 0.2
    await asyncio.gather(works.collecting.collect(attempt_id), works.collecting.collect(attempt_id))
    _, result = await finished(works, video_id)
    path = works.store.path(result.key(Variant.VIDEO))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == result.sha256
    assert frames(path) == 72


async def test_a_collector_that_died_while_joining_leaves_nothing_in_the_way(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id, attempt_id, asset = await put_extension(works, film(2.0), film(1.0))

    async def dies(*_: object) -> bool:
        raise ConnectionResetError("as if killed between the files and the row")

    with monkeypatch.context() as patch:
        patch.setattr(VideoRepository, "complete", dies)
        with pytest.raises(Postponed):
            await works.collecting.collect(attempt_id)
    assert await works.store.stat(asset) is not None
    await works.collecting.collect(attempt_id)
    _, result = await finished(works, video_id)
    assert frames(works.store.path(result.key(Variant.VIDEO))) == 72
    await works.collecting.collect(attempt_id)
    assert works.vendor.paid == []


async def test_the_new_part_is_judged_by_its_own_length(works: Works) -> None:
    # Of the whole film, so little too few could pass for rounding.
    video_id, attempt_id, _ = await put_extension(works, film(2.0), film(0.25))
    with pytest.raises(Postponed, match=r"0\.25 s long where 1 s were asked"):
        await works.collecting.collect(attempt_id)
    video = await works.videos.get(video_id)
    assert video is not None
    assert video.status is VideoStatus.IN_PROGRESS


async def test_an_extension_whose_source_has_vanished_says_so(works: Works) -> None:
    _, attempt_id, asset = await put_extension(works, film(2.0), film(1.0))
    await works.store.delete(asset)
    with pytest.raises(Postponed, match="the film that it continues is no longer in the store"):
        await works.collecting.collect(attempt_id)


async def test_what_a_video_was_made_from_is_kept(database: Database) -> None:
    repository = VideoRepository(database)
    await open_lane(database, 1)
    origin = Origin(OriginKind.EXTENSION, "so", "job_1", "references/film_1.mp4", 8.0, ("char_1",), ("note",))
    plain, derived = a_video(), replace(a_video(), origin=origin)
    await repository.insert([plain, derived])
    kept = await repository.get_many([plain.id, derived.id])
    assert [None if one is None else one.origin for one in kept] == [None, origin]
    assert await database.value("SELECT count(*) FROM videos WHERE origin IS NULL") == 1
