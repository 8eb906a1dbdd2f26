"""Take in the files that come with a form: streamed to disk, measured, hashed, told by their first bytes."""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from filmgate.domain.asset import AssetStore
from filmgate.infrastructure.storage import receive

_SNIFFED = 16
_MAGIC: Mapping[str, bytes] = {
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/jpeg": rb"\xff\xd8\xff",
    "image/webp": rb"(?s:RIFF.{4}WEBP)",
    "video/quicktime": rb"(?s:.{4}ftypqt  )",
    "video/mp4": rb"(?s:.{4}ftyp)",
    "video/webm": rb"\x1a\x45\xdf\xa3",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a request; it lies at ``path`` until its form is closed or it is moved away.

    ``media_type`` is what its first bytes say, None where they say nothing: what a client declares is not
    believed. ``size`` in bytes, ``sha256`` in hexadecimal.
    """

    filename: str
    media_type: str | None
    size: int
    sha256: str
    path: Path

    async def read(self) -> bytes:
        """Return all of its bytes; for images, not for films."""
        return await asyncio.to_thread(self.path.read_bytes)


class UploadService:
    """Hold the verbs for files on their way in."""

    def __init__(self, store: AssetStore) -> None:
        self._store = store

    async def receive(self, filename: str, chunks: AsyncIterable[bytes], limit: int) -> Upload:
        """Write a file to the workspace of the store; raise AssetTooLarge beyond ``limit`` bytes."""
        path = self._store.workspace() / f"upload-{token_hex(12)}"
        head = bytearray()
        received = await receive(_remembering(chunks, head), path, limit)
        return Upload(filename, media_type_of(bytes(head)), received.size, received.sha256, path)

    async def drop(self, upload: Upload) -> None:
        """Remove what is left of a file; one that was moved away is fine."""
        with suppress(OSError):
            await asyncio.to_thread(upload.path.unlink, missing_ok=True)


def media_type_of(head: bytes) -> str | None:
    """Return the media type that the first bytes of a file show, None where they show none we know."""
    return next((name for name, magic in _MAGIC.items() if re.match(magic, head)), None)


async def _remembering(chunks: AsyncIterable[bytes], head: bytearray) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if len(head) < _SNIFFED:
            head += chunk[: _SNIFFED - len(head)]
        yield chunk
