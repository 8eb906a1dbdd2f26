"""Keep files on a local disk, whole or not at all."""

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from filmgate.domain.asset import AssetMissing, AssetStat, AssetTooLarge, Received, checked_key
from filmgate.domain.errors import StorageFull, StorageUnavailable

CHUNK = 1024 * 1024
_PROBE = 64 * 1024
_RACES = 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_ABSENT = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True, slots=True)
class LocalStore:
    """Keep files under one directory; unfinished ones wait in its hidden workspace."""

    root: Path

    def workspace(self) -> Path:
        """Return the directory for files in the making, and make it when it is not there."""
        # a key's segment never starts with a dot, so no key reaches in here
        path = self.root / ".work"
        with _translated("open the workspace"):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def path(self, key: str) -> Path:
        """Return where the file under a key is, whether or not it exists."""
        return self.root / checked_key(key)

    async def put(self, key: str, path: Path) -> None:
        """Move a finished file in, whole and durable, replacing what was there."""
        target = self.path(key)
        with _translated(f"store {key}"):
            await asyncio.to_thread(self._move, path, target)

    async def stat(self, key: str) -> AssetStat | None:
        """Describe the file under a key, or return None."""
        with _translated(f"look at {key}"):
            return await asyncio.to_thread(_describe, self.path(key))

    async def stream(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from start up to stop in chunks of 1 MiB, or raise AssetMissing."""
        reader = _Reader(self.path(key))
        position = start
        try:
            while stop is None or position < stop:
                wanted = CHUNK if stop is None else min(CHUNK, stop - position)
                with _translated(f"read {key}"):
                    chunk = await asyncio.to_thread(reader.read, wanted, position)
                if not chunk:
                    return
                position += len(chunk)
                yield chunk
        finally:
            reader.close()

    async def delete(self, key: str) -> None:
        """Remove the file under a key; a missing one is fine."""
        with _translated(f"delete {key}"):
            await asyncio.to_thread(_remove, self.path(key), self.root)

    async def check(self) -> None:
        """Write, read back and remove a probe, or raise StorageUnavailable or StorageFull."""
        with _translated("write to the store"):
            await asyncio.to_thread(self._round_trip)

    async def free_bytes(self) -> int:
        """Return how many bytes may still be written."""
        with _translated("ask for free space"):
            return await asyncio.to_thread(self._free)

    async def sweep_workspace(self, older_than: timedelta) -> int:
        """Remove work files left untouched for that long and return how many there were."""
        with _translated("sweep the workspace"):
            return await asyncio.to_thread(self._sweep, older_than)

    def _move(self, source: Path, target: Path) -> None:
        workspace = self.workspace()
        if source.stat().st_dev == workspace.stat().st_dev:
            _place(source, target)
            return
        # a rename across filesystems is not possible, so the copy is made where nobody looks
        copy = workspace / f"move-{secrets.token_hex(8)}"
        try:
            shutil.copyfile(source, copy)
            _place(copy, target)
        finally:
            copy.unlink(missing_ok=True)
        source.unlink()

    def _round_trip(self) -> None:
        probe = self.workspace() / f"check-{secrets.token_hex(8)}"
        content = secrets.token_bytes(_PROBE)
        try:
            probe.write_bytes(content)
            _sync(probe)
            if probe.read_bytes() != content:
                raise StorageUnavailable("the store does not give back what was written")
        finally:
            probe.unlink(missing_ok=True)

    def _free(self) -> int:
        return shutil.disk_usage(self.workspace()).free

    def _sweep(self, older_than: timedelta) -> int:
        before = time.time() - older_than.total_seconds()
        # deepest first, so that a directory is looked at when it is already empty
        entries = sorted(self.workspace().rglob("*"), key=lambda entry: len(entry.parts), reverse=True)
        return sum(_sweep_entry(entry, before) for entry in entries)


async def receive(chunks: AsyncIterable[bytes], path: Path, limit: int) -> Received:
    """Write a stream to a file and hash it on the way, or leave no file and raise.

    Raises AssetTooLarge beyond `limit` bytes, StorageFull, StorageUnavailable,
    and whatever the stream itself raises.
    """
    sink = _Sink(path)
    try:
        await _pour(chunks, sink, limit)
        with _translated(f"finish {path.name}"):
            return await asyncio.to_thread(sink.finish)
    except BaseException:
        # handed to a thread before anything is awaited: a second cancellation cannot keep the file
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, sink.abandon))
        raise


async def fingerprint(path: Path) -> Received:
    """Measure and hash an existing file."""
    with _translated(f"read {path.name}"):
        return await asyncio.to_thread(_digest, path)


async def _pour(chunks: AsyncIterable[bytes], sink: "_Sink", limit: int) -> None:
    size = 0
    pending = bytearray()
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise AssetTooLarge(f"the file is larger than {limit} bytes")
        pending += chunk
        # network chunks are small; one trip to a thread per MiB instead of one per packet
        if len(pending) >= CHUNK:
            full, pending = pending, bytearray()
            await _write(sink, full)
    await _write(sink, pending)


async def _write(sink: "_Sink", data: bytearray) -> None:
    with _translated(f"write {sink.path.name}"):
        await asyncio.to_thread(sink.write, data)


class _Digest(Protocol):
    def update(self, data: bytearray, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class _Sink:
    """Own the descriptor of a file being written; the lock is for threads that a cancellation orphaned."""

    path: Path
    size: int = 0
    _digest: _Digest = field(default_factory=hashlib.sha256)
    _file: int | None = None
    _abandoned: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, data: bytearray) -> None:
        with self._lock:
            if self._abandoned:
                return
            if self._file is None:
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            self._digest.update(data)
            self.size += len(data)

    def finish(self) -> Received:
        with self._lock:
            if self._file is not None:
                os.fsync(self._file)
            self._close()
            return Received(self.size, self._digest.hexdigest())

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            with suppress(OSError):
                self._close()
            with suppress(OSError):
                self.path.unlink()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


@dataclass(slots=True)
class _Reader:
    """Own the descriptor of a file being read; it may be closed while a thread still reads."""

    path: Path
    _file: int | None = None
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, size: int, position: int) -> bytes:
        with self._lock:
            if self._closed:
                return b""
            if self._file is None:
                self._file = self._open()
            file = self._file
        # outside the lock, so that close() never waits for a disk; a late answer has no reader
        return os.pread(file, size, position)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            file, self._file = self._file, None
            if file is not None:
                os.close(file)

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except _ABSENT:
            raise AssetMissing(f"there is no file {self.path.name}") from None


@contextmanager
def _translated(action: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise StorageFull(f"cannot {action}: {reason}") from error
        raise StorageUnavailable(f"cannot {action}: {reason}") from error


def _place(source: Path, target: Path) -> None:
    _sync(source)
    race: OSError | None = None
    for _ in range(_RACES):
        try:
            _make_directories(target.parent)
            source.replace(target)
        except (FileExistsError, FileNotFoundError) as error:
            # a delete pruned a directory in between, unless it is the source that is gone
            source.stat()
            race = error
        else:
            # a file that was deleted meanwhile needs no directory
            with suppress(FileNotFoundError):
                _sync(target.parent)
            return
    assert race is not None
    raise race


def _make_directories(path: Path) -> None:
    if path.is_dir():
        return
    _make_directories(path.parent)
    path.mkdir(exist_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    except OSError as error:
        # some network filesystems cannot sync a directory and say so with EINVAL
        if error.errno != errno.EINVAL or not path.is_dir():
            raise
    finally:
        os.close(file)


def _describe(path: Path) -> AssetStat | None:
    try:
        found = path.stat()
    except _ABSENT:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return AssetStat(found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _remove(path: Path, root: Path) -> None:
    try:
        path.unlink()
    except _ABSENT:
        return
    # a million deleted videos must not leave a million empty directories
    for parent in path.parents:
        if parent == root:
            return
        try:
            parent.rmdir()
        except OSError:
            return


def _sweep_entry(entry: Path, before: float) -> bool:
    # anything may finish and move away while the sweep walks, hence the suppression
    with suppress(OSError):
        found = entry.lstat()
        if found.st_mtime >= before:
            return False
        if stat.S_ISDIR(found.st_mode):
            entry.rmdir()
            return False
        entry.unlink()
        return True
    return False


def _digest(path: Path) -> Received:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Received(file.tell(), digest.hexdigest())
