"""Write down every paid request that arrived, what came of it, and what it cost."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from filmgate.twin.jobs import Job

_EXCERPT = 160


@dataclass(slots=True, kw_only=True)
class Entry:
    """Hold one request to create something that costs money."""

    number: int
    vendor: str
    at: float
    path: str
    model: str
    prompt: str
    fingerprint: str
    references: dict[str, str]
    idempotency_key: str | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    job: Job | None = None
    status: int | None = None
    fault: str | None = None

    @property
    def reference(self) -> str | None:
        """Return the sender's own reference, where one was found."""
        return next(iter(self.references.values()), None)

    def shown(self, now: float) -> dict[str, Any]:
        """Return the entry as JSON; `status` is null while or when no answer left the twin."""
        job = self.job
        return {
            "number": self.number,
            "vendor": self.vendor,
            "at": round(self.at, 6),
            "path": self.path,
            "model": self.model,
            "prompt": self.prompt[:_EXCERPT],
            "reference": self.reference,
            "references": self.references,
            "idempotency_key": self.idempotency_key,
            "safety_identifier": self.safety_identifier,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "created": job is not None,
            "job": job and job.id,
            "state": job and job.phase(now).value,
            "ended_at": job and job.ended_at(now),
            "seconds": job and job.order.seconds,
            "billed_micro_usd": job.billed(now) if job else 0,
            "status": self.status,
            "fault": self.fault,
            "job_faults": sorted(job.faults) if job else [],
        }


@dataclass(slots=True)
class Ledger:
    """Keep the entries, oldest first."""

    clock: Callable[[], float]
    entries: list[Entry] = field(default_factory=list[Entry])

    def add(self, entry: Entry) -> None:
        """Write an entry down."""
        self.entries.append(entry)

    def chosen(self, wanted: Mapping[str, str]) -> list[Entry]:
        """Return the entries with this vendor, reference, job, model or prompt, created or not."""
        return [entry for entry in self.entries if _fits(entry, wanted)]

    def summary(self, entries: Iterable[Entry]) -> dict[str, Any]:
        """Count what arrived, what was made and billed, and what was made twice."""
        listed, now = list(entries), self.clock()
        made = [(entry, entry.job) for entry in listed if entry.job is not None]
        by_vendor: dict[str, dict[str, int]] = {}
        for entry in listed:
            row = by_vendor.setdefault(entry.vendor, {"received": 0, "created": 0, "billed_micro_usd": 0})
            row["received"] += 1
            row["created"] += entry.job is not None
            row["billed_micro_usd"] += entry.job.billed(now) if entry.job else 0
        return {
            "received": len(listed),
            "created": len(made),
            "billed_micro_usd": sum(job.billed(now) for _, job in made),
            "film_seconds": round(sum(job.order.seconds for _, job in made), 3),
            "vendors": by_vendor,
            "duplicates_by_reference": _repeated(
                (entry.vendor, entry.reference) for entry, _ in made if entry.reference is not None
            ),
            "duplicates_by_body": _repeated((entry.vendor, entry.fingerprint) for entry, _ in made),
        }


def fingerprint(vendor: str, path: str, fields: Mapping[str, Any]) -> str:
    """Return the same text for the same request, however it was encoded."""
    text = msgspec.json.encode([vendor, path, fields], order="sorted", enc_hook=repr)
    return hashlib.sha256(text).hexdigest()[:24]


def _fits(entry: Entry, wanted: Mapping[str, str]) -> bool:
    exact = {
        "vendor": entry.vendor,
        "model": entry.model,
        "job": entry.job.id if entry.job else "",
        "created": "true" if entry.job else "false",
        "fault": entry.fault or "",
    }
    if any(name in wanted and wanted[name] != value for name, value in exact.items()):
        return False
    if "reference" in wanted and wanted["reference"] not in entry.references.values():
        return False
    return wanted.get("prompt", "") in entry.prompt


def _repeated(keys: Iterable[tuple[str, str | None]]) -> list[dict[str, Any]]:
    counted = Counter(keys)
    return [
        {"vendor": vendor, "key": key, "created": count}
        for (vendor, key), count in counted.items()
        if count > 1
    ]
