"""Keep a journal of paid sends outside the database, so that it can be told when the database went back.

Each process appends to a file of its own, one JSON array a line, on the disk before the call returns:
``S`` before the first byte of a send leaves, ``R`` when a job id has arrived, ``N`` when it is certain that
nothing was made. Calls that arrive together share one write.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec

from filmgate.domain.errors import StorageUnavailable
from filmgate.infrastructure.grouping import Grouper

KEPT = timedelta(days=7)
_MARK = "mark"
_encode = msgspec.json.Encoder().encode
_line = msgspec.json.Decoder(tuple[Any, ...]).decode


@dataclass(frozen=True, slots=True)
class Sent:
    """One send; ``job_id`` where its answer came, ``nothing`` where nothing was made."""

    attempt_id: str
    video_id: str
    account: str
    provider: str
    provider_model: str
    at: datetime
    job_id: str | None = None
    nothing: bool = False


class SendJournal:
    """Append to this process's file, and read those of all processes, dead ones too."""

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._append = Grouper(self._flush)

    async def mark(self) -> str:
        """Return what tells this journal from any other, made up where there is none."""
        return await self._on_disk(self._read_mark)

    async def sent(self, sent: Sent) -> None:
        """Note that a send begins; StorageUnavailable means that it must not."""
        named = (sent.attempt_id, sent.video_id, sent.account, sent.provider, sent.provider_model)
        await self._append(_encode(("S", sent.at.timestamp(), *named)))

    async def made(self, attempt_id: str, job_id: str) -> None:
        """Note the job that a send has made."""
        await self._append(_encode(("R", datetime.now(UTC).timestamp(), attempt_id, job_id)))

    async def made_nothing(self, attempt_id: str) -> None:
        """Note that a send has certainly made nothing."""
        await self._append(_encode(("N", datetime.now(UTC).timestamp(), attempt_id)))

    async def read(self) -> Sequence[Sent]:
        """Return the sends of the last seven days, the oldest first."""
        return await self._on_disk(self._read)

    async def prune(self) -> None:
        """Delete files in which nothing was written for seven days."""
        await self._on_disk(self._prune)

    async def _on_disk(self, work: Any) -> Any:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise StorageUnavailable(f"The journal of sends cannot be used: {error.strerror}") from error

    async def _flush(self, lines: list[bytes]) -> Sequence[None]:
        await self._on_disk(lambda: self._write(lines))
        return [None] * len(lines)

    def _write(self, lines: Sequence[bytes]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._writer}-{datetime.now(UTC):%Y%m%d}.log"
        new = not path.exists()
        with path.open("ab") as file:
            # What a full disk cut off stays a line of its own.
            file.write(b"\n" + b"\n".join(lines) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            _sync_folder(self._folder)

    def _read_mark(self) -> str:
        path = self._folder / _MARK
        with suppress(FileNotFoundError):
            return path.read_text(encoding="utf-8")
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f"{_MARK}-{token_hex(8)}"
        with draft.open("x", encoding="utf-8") as file:
            file.write(token_hex(16))
            file.flush()
            os.fsync(file.fileno())
        # Whole or not at all, and of several processes the first one's.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
        _sync_folder(self._folder)
        return path.read_text(encoding="utf-8")

    def _read(self) -> Sequence[Sent]:
        found: dict[str, Sent] = {}
        told: list[tuple[Any, ...]] = []
        oldest = (datetime.now(UTC) - KEPT).timestamp()
        for kind, at, attempt_id, *rest in self._lines():
            if kind == "S" and at >= oldest:
                video_id, account, provider, model = rest
                moment = datetime.fromtimestamp(at, UTC)
                found[attempt_id] = Sent(attempt_id, video_id, account, provider, model, moment)
            elif kind != "S":
                told.append((kind, attempt_id, *rest))
        for kind, attempt_id, *rest in told:
            if attempt_id in found:
                change: dict[str, Any] = {"job_id": rest[0]} if kind == "R" else {"nothing": True}
                found[attempt_id] = replace(found[attempt_id], **change)
        return sorted(found.values(), key=lambda sent: sent.at)

    def _lines(self) -> Iterator[tuple[Any, ...]]:
        for path in sorted(self._folder.glob("*.log")):
            with suppress(FileNotFoundError), path.open("rb") as file:
                for line in file:
                    # A line that a crash cut off was never waited for: nothing was sent after it. What a
                    # crash left in its place may not even be UTF-8.
                    with suppress(msgspec.DecodeError, UnicodeDecodeError):
                        yield _line(line)

    def _prune(self) -> None:
        oldest = (datetime.now(UTC) - KEPT).timestamp()
        for path in self._folder.glob("*.log"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
