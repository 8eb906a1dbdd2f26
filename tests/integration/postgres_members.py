"""Processes that share an embedded PostgreSQL, and questions to ask of it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg

import filmgate
from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres

# Of this process, for an interpreter that may be another.
PACKAGES = os.pathsep.join(str(Path(module.__file__ or "").parents[1]) for module in (filmgate, asyncpg))

MEMBER = """
import asyncio, json, sys
from pathlib import Path
import uvloop
from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    dsn = await postgres.start()
    while True:
        print(json.dumps({"dsn": dsn, "owner": postgres.owner}), flush=True)
        if not await asyncio.to_thread(sys.stdin.readline):
            break
    await postgres.stop()

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


class Member:
    """A process of its own that takes part in one data folder."""

    def __init__(self, data: Path, *, python: str = sys.executable, **options: Any) -> None:
        self.process = subprocess.Popen(
            [python, "-B", "-c", MEMBER, data],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.defpath, "PYTHONPATH": PACKAGES, "HOME": str(data.parent)},
            **options,
        )

    def told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        while not (line := self.process.stdout.readline()).startswith(b"{"):
            if not line and self.process.poll() is not None:
                raise AssertionError(self.process.communicate()[1].decode())
        return json.loads(line)

    async def joined(self) -> dict[str, Any]:
        return await asyncio.to_thread(self.told)

    async def owns(self) -> bool:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return (await self.joined())["owner"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def leave(self) -> None:
        await asyncio.to_thread(self.process.communicate)
        assert self.process.returncode == 0


@contextlib.contextmanager
def members() -> Iterator[Callable[..., Member]]:
    """Give a maker of members, none of which outlives the test."""
    made: list[Member] = []

    def make(data: Path, **options: Any) -> Member:
        made.append(Member(data, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()
        each.process.communicate()


def copied(data: Path, copy: Path, how: str) -> Path:
    subprocess.run(["cp", how, data, copy], check=True)
    return copy


@contextlib.asynccontextmanager
async def running(data: Path, **options: Any) -> AsyncIterator[tuple[EmbeddedPostgres, str]]:
    postgres = EmbeddedPostgres(data, **options)
    try:
        yield postgres, await postgres.start()
    finally:
        await postgres.stop()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def value(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def answers(dsn: str) -> bool:
    try:
        return await value(dsn, "SELECT true")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def soon(condition: Callable[[], bool | Awaitable[bool]], patience: float = 10) -> float:
    """Wait for the condition and return how long that took."""
    begun = time.monotonic()
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return time.monotonic() - begun
        assert time.monotonic() - begun < patience
        await asyncio.sleep(0.02)


def runtime(data: Path) -> dict[str, Any]:
    return json.loads((data / "state" / "runtime.json").read_bytes())
