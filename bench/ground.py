"""Lay out what is measured: a folder, a PostgreSQL, and the servers, started and stopped."""

import asyncio
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.machine import Cores, tree
from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "peers"
BUILD = ROOT / "build"
KEY = "fg_bench_0123456789abcdef"
_READY_SECONDS = 60
_STOP_SECONDS = 20


class CannotMeasure(Exception):
    """Something this measurement needs is missing; the message says what."""


@dataclass(frozen=True, slots=True)
class Server:
    """A started server, alone on its core."""

    name: str
    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """The process that is measured."""
        return self.process.pid

    @contextmanager
    def awake(self) -> Generator[None, None, None]:
        """Let it run; outside of this it is frozen and disturbs nobody."""
        os.kill(self.pid, signal.SIGCONT)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGSTOP)


@contextmanager
def folder() -> Generator[Path, None, None]:
    """Lend a folder that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="filmgate-bench-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Postgres:
    """The embedded PostgreSQL, run by the benchmark so that several servers can share it."""

    def __init__(self, data: Path) -> None:
        self._runner = asyncio.Runner()
        self._server = EmbeddedPostgres(data)
        self.dsn = ""
        self.pid = 0

    def __enter__(self) -> "Postgres":
        """Start it."""
        self.dsn = self._runner.run(self._server.start())
        home = Path(str(self.value("SHOW data_directory", "postgres")))
        self.pid = int((home / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._runner.run(self._server.stop())
        self._runner.close()

    def of(self, database: str) -> str:
        """Return the DSN of one database."""
        return f"{self.dsn.rsplit('/', 1)[0]}/{database}"

    def create(self, database: str, schema: str = "") -> str:
        """Create a database and return its DSN."""
        self.run(f"CREATE DATABASE {database}", "postgres")
        if schema:
            self.run(schema, database)
        return self.of(database)

    def run(self, sql: str, database: str, *values: object) -> None:
        """Run statements."""

        async def work() -> None:
            connection = await asyncpg.connect(self.of(database))
            try:
                await connection.execute(sql, *values)
            finally:
                await connection.close()

        self._runner.run(work())

    def value(self, sql: str, database: str) -> object:
        """Return the first value of the first row."""
        return self.column(sql, database)[0]

    def column(self, sql: str, database: str) -> list[object]:
        """Return the first column."""

        async def work() -> list[object]:
            connection = await asyncpg.connect(self.of(database))
            try:
                return [row[0] for row in await connection.fetch(sql)]
            finally:
                await connection.close()

        return self._runner.run(work())

    def pids(self) -> list[int]:
        """Return all its processes."""
        return tree(self.pid)


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a measured process: nothing of ours but what is named."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE"}
    }
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "APP_ENV": "test", "API_KEY": KEY, **extra}


@contextmanager
def filmgate(cores: Cores, home: Path, dsn: str, **extra: str) -> Generator[Server, None, None]:
    """Run one API process of filmgate."""
    command = [
        sys.executable, "-m", "filmgate", "serve", "--no-worker", "--port", "0", "--data", str(home / "data"),
    ]  # fmt: skip
    with _running(
        "filmgate",
        cores,
        command,
        home,
        r"  API +(http://\S+)/api/v1",
        environment(DATABASE_URL=dsn, **extra),
    ) as server:
        yield server


@contextmanager
def fastify(cores: Cores, home: Path, dsn: str) -> Generator[Server, None, None]:
    """Run the peer: the same two requests on Fastify."""
    command = ["node", str(_installed_peer() / "server.js")]
    with _running(
        "Fastify",
        cores,
        command,
        home,
        r"LISTENING (\d+)",
        environment(DATABASE_URL=dsn, NODE_ENV="production"),
    ) as server:
        yield server


def _installed_peer() -> Path:
    """Return the folder of the peer with its packages, installed where git does not look."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise CannotMeasure("node and npm are missing, so there is no peer to measure beside")
    target = BUILD / "peers" / "fastify"
    target.mkdir(parents=True, exist_ok=True)
    wanted = (PEERS / "fastify" / "package.json").read_bytes()
    installed = target / "installed.json"
    for source in (PEERS / "fastify").iterdir():
        shutil.copyfile(source, target / source.name)
    if not installed.exists() or installed.read_bytes() != wanted:
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=target, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise CannotMeasure(f"npm could not install the peer: {done.stderr.strip()[-500:]}")
        installed.write_bytes(wanted)
    return target


@contextmanager
def _running(
    name: str, cores: Cores, command: Sequence[str], home: Path, pattern: str, env: Mapping[str, str]
) -> Generator[Server, None, None]:
    log = home / f"{name}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(cores.subject), *command],
            cwd=home,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        found = _wait_for(pattern, log, process)
        url = found if found.startswith("http") else f"http://127.0.0.1:{found}"
        yield Server(name, url, process, log)
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process of ours to end, and end it when it does not."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_SECONDS)


def _wait_for(pattern: str, log: Path, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        with log.open("rb") as stream:
            text = stream.read(65536).decode("utf-8", "replace")
        if match := re.search(pattern, text):
            return match[1]
        if process.poll() is not None:
            raise CannotMeasure(f"{log.stem} ended with {process.returncode}: {text[-1500:]}")
        time.sleep(0.02)
    raise CannotMeasure(f"{log.stem} was not ready within {_READY_SECONDS} s")


def request(url: str, body: bytes | None = None, timeout: float = 60) -> tuple[int, bytes]:
    """Send one request with the key of the benchmarks."""
    asked = urllib.request.Request(
        url,
        data=body,
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        method="GET" if body is None else "POST",
    )
    try:
        with urllib.request.urlopen(asked, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def fingerprint_sql() -> str:
    """Return the SQL that gives the peer the key of the benchmarks."""
    return f"INSERT INTO keys VALUES ('key_root', 'default', sha256('{KEY}'::bytea))"


def token() -> str:
    """Return a few letters that make a name unique."""
    return secrets.token_hex(4)
