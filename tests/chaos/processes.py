"""Start, hit and search real processes: each world is a folder, by which whatever runs for it is found."""

import asyncio
import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import psutil

from tests.e2e.conftest import environment

T = TypeVar("T")

KEY = "key-of-the-chaos-tests"
LIVE = ("sending", "accepted", "succeeded", "unknown", "parked")
READY_SECONDS = 30
# Long enough to be hit in the middle.
LONG_FILM = 20
_TICK = 0.05
_GONE_SECONDS = 15


def film(prompt: str = "rain over a harbour", seconds: float = 1) -> dict[str, Any]:
    """Return the cheapest order there is."""
    size = {"resolution": "360x360", "audio": False}
    return {"model": "procedural-1", "prompt": prompt, "duration": seconds, **size}


def note(text: str) -> None:
    """Leave a figure or a seed in the report of a test that fails; ``-o log_cli=true`` shows it always."""
    logging.getLogger("chaos").warning(text)


def until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Return the first true value of the condition; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}; last seen: {value!r}"
        time.sleep(_TICK)


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 where nothing did."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """A started filmgate process, the leader of a process group of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the whole process group, which no process can prevent or prepare for."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(10)

    def ask(self, method: str, path: str, body: object = None, timeout: float = 30, **extra: str) -> Answer:
        """Send one request, with ``extra`` headers; whatever goes wrong on the way is status 0."""
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        headers |= {name.replace("_", "-"): value for name, value in extra.items()}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Answer(answer.status, _lower(answer.headers), json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), json.loads(error.read() or b"{}"))
        except (OSError, ValueError):
            return Answer(0)

    def create(self, seconds: float = 1) -> str:
        """Have one video accepted and return its id."""
        answer = self.ask("POST", "/api/v1/videos", film(seconds=seconds))
        assert answer.status == 202, answer
        return answer.body["jobId"]

    def create_batch(self, count: int, seconds: float = 1) -> tuple[str, list[str]]:
        """Have a batch accepted and return its id and its videos'."""
        films = [film(f"rain over harbour number {number}", seconds) for number in range(count)]
        answer = self.ask("POST", "/api/v1/videos/batch", {"videos": films})
        assert answer.status == 202, answer
        return answer.body["batchId"], [job["jobId"] for job in answer.body["jobs"]]

    def counts(self, batch_id: str) -> dict[str, int]:
        """Return how many videos of a batch stand where; nothing while it cannot be told."""
        return self.ask("GET", f"/api/v1/batches/{batch_id}").body.get("counts", {})

    def finished(self, batch_id: str) -> bool:
        """Tell whether nothing of a batch is left to do."""
        counts = self.counts(batch_id)
        return bool(counts) and counts["pending"] == counts["processing"] == 0


@dataclass(frozen=True)
class Tally:
    """What a finished run left behind."""

    videos: Counter[str]
    attempts: Counter[str]
    duplicates: list[str]
    steps_left: list[str]

    @property
    def clean(self) -> bool:
        """Every video has its one film, and nothing else is there."""
        return set(self.videos) == {"completed"} and not self.duplicates and not self.steps_left


class World:
    """One data folder and all processes that work for it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.data = self.root / "data"
        self.database_url: str | None = None
        self.members: list[Member] = []
        # Whoever runs as another user must be able to pass through.
        for folder in (self.root, *self.root.parents[:2]):
            folder.chmod(folder.stat().st_mode | 0o711)

    def serve(self, *arguments: str, **extra: str) -> Member:
        """Start ``filmgate serve`` and return it once it is ready."""
        member = self.start("serve", "--port", "0", *arguments, **extra)
        url = self.wait_for(member, r"  API +(http://\S+)/api/v1")
        member = Member(member.process, member.log, url)
        until(lambda: member.ask("GET", "/ready", timeout=2).status == 200, READY_SECONDS, "the API")
        return member

    def work(self, *arguments: str, **extra: str) -> Member:
        """Start ``filmgate worker`` and return it once it is ready."""
        member = self.start("worker", *arguments, **extra)
        self.wait_for(member, r"(worker ready)")
        return member

    def start(self, verb: str, *arguments: str, **extra: str) -> Member:
        """Start a process on the data folder and return it at once."""
        return self.launch(verb, "--data", str(self.data), *arguments, **extra)

    def launch(self, verb: str, *arguments: str, **extra: str) -> Member:
        """Start a process and return it at once."""
        log = self.root / f"{len(self.members):02d}-{verb}.log"
        if self.database_url is not None:
            extra["DATABASE_URL"] = self.database_url
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "filmgate", verb, *arguments],
                env=environment(TMPDIR=str(self.root), API_KEY=KEY, **extra),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        member = Member(process, log)
        self.members.append(member)
        return member

    def wait_for(self, member: Member, pattern: str) -> str:
        """Return the first group of a pattern once a process has said it; fail if it ends before."""

        def look() -> str:
            assert member.process.poll() is None, f"it ended by itself:\n{member.said()[-3000:]}"
            found = re.search(pattern, member.said())
            return found[1] if found else ""

        return until(look, READY_SECONDS, f"“{pattern}” in {member.log.name}")

    def settle(self, lanes: int) -> None:
        """Let that many videos be under way at a time."""
        text = f"[lanes.embedded]\nmax_in_flight = {lanes}\n"
        (self.root / "filmgate.toml").write_text(text)

    @property
    def dsn(self) -> str:
        if self.database_url is not None:
            return self.database_url
        entry = json.loads((self.data / "state" / "runtime.json").read_text())
        return "postgresql://{user}:{password}@{host}:{port}/{database}".format_map(entry)

    def rows(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Look into the database past everything that is being tested."""

        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn, timeout=10)
            try:
                return await connection.fetch(sql, *values)
            finally:
                await connection.close(timeout=5)

        # In a thread, for there may be an event loop in this one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, fetch()).result()

    def value(self, sql: str, *values: object) -> Any:
        """Look up one value."""
        return self.rows(sql, *values)[0][0]

    def rendering(self) -> bool:
        """Tell whether a film is being drawn."""
        return bool(self.value("SELECT count(*) FROM renders WHERE state = 'processing'"))

    def drawing(self) -> bool:
        """Tell whether a film is half drawn."""
        return bool(
            self.value("SELECT count(*) FROM renders WHERE state = 'processing' AND frames_done > frames / 4")
        )

    def processes(self) -> list[psutil.Process]:
        """Return every living process of this world, whoever started it and whatever session it is in."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def postmaster(self) -> psutil.Process:
        """Return the process of PostgreSQL that is the parent of all its others."""
        folder = f"{self.data}/postgres/cluster"
        return next(process for process in self.processes() if folder in process.cmdline())

    @contextmanager
    def frozen_postgres(self) -> Generator[None, None, None]:
        """Keep every process of PostgreSQL from running, as a machine does that has no memory left."""
        first = self.postmaster()
        # First of all the one that makes the others.
        first.suspend()
        children = first.children(recursive=True)
        for child in children:
            with suppress(psutil.Error):
                child.suspend()
        try:
            yield
        finally:
            for process in (*children, first):
                with suppress(psutil.Error):
                    process.resume()

    def power_cut(self) -> None:
        """Kill everything, PostgreSQL too; nobody gets to say a last word."""
        found = self.processes()
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        for member in self.members:
            member.process.wait(10)
        until(lambda: not self.processes(), _GONE_SECONDS, "the killed processes to be gone")

    def stop(self, member: Member, seconds: float = 40) -> int:
        """Ask a process to end and return its exit code."""
        member.send(signal.SIGTERM)
        return member.process.wait(seconds)

    def tally(self, ids: Sequence[str]) -> Tally:
        """Count what there is for these videos, and name whatever is there twice."""
        videos = self.rows("SELECT id, status, result FROM videos WHERE id = ANY($1::text[])", ids)
        attempts = self.rows(
            "SELECT video_id, ordinal, state FROM attempts WHERE video_id = ANY($1::text[])", ids
        )
        twice = [f"{name} is lost" for name in set(ids) - {row["id"] for row in videos}]
        for video in videos:
            states = {row["ordinal"]: row["state"] for row in attempts if row["video_id"] == video["id"]}
            twice += [f"{video['id']}: {reason}" for reason in self._excess(video, states)]
        left = [f"{row['entrypoint']} {row['status']}" for row in self.rows("SELECT * FROM pgqueuer")]
        left += [f"render {row['id']} {row['state']}" for row in self.rows("SELECT * FROM renders")]
        left += [path.name for path in (self.data / "assets" / "renders").glob("*")]
        return Tally(
            Counter(row["status"] for row in videos), Counter(row["state"] for row in attempts), twice, left
        )

    def settled_tally(self, ids: Sequence[str], seconds: float = 20) -> Tally:
        """Return the tally once the last steps have come to their ends."""
        deadline = time.monotonic() + seconds
        tally = self.tally(ids)
        while tally.steps_left and time.monotonic() < deadline:
            time.sleep(0.2)
            tally = self.tally(ids)
        return tally

    def close(self) -> list[str]:
        """End everything, and return what was still there although it should have been gone."""
        for member in self.members:
            if member.process.poll() is None:
                member.kill()
        deadline = time.monotonic() + _GONE_SECONDS
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(_TICK)
        named = [_named(process) for process in left]
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        return named

    def _excess(self, video: asyncpg.Record, states: dict[int, str]) -> Generator[str, None, None]:
        """Say what a completed video has that it should not have, or lacks."""
        if sum(state in LIVE for state in states.values()) > 1:
            yield f"more than one live attempt: {states}"
        later = [ordinal for ordinal in states if ordinal > 1]
        if any(states.get(ordinal - 1) != "not_created" for ordinal in later):
            yield f"sent again without proof: {states}"
        if video["status"] != "completed":
            return
        result = json.loads(video["result"])
        home = self.data / "assets" / "videos" / video["id"]
        prefixes = [path.name for path in home.iterdir()]
        if prefixes != [Path(result["asset"]).name]:
            yield f"files of {len(prefixes)} attempts: {prefixes}"
        whole = next((self.data / "assets" / result["asset"]).glob("*.mp4"))
        if hashlib.sha256(whole.read_bytes()).hexdigest() != result["sha256"]:
            yield "the file is not the one that was checked"

    def _is_ours(self, process: psutil.Process) -> bool:
        mark = str(self.root)
        looks: list[Callable[[], bool]] = [
            lambda: any(mark in word for word in process.cmdline()),
            lambda: process.environ().get("TMPDIR") == mark,
            lambda: process.cwd().startswith(mark),
        ]
        if process.pid == os.getpid():
            return False
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return any(_certain(look) for look in looks)
        return False


@contextmanager
def world(root: Path) -> Generator[World, None, None]:
    """Lend a world, and insist at the end that nothing of it is left running."""
    root.mkdir(parents=True, exist_ok=True)
    lent = World(root)
    try:
        yield lent
    finally:
        left = lent.close()
    assert left == [], "processes outlived their world"


def _certain(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except (psutil.Error, OSError):
        return False


def _named(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return str(process.pid)


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
