"""Set up everything that takes part: PostgreSQL, gateways, workers and the twin, each killable."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from bench.proof import orders
from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres
from tests.chaos.processes import KEY, Member, World
from tests.e2e.conftest import SOURCE, environment

_READY_SECONDS = 60
_PATIENCE_SECONDS = 60


class NotProven(Exception):
    """The proof could not be carried out; the message says why."""


class Postgres:
    """PostgreSQL in a thread of its own, which starts it again whenever it dies."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._known = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.dsn = ""

    def start(self) -> str:
        """Start it and return its DSN."""
        self._thread.start()
        if not self._known.wait(_READY_SECONDS) or not self.dsn:
            raise NotProven("PostgreSQL did not start")
        return self.dsn

    def stop(self) -> None:
        """Stop it."""
        if self._loop is not None and self._leave is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leave.set)
            self._thread.join(_READY_SECONDS)

    async def _run(self) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        server = EmbeddedPostgres(self._data)
        try:
            self.dsn = await server.start()
            self._known.set()
            await self._leave.wait()
        finally:
            self._known.set()
            await server.stop()


@dataclass(slots=True)
class Role:
    """A process that is started anew when it is killed."""

    name: str
    command: Sequence[str]
    pattern: str
    member: Member | None = None
    starts: int = 0

    @property
    def running(self) -> Member:
        """Return the process."""
        assert self.member is not None
        return self.member


class Stage:
    """One run's world."""

    def __init__(self, root: Path, seed: int, *, speed: float, workers: int, rules: str) -> None:
        self.world = World(root)
        self._root = self.world.root
        self._postgres = Postgres(self.world.data)
        self._env: dict[str, str] = {}
        ports = free_ports(3)
        self.twin_url = f"http://127.0.0.1:{ports[2]}"
        self.urls = [f"http://127.0.0.1:{port}" for port in ports[:2]]
        (self._root / "faults.toml").write_text(rules, "utf-8")
        (self._root / "filmgate.toml").write_text(orders.settings(self.twin_url), "utf-8")
        data = ["--data", str(self.world.data)]
        self._twin = Role(
            "twin",
            ["twin", "--port", str(ports[2]), "--seed", str(seed), "--speed", str(speed), "--faults",
             str(self._root / "faults.toml")],
            r"(twin · seed)",
        )  # fmt: skip
        self.gateways = [
            Role(
                f"gateway-{n}",
                ["serve", "--no-worker", "--port", str(port), *data],
                r"  API +(http://\S+)/api",
            )
            for n, port in enumerate(ports[:2], 1)
        ]
        self.workers = [
            Role(f"worker-{n}", ["worker", *data], r"(worker ready)") for n in range(1, workers + 1)
        ]

    def open(self) -> None:
        """Start everything and wait until it is ready."""
        self.world.data.mkdir(exist_ok=True)
        # A copy, so that every start of a run is of the same program, whoever is at work on it meanwhile.
        source = shutil.copytree(SOURCE, self._root / "src", ignore=shutil.ignore_patterns("__pycache__"))
        dsn = self.world.database_url = self._postgres.start()
        self._env = {
            "DATABASE_URL": dsn, "PUBLIC_URL": self.urls[0], "API_KEY": KEY, "TMPDIR": str(self._root),
            "PYTHONPATH": str(source), **orders.KEYS,
        }  # fmt: skip
        self.start(self._twin)
        self.wait(self._twin)
        for role in (*self.gateways, *self.workers):
            self.start(role)
            self.wait(role)

    def start(self, role: Role) -> None:
        """Start a process, without waiting for it."""
        role.starts += 1
        log = self._root / f"{role.name}.{role.starts}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "filmgate", *role.command],
                env=environment(**self._env),
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        role.member = Member(process, log)
        self.world.members.append(role.member)

    def wait(self, role: Role) -> None:
        """Wait until a process says that it is ready."""
        deadline = time.monotonic() + _READY_SECONDS
        while not re.search(role.pattern, role.running.said()):
            if role.running.process.poll() is not None or time.monotonic() > deadline:
                raise NotProven(f"{role.name} did not start:\n{role.running.said()[-2000:]}")
            time.sleep(0.05)

    def kill(self, role: Role) -> None:
        """Kill a process with its children, and start it again at once."""
        role.running.kill()
        self.start(role)

    def revive(self) -> list[tuple[str, bool]]:
        """Start what has ended by itself; return names, and whether each had been ready before."""
        ended = [role for role in (*self.gateways, *self.workers) if role.running.process.poll() is not None]
        found = [(role.name, bool(re.search(role.pattern, role.running.said()))) for role in ended]
        for role in ended:
            self.start(role)
        return found

    def rows(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Look into the database; while it is away, wait for it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self.world.rows(sql, *values)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def crash_postgres(self) -> None:
        """Kill PostgreSQL's first process; the others follow, and recovery begins."""
        with suppress(StopIteration, psutil.Error):
            self.world.postmaster().kill()

    def twin(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Ask the twin, or tell it something."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.twin_url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def complaints(self) -> dict[str, int]:
        """Count the failures that the processes' logs speak of."""
        words = ("step_failed", "request_failed", "round_failed", "job_not_bound")
        found = dict.fromkeys(words, 0)
        for log in self._root.glob("*.log"):
            text = log.read_text("utf-8", "replace")
            for word in words:
                found[word] += text.count(word)
        return {word: count for word, count in found.items() if count}

    def close(self) -> None:
        """End everything."""
        for member in self.world.members:
            with suppress(ProcessLookupError):
                os.killpg(member.pid, signal.SIGCONT)
        for member in self.world.members:
            if member.process.poll() is None:
                member.kill()
        self._postgres.stop()
        self.world.close()


@contextmanager
def staged(stage: Stage) -> Generator[Stage, None, None]:
    """Run a stage, and leave nothing behind."""
    try:
        stage.open()
        yield stage
    finally:
        stage.close()


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
