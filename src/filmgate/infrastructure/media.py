"""Look into finished videos without ever decoding one in this process."""

import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from filmgate.domain.errors import FilmgateError, MediaUnreadable, StorageFull, StorageUnavailable
from filmgate.infrastructure.children import ChildDied, ChildFailed, ChildPool, Message

MEMORY_LIMIT: Final = 1536 * 1024 * 1024
MAX_BYTES: Final = 4 * 1024 * 1024 * 1024
# generous: on a busy machine one file has taken 20 s, and a good film must not be thrown away for that
TIMEOUT: Final = 120.0
# two minutes of film, encoded anew on a busy machine
STITCH_TIMEOUT: Final = 1800.0
# how a file ends a decoder; any other end has another cause and does not condemn the file
_CRASHES: Final = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL})


class MediaSlow(FilmgateError):
    """The file was not read in time; the machine may be busy, so the file is not judged."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Describe a video that was read to its end.

    `frames` counts what is there, not what the header promises. `luma` is the mean
    brightness of the sampled frames, 0 to 255. `black` means that no frame of the whole film
    shows anything, `still` that the sampled frames are all the same picture.
    """

    seconds: float
    width: int
    height: int
    fps: float
    frames: int
    video_codec: str
    audio_codec: str | None
    container: str
    has_audio: bool
    luma: float
    black: bool
    still: bool


def media_pool(size: int = 1) -> ChildPool:
    """Return a pool of the children that Media needs."""
    argv = [sys.executable, "-m", "filmgate.infrastructure.media_child"]
    return ChildPool(argv, size, memory_limit=MEMORY_LIMIT)


@dataclass(frozen=True, slots=True)
class Media:
    """Probe videos and make pictures of them in child processes.

    Every method raises MediaUnreadable with the evidence when the file is not a whole video,
    MediaSlow when it takes too long, and StorageUnavailable or StorageFull when a file
    cannot be read or a picture not be written.
    """

    pool: ChildPool
    max_bytes: int = MAX_BYTES
    timeout: float = TIMEOUT

    async def probe(self, path: Path) -> Probe:
        """Read a video to its end and describe it."""
        return _probe(await self.ask(path, task="probe"))

    async def thumbnail(self, path: Path, out: Path, width: int = 640) -> None:
        """Write a WebP of a frame a third into the film that is not black, at most `width` wide."""
        await self.ask(path, task="thumbnail", thumbnail=str(out), width=width)

    async def spritesheet(self, path: Path, out: Path, frames: int = 12, tile_width: int = 256) -> None:
        """Write a WebP of evenly spaced frames, four to a row, each at most `tile_width` wide."""
        await self.ask(path, task="spritesheet", spritesheet=str(out), frames=frames, tile_width=tile_width)

    async def last_frame(self, path: Path, out: Path) -> None:
        """Write the last frame as a PNG in full size."""
        await self.ask(path, task="last_frame", last_frame=str(out))

    async def frame(
        self, path: Path, out: Path, place: str, size: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """Write the ``first``, ``last`` or a ``typical`` frame as a PNG; return the size it is shown in.

        The picture fills ``size`` where that is given, and what stands over is cut off.
        """
        answer = await self.ask(path, task="frame", frame=str(out), place=place, size=size)
        return msgspec.convert(answer["shown"], tuple[int, int])

    async def compose(self, pictures: Sequence[Path], out: Path, size: tuple[int, int]) -> None:
        """Write a PNG with pictures of ours side by side."""
        names = [str(picture) for picture in pictures]
        await self.ask(pictures[0], task="compose", frame=str(out), pictures=names, size=size)

    async def stitch(self, path: Path, after: Path, out: Path) -> str | None:
        """Write one film after another; return None if no frame was encoded anew, else why."""
        patient = replace(self, timeout=max(self.timeout, STITCH_TIMEOUT))
        answer = await patient.ask(path, task="stitch", after=str(after), joined=str(out))
        return msgspec.convert(answer["obstacle"], str | None)

    async def develop(self, path: Path, thumbnail: Path, spritesheet: Path) -> Probe:
        """Probe a video and write its thumbnail and sprite sheet, decoding it once."""
        answer = await self.ask(path, task="develop", thumbnail=str(thumbnail), spritesheet=str(spritesheet))
        return _probe(answer)

    async def ask(self, path: Path, **request: object) -> Message:
        """Have a child carry out one task on a file, and return its answer."""
        try:
            return await self._ask_twice(request | _input(path, self.max_bytes))
        except ChildFailed as failure:
            raise _outcome(failure) from failure
        except ChildDied as death:
            if -death.exit_code not in _CRASHES:
                raise
            raise MediaUnreadable(f"it crashed the decoder twice: {death}") from death
        except TimeoutError as error:
            raise MediaSlow(f"reading the video took longer than {self.timeout:g} seconds") from error

    async def _ask_twice(self, request: Message) -> Message:
        try:
            return await self.pool.run(request, timeout=self.timeout)
        except ChildDied:
            # once may be the kernel short of memory; twice on the same file is the file
            return await self.pool.run(request, timeout=self.timeout)


def _input(path: Path, max_bytes: int) -> Message:
    return {"path": str(path.absolute()), "max_bytes": max_bytes}


def _probe(answer: Message) -> Probe:
    return msgspec.convert(answer["probe"], Probe)


def _outcome(failure: ChildFailed) -> FilmgateError:
    kinds: dict[str, type[FilmgateError]] = {
        "unreadable": MediaUnreadable,
        "full": StorageFull,
        "storage": StorageUnavailable,
    }
    known = kinds.get(failure.kind)
    return known(str(failure)) if known else failure
