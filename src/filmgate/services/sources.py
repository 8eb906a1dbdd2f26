"""Open the films that new videos are made from: videos of ours, and files that came with a request."""

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from filmgate.domain.asset import AssetStore
from filmgate.domain.errors import FieldProblem, InvalidRequest, MediaUnreadable, NotFound, Overloaded
from filmgate.domain.ids import is_id, new_id
from filmgate.domain.key import Key
from filmgate.domain.video import Variant, Video
from filmgate.infrastructure.media import Media, MediaSlow, Probe
from filmgate.infrastructure.storage import receive
from filmgate.repositories.videos import VideoRepository
from filmgate.services.uploads import Upload

MAX_FILM_BYTES = 4 * 1024**3
_SHOWN = 64

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """What a new video is made from: one of the key's videos, or a file that came with the request."""

    video_id: str | None = None
    upload: Upload | None = None

    @property
    def mark(self) -> str | None:
        """What the source is known again by: its id, or what its bytes are."""
        return self.video_id if self.upload is None else self.upload.sha256


@dataclass(frozen=True, slots=True)
class Clip:
    """A film that lies open: ``size`` as it is shown, ``video`` where it is one of ours.

    ``seconds`` of one of ours are those it was to have: what a vendor's steps add to them does not add up.
    """

    path: Path
    seconds: float
    size: Size
    audio: bool
    video: Video | None = None

    @property
    def name(self) -> str:
        """What to call it."""
        return "the uploaded film" if self.video is None else self.video.id


class Sources:
    """Open films, take frames out of them, and keep what is needed of them for later."""

    def __init__(self, videos: VideoRepository, media: Media, store: AssetStore) -> None:
        self._videos = videos
        self._media = media
        self._store = store

    @asynccontextmanager
    async def room(self) -> AsyncGenerator[Path, None]:
        """Lend a directory for files in the making."""
        room = self._store.workspace() / f"source-{token_hex(8)}"
        await asyncio.to_thread(room.mkdir)
        try:
            yield room
        finally:
            await asyncio.to_thread(shutil.rmtree, room, ignore_errors=True)

    async def open(self, key: Key, source: Source, room: Path) -> Clip:
        """Return the film behind a source, or raise with why it cannot be used."""
        if source.upload is not None:
            return await self._open_upload(source.upload, room)
        video = await self._video(key, source.video_id or "")
        assert video.result is not None
        result = video.result
        asset = result.key(Variant.VIDEO)
        if await self._store.stat(asset) is None:
            raise _unusable(f"The film of {video.id} is no longer in the store.", "gone")
        path = await self.local(asset, room)
        audio = result.audio_codec is not None
        return Clip(path, video.seconds, (result.width, result.height), audio, video)

    async def probe(self, upload: Upload) -> Probe:
        """Describe a film that came with a request, or raise with why it is none."""
        with _translated():
            return await self._media.probe(upload.path)

    async def frame(self, path: Path, out: Path, place: str, size: Size | None = None) -> Size:
        """Write a frame of a film as a PNG and return the size it is shown in."""
        with _translated():
            return await self._media.frame(path, out, place, size)

    async def image(self, clip: Clip, room: Path, place: str, size: Size) -> str:
        """Return a frame of a film, filling a size, as a ``data:`` URL."""
        out = room / "frame.png"
        await self.frame(clip.path, out, place, size)
        return await data_url(out)

    async def picture(self, asset: str, room: Path, size: Size) -> str | None:
        """Return one stored picture as a ``data:`` URL, None where it is gone or cannot be read."""
        if await self._store.stat(asset) is None:
            return None
        try:
            return await self.pictures([asset], room, size)
        except MediaUnreadable:
            return None

    async def pictures(self, assets: list[str], room: Path, size: Size) -> str:
        """Return stored pictures side by side, filling a size, as a ``data:`` URL."""
        out = room / "pictures.png"
        try:
            await self._media.compose([await self.local(asset, room) for asset in assets], out, size)
        except MediaSlow as error:
            raise _busy() from error
        return await data_url(out)

    async def keep(self, clip: Clip, room: Path) -> str:
        """Store a film under a key of its own, so that it is there whatever becomes of its source."""
        asset = f"references/{new_id('film')}.mp4"
        await self._store.put(asset, await self.copy(clip, room))
        return asset

    async def copy(self, clip: Clip, room: Path) -> Path:
        """Return a file of our own with a film, to be moved to wherever it is needed."""
        copy = room / "copy"
        try:
            await asyncio.to_thread(_link_or_copy, clip.path, copy)
        except FileNotFoundError:
            raise _unusable(f"The film of {clip.name} was deleted meanwhile.", "gone") from None
        return copy

    async def drop(self, asset: str) -> None:
        """Remove a film that was kept and is not needed after all."""
        await self._store.delete(asset)

    async def local(self, asset: str, room: Path) -> Path:
        """Return a file with what lies under a key."""
        path = self._store.path(asset)
        if path is None:
            path = room / asset.replace("/", "-")
            await receive(self._store.stream(asset), path, MAX_FILM_BYTES)
        return path

    async def _open_upload(self, upload: Upload, room: Path) -> Clip:
        probe = await self.probe(upload)
        # Only a decoded frame tells which way up a film is shown.
        size = await self.frame(upload.path, room / "shown.png", "first")
        return Clip(upload.path, round(probe.seconds, 2), size, probe.has_audio)

    async def _video(self, key: Key, video_id: str) -> Video:
        video = await self._videos.get(video_id) if is_id(video_id, "job") else None
        if video is None or video.project != key.project or video.deleted_at is not None:
            raise NotFound("video", video_id[:_SHOWN])
        if not video.status.final:
            message = f"The video {video.id} is {video.progress} % done; only a finished one can be used."
            raise _unusable(message, "not_finished", "Ask again when it is completed.")
        if video.result is None:
            raise _unusable(f"The video {video.id} has {video.status.value} and has no film.", "no_film")
        return video


async def data_url(path: Path) -> str:
    """Return a PNG file as a ``data:`` URL."""
    data = await asyncio.to_thread(path.read_bytes)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except MediaUnreadable as error:
        message = f"The video cannot be read: {error}."
        raise _unusable(message, "bad_video", "Send a whole mp4, mov or webm file.") from error
    except MediaSlow as error:
        raise _busy() from error


def _busy() -> Overloaded:
    return Overloaded("This server was too busy to look into the video; send it again.")


def _unusable(message: str, code: str, mend: str = "Name another video.") -> InvalidRequest:
    return InvalidRequest([FieldProblem("video", message, code, mend)])


def _link_or_copy(source: Path, copy: Path) -> None:
    # Stored films are never changed, so a second name is as good as a second copy.
    try:
        os.link(source, copy)
    except OSError:
        shutil.copyfile(source, copy)
