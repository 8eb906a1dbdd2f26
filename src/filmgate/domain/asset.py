"""Say what a stored file is, how it is named and what a store must promise."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from filmgate.domain.errors import FilmgateError

_KEY_LENGTH = 512
_SEGMENT_LENGTH = 128
_ALPHABET = re.compile(r"[a-z0-9_./-]+", re.ASCII)


class AssetKeyInvalid(FilmgateError):
    """The key cannot name a stored file."""


class AssetMissing(FilmgateError):
    """There is no file under the key."""


class AssetTooLarge(FilmgateError):
    """The file is larger than the limit."""


@dataclass(frozen=True, slots=True)
class AssetStat:
    """Describe a stored file."""

    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """Prove which bytes arrived."""

    size: int
    sha256: str


class AssetStore(Protocol):
    """Keep finished files; nobody ever sees half of one under a key."""

    def workspace(self) -> Path:
        """Return the directory for files in the making, on the filesystem of a local store."""
        ...

    async def put(self, key: str, path: Path) -> None:
        """Move a finished file in, whole and durable, replacing what was there."""
        ...

    async def stat(self, key: str) -> AssetStat | None:
        """Describe the file under a key, or return None."""
        ...

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from start up to, not including, stop."""
        ...

    def path(self, key: str) -> Path | None:
        """Return the local file behind a key, None when the store is remote."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the file under a key; a missing one is fine."""
        ...

    async def sweep_workspace(self, older_than: timedelta) -> int:
        """Remove work files that nobody has touched for that long, and return how many."""
        ...

    async def check(self) -> None:
        """Write, read back and remove a probe, or raise StorageUnavailable."""
        ...


def checked_key(key: str) -> str:
    """Return the key itself if it can name a stored file, or raise AssetKeyInvalid."""
    fault = _fault(key)
    if fault:
        # repr and a cut, because a hostile key ends up in logs
        raise AssetKeyInvalid(f"asset key {key[:80]!r} {fault}")
    return key


def _fault(key: str) -> str | None:
    if not 0 < len(key) <= _KEY_LENGTH:
        return f"is not 1 to {_KEY_LENGTH} characters long"
    if not _ALPHABET.fullmatch(key):
        return "has characters other than a-z, 0-9, '_', '.', '/' and '-'"
    segments = key.split("/")
    if "" in segments:
        return "starts or ends with '/' or has an empty segment"
    if any(segment.startswith(".") for segment in segments):
        # also what keeps '..' out and the store's own hidden directories apart
        return "has a segment that starts with '.'"
    if any(len(segment) > _SEGMENT_LENGTH for segment in segments):
        return f"has a segment longer than {_SEGMENT_LENGTH} characters"
    return None
