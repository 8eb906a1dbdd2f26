"""Hold what was promised, what the database says and what the vendors would bill against each other."""

import re
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bench.proof.asking import Asked
from bench.proof.faults import ENDLESS, UNREACHABLE
from bench.proof.orders import number_of

_ADDRESS = re.compile(r"(\d+\.){3}\d+(:\d+)?")
_HELD = ("unknown", "parked")
_FINAL = ("completed", "failed", "cancelled")
VIDEOS = """
    SELECT v.id, v.status, v.prompt, v.provider, v.error->>'code' AS code, v.error->>'message' AS message,
           v.result IS NOT NULL AS stored
    FROM videos v ORDER BY v.id
"""
ATTEMPTS = """
    SELECT id, video_id, ordinal, provider, state, coalesce(reason, '') AS reason, provider_job_id
    FROM attempts ORDER BY video_id, ordinal
"""


@dataclass(frozen=True, slots=True)
class Books:
    """The three books: promises, database, vendors' bill."""

    videos: int
    asked: Asked
    rows: Sequence[Mapping[str, Any]]
    attempts: Sequence[Mapping[str, Any]]
    ledger: Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Verdict:
    """What the books say together."""

    figures: dict[str, float] = field(default_factory=dict[str, float])
    failed: Counter[str] = field(default_factory=Counter[str])
    left: Counter[str] = field(default_factory=Counter[str])
    sent_again: Counter[str] = field(default_factory=Counter[str])
    vendors: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    violations: list[str] = field(default_factory=list[str])


class _Index:
    """The books, opened by video."""

    def __init__(self, books: Books) -> None:
        self.rows: dict[str, Mapping[str, Any]] = {row["id"]: row for row in books.rows}
        self.by_number: defaultdict[int, list[str]] = defaultdict(list)
        for row in books.rows:
            number = number_of(row["prompt"])
            if number is not None:
                self.by_number[number].append(row["id"])
        self.attempts: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for attempt in books.attempts:
            self.attempts[attempt["video_id"]].append(attempt)
        self.made: defaultdict[int | None, list[Mapping[str, Any]]] = defaultdict(list)
        self.arrived: Counter[int | None] = Counter()
        for entry in books.ledger:
            number = number_of(entry["prompt"])
            self.arrived[number] += 1
            if entry["created"]:
                self.made[number].append(entry)


def judge(books: Books) -> Verdict:
    """Return figures and violations."""
    index, verdict = _Index(books), Verdict()
    _count(books, index, verdict)
    verdict.violations += [
        *_lost(books, index),
        *_paid_twice(index),
        *_forgotten(index),
        *_sent_without_proof(index),
        *_unfinished(index),
    ]
    _figures(books, index, verdict)
    return verdict


def _count(books: Books, index: _Index, verdict: Verdict) -> None:
    for row in books.rows:
        tries = index.attempts[row["id"]]
        vendor = tries[-1]["provider"] if tries else row["provider"]
        column = row["status"] if row["status"] in _FINAL else "left"
        line = verdict.vendors.setdefault(vendor, Counter())
        line[column] += 1
        if row["status"] == "failed":
            verdict.failed[f"{row['code']}: {_short(row['message'])}"] += 1
        elif row["status"] not in _FINAL:
            made = bool(index.made[number_of(row["prompt"])])
            verdict.left[_standing(row, tries, made=made)] += 1
        for earlier, _ in pairwise(tries):
            verdict.sent_again[_short(earlier["reason"])] += 1
    for entry in books.ledger:
        line = verdict.vendors.setdefault(entry["vendor"], Counter())
        line["creates"] += 1
        line["made"] += bool(entry["created"])


def _standing(row: Mapping[str, Any], tries: Sequence[Mapping[str, Any]], *, made: bool) -> str:
    """Say where a video stands that has no end yet."""
    if row["status"] == "queued" or not tries:
        return "waiting in line"
    last = tries[-1]
    if last["state"] not in _HELD:
        return f"{last['provider']}: {last['state']}, its film is being fetched"
    bill = "a job was made" if made else "no job was made"
    return f"{last['provider']}: {last['state']} ({_short(last['reason'])}); by the bill, {bill}"


def _short(reason: str) -> str:
    return _ADDRESS.sub("the vendor", reason)[:80].strip() or "no reason"


def _lost(books: Books, index: _Index) -> Generator[str, None, None]:
    for number, video in books.asked.promised.items():
        if video not in index.rows:
            yield f"lost: film {number} was accepted as {video}, and there is no such video"
    for number, ids in index.by_number.items():
        if len(ids) > 1:
            yield f"accepted twice: film {number} is {', '.join(ids)}"
    yield from (f"two ids for one key: {one}" for one in books.asked.contradicted)


def _paid_twice(index: _Index) -> Generator[str, None, None]:
    for number, jobs in index.made.items():
        if number is None:
            yield f"{len(jobs)} jobs belong to no video"
            continue
        free = [job for job in jobs if job["state"] == "failed" and not job["billed_micro_usd"]]
        if len(jobs) - len(free) > 1 or (len(jobs) > 1 and not free):
            yield f"paid twice: film {number} has {[(job['vendor'], job['job']) for job in jobs]}"


def _forgotten(index: _Index) -> Generator[str, None, None]:
    """Name every job that exists and that nobody here knows or waits for."""
    for number, jobs in index.made.items():
        for video in index.by_number.get(number or 0, []):
            tries = index.attempts[video]
            known = {one["provider_job_id"] for one in tries}
            open_ = any(one["state"] in (*_HELD, "sending") for one in tries)
            for job in jobs:
                if job["job"] not in known and not open_:
                    yield (
                        f"forgotten: film {number} ({video}) has job {job['job']} of {job['vendor']} after "
                        f"{job['fault']}, attempts {[(one['state'], one['reason'][:60]) for one in tries]}"
                    )


def _sent_without_proof(index: _Index) -> Generator[str, None, None]:
    for video, tries in index.attempts.items():
        for earlier, later in pairwise(tries):
            if earlier["state"] not in {"not_created", "failed"}:
                yield f"sent again after {earlier['state']}: {video} attempt {later['ordinal']}"
        if sum(one["state"] not in {"not_created", "failed", "cancelled"} for one in tries) > 1:
            yield f"more than one live attempt: {video}"


def _unfinished(index: _Index) -> Generator[str, None, None]:
    """Name what had no reason to be still open, or to be cancelled by the client of the proof."""
    for video, row in index.rows.items():
        tries = index.attempts[video]
        last = tries[-1] if tries else None
        troubles = {name for job in index.made[number_of(row["prompt"])] for name in job["job_faults"]}
        if row["status"] == "cancelled" and not troubles & ENDLESS:
            yield f"had to be cancelled: {video}, although its job ends: {sorted(troubles)}"
        if row["status"] in _FINAL:
            continue
        if last is None or row["status"] == "queued":
            yield f"still waiting: {video} in {row['provider']}, {len(tries)} attempts"
        elif last["state"] in _HELD:
            if not last["reason"]:
                yield f"held without a reason: {video}"
        elif last["state"] != "succeeded" or not troubles & UNREACHABLE:
            yield f"still under way: {video}, {last['provider']} {last['state']} {sorted(troubles)}"


def _figures(books: Books, index: _Index, verdict: Verdict) -> None:
    status = Counter(row["status"] for row in books.rows)
    done = {number_of(row["prompt"]) for row in books.rows if row["status"] == "completed"}
    paid = sum(len(index.made[number]) for number in done)
    states = Counter(tries[-1]["state"] for tries in index.attempts.values() if tries)
    jobs = sum(map(len, index.made.values()))
    verdict.figures = {
        "videos asked": books.videos,
        "accepted": len(books.asked.promised),
        "creates refused or never answered": len(books.asked.refused),
        "completed": status["completed"],
        "failed": status["failed"],
        "cancelled by the client (stuck at the vendor)": status["cancelled"],
        "left, outcome of the send unknown": states["unknown"],
        "left, parked for an operator": states["parked"],
        "left, other": sum(verdict.left.values()) - states["unknown"] - states["parked"],
        "creates that reached vendors": len(books.ledger),
        "jobs made": jobs,
        "most jobs made for one video": max(map(len, index.made.values()), default=0),
        "jobs per completed video": round(paid / len(done), 4) if done else 0,
        "lost": sum(one.startswith("lost") for one in verdict.violations),
        "duplicates": sum(one.startswith(("paid twice", "accepted twice")) for one in verdict.violations),
        "paid and forgotten": sum(one.startswith("forgotten") for one in verdict.violations),
    }
    if done and paid != len(done):
        verdict.violations.append(f"{paid} jobs were made for {len(done)} completed videos")
