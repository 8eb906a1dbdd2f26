"""Hold one request while it is worked on, and the answer to it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec
from aiohttp import web

from filmgate.twin.forms import Body
from filmgate.twin.jobs import Job
from filmgate.twin.ledger import Entry

_WORDS: Final = re.compile(r"[^a-z0-9]+")


class Verdict(StrEnum):
    """Say what the twin thinks of a key; the key's own words decide."""

    MISSING = "missing"
    BAD = "bad"
    FORBIDDEN = "forbidden"
    QUOTA = "quota"
    FINE = "fine"


@dataclass(slots=True)
class Answer:
    """Hold an answer: a JSON document, or raw bytes, and how its transfer is spoilt."""

    document: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    raw: bytes | None = None
    content_type: str = "application/json"
    transfer: str | None = None

    @property
    def body(self) -> bytes:
        """Return the bytes to send."""
        if self.raw is not None:
            return self.raw
        return b"" if self.document is None else msgspec.json.encode(self.document)


class Rejected(Exception):
    """The vendor answers with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(slots=True)
class Call:
    """Hold one request to one vendor, and what is found out about it on the way."""

    request: web.Request
    vendor: str
    operation: str
    number: int
    body: Body = field(default_factory=lambda: Body("empty"))
    job: Job | None = None
    entry: Entry | None = None
    opened: Job | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """Return the body's fields."""
        return self.body.fields

    def part(self, name: str) -> str:
        """Return a part of the path."""
        return self.request.match_info[name]

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self.request.headers.get(name)

    def query(self, name: str, default: str = "") -> str:
        """Return a value of the query."""
        return self.request.query.get(name, default)


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """Say which handler answers which requests, and what kind of operation that is."""

    method: str
    path: str
    operation: str
    handler: Handler


def judged(credential: str | None) -> Verdict:
    """Judge a key by the words in it: bad, forbidden, quota; anything else that is not empty is fine."""
    if credential is None or not credential.strip():
        return Verdict.MISSING
    words = set(_WORDS.split(credential.lower()))
    for verdict in (Verdict.BAD, Verdict.FORBIDDEN, Verdict.QUOTA):
        if verdict.value in words:
            return verdict
    return Verdict.FINE


def bearer(call: Call, scheme: str = "Bearer") -> str | None:
    """Return the key of an Authorization header with this scheme."""
    found, _, key = (call.header("Authorization") or "").partition(" ")
    return key.strip() if found.lower() == scheme.lower() else None


def whole(value: object) -> int | None:
    """Return an integer that came as a number or as text, or None."""
    try:
        return None if value is None or isinstance(value, bool) else int(str(value))
    except ValueError:
        return None
