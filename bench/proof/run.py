"""Carry out one proof: ask, harm, wait, and judge."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.proof import faults
from bench.proof.asking import Asked, Asking, ask
from bench.proof.stage import Stage, staged
from bench.proof.storm import Storm
from bench.proof.verdict import ATTEMPTS, VIDEOS, Books, Verdict, judge

_WORKERS = 3
_TICK = 1.0
# Found or given up by then: a sender's lease is 90 s, and only after it is anybody else asked.
_UNCHANGED_SECONDS = 60.0
_STUCK_SECONDS = 20
_OPEN = """
    SELECT v.id, v.status, coalesce(a.state, '') AS state,
           extract(epoch FROM now() - coalesce(a.accepted_at, v.created_at)) AS age
    FROM videos v LEFT JOIN attempts a ON a.video_id = v.id AND a.ordinal = v.attempts
    WHERE v.status IN ('queued', 'in_progress') ORDER BY v.id
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large and how long a proof is; times in seconds."""

    videos: int
    seed: int
    ask_over: float
    storm: float
    calm: float
    every: tuple[float, float] = (2.0, 6.0)
    speed: float = 20.0

    @property
    def longest(self) -> float:
        """Return the time by which the watchdog ends everything."""
        return self.storm + self.calm + 420


@dataclass(slots=True)
class Outcome:
    """What one proof showed."""

    plan: Plan
    verdict: Verdict
    seconds: float
    happened: dict[str, int]
    faults: dict[str, int]
    asked: Asked
    complaints: dict[str, int] = field(default_factory=dict[str, int])
    starts: int = 0

    @property
    def passed(self) -> bool:
        """Tell whether no promise was broken."""
        return not self.verdict.violations

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "plan": asdict(self.plan),
            "passed": self.passed,
            "seconds": round(self.seconds, 1),
            "figures": self.verdict.figures,
            "failed": dict(self.verdict.failed.most_common()),
            "left": dict(self.verdict.left.most_common()),
            "sent_again": dict(self.verdict.sent_again.most_common()),
            "vendors": {name: dict(line) for name, line in self.verdict.vendors.items()},
            "happened": self.happened,
            "faults": self.faults,
            "creates_sent_by_client": self.asked.tries,
            "creates_without_answer": self.asked.unanswered,
            "refused": self.asked.refused[:20],
            "complaints": self.complaints,
            "violations": self.verdict.violations,
        }


def carry_out(plan: Plan, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Carry out one proof in a folder of its own."""
    begun = time.monotonic()
    stage = Stage(folder, plan.seed, speed=plan.speed, workers=_WORKERS, rules=faults.as_toml())
    watchdog = threading.Timer(plan.longest, _give_up, [stage])
    watchdog.daemon = True
    watchdog.start()
    try:
        with staged(stage):
            say(f"ready after {time.monotonic() - begun:.1f} s")
            asking, storm = Asking(stage.urls, plan.videos, plan.seed, plan.ask_over), None
            storm = Storm(stage, plan.seed, plan.every)
            asking.start()
            storm.start()
            try:
                _weather(stage, plan, asking, say)
            finally:
                storm.stop()
            _settle(stage, plan, asking, say)
            books = _open_books(stage, plan, asking.asked)
            verdict = judge(books)
            verdict.violations += _files(stage, asking.asked) + storm.failures
            met = Counter(entry["fault"] for entry in books.ledger if entry["fault"])
            for entry in books.ledger:
                met.update(entry["job_faults"])
            return Outcome(
                plan,
                verdict,
                time.monotonic() - begun,
                dict(storm.happened),
                dict(met),
                asking.asked,
                stage.complaints(),
                sum(role.starts for role in (*stage.workers, *stage.gateways)),
            )
    finally:
        watchdog.cancel()


def _weather(stage: Stage, plan: Plan, asking: Asking, say: Callable[[str], None]) -> None:
    """Let the storm rage until nearly everything is done, or its time is over."""
    end, told = time.monotonic() + plan.storm, 0.0
    while time.monotonic() < end:
        time.sleep(_TICK * 2)
        under_way = stage.rows(_OPEN)
        moving = [row for row in under_way if row["state"] not in {"unknown", "parked"}]
        if time.monotonic() > told:
            say(f"storm: {len(asking.asked.promised)} accepted, {len(moving)} under way")
            told = time.monotonic() + 15
        if asking.done and len(moving) <= plan.videos * 0.02:
            return


def _settle(stage: Stage, plan: Plan, asking: Asking, say: Callable[[str], None]) -> None:
    """Wait until what can end has ended; cancel what a vendor never ends."""
    stage.twin("DELETE", "/_twin/faults")
    end, told = time.monotonic() + plan.calm, 0.0
    before: list[tuple[str, str]] = []
    since = time.monotonic()
    while time.monotonic() < end:
        time.sleep(_TICK * 2)
        stage.revive()
        rows = stage.rows(_OPEN)
        now = [(row["id"], row["state"]) for row in rows]
        if now != before:
            before, since = now, time.monotonic()
        moving = [row for row in rows if row["state"] not in {"unknown", "parked", "succeeded"}]
        if time.monotonic() > told:
            say(f"calm: {len(rows)} open, {Counter(row['state'] or 'queued' for row in rows)}")
            told = time.monotonic() + 15
        quiet = time.monotonic() - since
        if quiet > _STUCK_SECONDS and asking.done:
            _cancel_endless(stage, [row["id"] for row in moving if row["state"] == "accepted"])
        if asking.done and not moving and quiet > _UNCHANGED_SECONDS:
            return


def _cancel_endless(stage: Stage, ids: list[str]) -> None:
    """Cancel, as a client would, what does not move: whether it had to be is judged later."""
    for video in ids:
        ask(random.choice(stage.urls), "DELETE", f"/api/v1/videos/{video}")


def _open_books(stage: Stage, plan: Plan, asked: Asked) -> Books:
    ledger = stage.twin("GET", "/_twin/ledger")["entries"]
    rows = [dict(row) for row in stage.rows(VIDEOS)]
    return Books(plan.videos, asked, rows, [dict(row) for row in stage.rows(ATTEMPTS)], ledger)


def _files(stage: Stage, asked: Asked) -> list[str]:
    """Hold every stored film against the digest that was written down for it."""
    try:
        tally = stage.world.tally(list(asked.promised.values()))
    except (OSError, StopIteration) as error:
        return [f"a completed video's film is not there: {error!r}"]
    return [f"stored: {one}" for one in tally.duplicates if "is lost" not in one]


def _give_up(stage: Stage) -> None:
    """End everything: the proof has taken far longer than it may."""
    print("proof: out of time; everything is ended", flush=True)
    stage.world.close()
    os._exit(3)
