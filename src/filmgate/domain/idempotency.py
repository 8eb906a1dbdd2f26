"""Describe how a create is recognised when it comes a second time."""

import re
from dataclasses import dataclass
from datetime import timedelta

from filmgate.domain.errors import BadIdempotencyKey

# How long a key stands for what it made, and how long a retry without one is looked for.
KEY_KEPT = timedelta(hours=72)
RETRY_WINDOW = timedelta(minutes=15)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a create carries to be recognised by: a key, or how often its client has sent it before.

    ``route`` is the method and the path, ``POST /api/v1/videos``: the same key may be used on each.
    """

    route: str
    key: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class First:
    """What a create has made: the id, and as JSON what of its answer may read differently later."""

    subject: str
    terms: str | None = None


@dataclass(frozen=True, slots=True)
class KeyedCreate:
    """A create with a key, as it is kept; ``fingerprint`` is the SHA-256 of what was asked."""

    project: str
    route: str
    key: str
    fingerprint: bytes
    first: First


@dataclass(frozen=True, slots=True)
class CountedCreate:
    """A create without a key by a client that counts; ``tries`` is 0 for the first time it is sent."""

    id: str
    key_id: str
    route: str
    fingerprint: bytes
    tries: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a retry has found: an earlier create, and what that has made; None while that is being settled."""

    id: str
    first: First | None


def checked_key(text: str) -> str:
    """Return the key if it is one, or raise BadIdempotencyKey."""
    if _KEY.fullmatch(text) is None:
        raise BadIdempotencyKey(len(text))
    return text
