"""Hold everything one twin knows: its luck, its clock, its jobs, its bill and what it was told to spoil."""

import re
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

from filmgate.twin.calls import Call
from filmgate.twin.chance import Chance
from filmgate.twin.faults import Faults, Subject
from filmgate.twin.films import Films
from filmgate.twin.forms import plain
from filmgate.twin.jobs import Job, Jobs, Order
from filmgate.twin.ledger import Entry, Ledger, fingerprint

_SEEN_REQUESTS: Final = 5_000
_CALLBACKS: Final = ("webhook", "callback_url", "webhook_url", "notify_url")
_REFERENCE_WORDS: Final = ("ref", "reference", "job", "video", "attempt", "id")
_SECRET_HEADERS: Final = {"authorization", "x-goog-api-key", "api-key", "cookie"}


@dataclass(frozen=True, slots=True)
class Places:
    """Say under which addresses the twin is reached: its wires, and its media."""

    wires: str
    media: str


@dataclass(slots=True)
class World:
    """Be the state of one twin."""

    seed: int
    speed: float
    places: Places = Places("", "")
    chance: Chance = field(init=False)
    faults: Faults = field(init=False)
    ledger: Ledger = field(init=False)
    films: Films = field(default_factory=Films)
    jobs: dict[str, Jobs] = field(default_factory=dict[str, Jobs])
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_SEEN_REQUESTS))
    kept: dict[str, Any] = field(default_factory=dict[str, Any])
    _counts: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.chance = Chance(self.seed)
        self.faults = Faults(self.chance)
        self.ledger = Ledger(self.now)

    @staticmethod
    def now() -> float:
        """Return the real time, in unix seconds."""
        return time.time()

    def of(self, vendor: str) -> Jobs:
        """Return a vendor's jobs."""
        return self.jobs.setdefault(vendor, Jobs(self.now))

    def count(self, what: str) -> int:
        """Return 1, 2, 3 … for each thing that is counted."""
        self._counts[what] += 1
        return self._counts[what]

    def start_over(self) -> None:
        """Forget jobs, bill, requests and counts; keep the rules, with their counts at zero."""
        self.jobs.clear()
        self.ledger.entries.clear()
        self.requests.clear()
        self.kept.clear()
        self._counts.clear()
        self.faults.start_over()

    def receive(self, call: Call, prompt: str, model: str) -> Entry:
        """Write down that somebody asked for something that costs money."""
        request, fields = call.request, call.fields
        safety = fields.get("safety_identifier")
        entry = Entry(
            number=len(self.ledger.entries) + 1,
            vendor=call.vendor,
            at=self.now(),
            path=request.path,
            model=model,
            prompt=prompt,
            fingerprint=fingerprint(call.vendor, request.path, plain(call.body)),
            references=dict(_references(call)),
            idempotency_key=call.header("Idempotency-Key"),
            safety_identifier=None if safety is None else str(safety),
            seed=_seed(fields),
        )
        self.ledger.add(entry)
        return entry

    def open_job(self, call: Call, job_id: str, order: Order) -> Job:
        """Create a job, which bills it, and decide its luck."""
        number = self.count(f"job {call.vendor}")
        subject = Subject(call.vendor, "create", order.prompt, order.model)
        faults = self.faults.of_job(subject)
        key = (call.vendor, order.model, number)
        queue = self.chance.stretched(order.pace.queue, order.pace.sigma, "queue", *key)
        median = order.pace.run_per_second * max(order.seconds, 1.0)
        if "long-queue" in faults:
            queue += faults["long-queue"].number("seconds")
        job = Job(
            id=job_id,
            vendor=call.vendor,
            number=number,
            order=order,
            created_at=self.now(),
            queue=queue,
            run=self.chance.stretched(median, order.pace.sigma, "run", *key),
            speed=self.speed,
            faults=faults,
        )
        self.of(call.vendor).add(job)
        call.job = call.opened = job
        if call.entry is not None:
            call.entry.job = job
        return job

    def saw(self, call: Call, place: str) -> dict[str, Any]:
        """Remember a request; what becomes known later is added to the record."""
        request = call.request
        record = {
            "at": round(self.now(), 6),
            "place": place,
            "vendor": call.vendor,
            "operation": call.operation,
            "method": request.method,
            "path": request.path_qs,
            "headers": shown_headers(request.headers),
            "body": "",
            "fault": None,
            "status": None,
        }
        self.requests.append(record)
        return record


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their small names, credentials cut to their first letters."""
    shown: dict[str, str] = {}
    for name, value in headers.items():
        secret = name.lower() in _SECRET_HEADERS
        shown[name.lower()] = f"{value[:10]}…" if secret and len(value) > 10 else value
    return shown


def _references(call: Call) -> Iterator[tuple[str, str]]:
    key = call.header("Idempotency-Key")
    if key:
        yield "idempotency-key", key
    if isinstance(safety := call.fields.get("safety_identifier"), str):
        yield "safety_identifier", safety
    yield from _metadata_references(call.fields)
    for place, url in _callbacks(call):
        if reference := _reference_of(url):
            yield place, reference


def _metadata_references(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    config: Any = fields.get("webhook_config")
    places: dict[str, Any] = {"labels": fields.get("labels"), "metadata": fields.get("metadata")}
    if isinstance(config, dict):
        places["user_metadata"] = cast("dict[str, Any]", config).get("user_metadata")
    for place, values in places.items():
        if isinstance(values, dict):
            for name, value in cast("dict[str, Any]", values).items():
                yield f"{place}.{name}", str(value)


def _callbacks(call: Call) -> Iterator[tuple[str, str]]:
    if url := call.query("fal_webhook"):
        yield "fal_webhook", url
    for name in _CALLBACKS:
        if isinstance(url := call.fields.get(name), str):
            yield name, url
    config: Any = call.fields.get("webhook_config")
    uris: Any = cast("dict[str, Any]", config).get("uris") if isinstance(config, dict) else None
    if isinstance(uris, list):
        yield from (("webhook_config.uris", str(uri)) for uri in cast("list[Any]", uris))


def _reference_of(url: str) -> str | None:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    for word in _REFERENCE_WORDS:
        if word in query:
            return query[word]
    steps = [step for step in re.split("/+", parts.path) if step]
    return steps[-1] if steps else None


def _seed(fields: Mapping[str, Any]) -> int | None:
    given: Any = fields.get("input")
    inner = cast("dict[str, Any]", given).get("seed") if isinstance(given, dict) else None
    seed = fields.get("seed", inner)
    return seed if isinstance(seed, int) else None
