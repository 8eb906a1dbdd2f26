"""Read what a create is recognised by when it comes again, and say so when it did."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from filmgate.domain.idempotency import Mark, checked_key
from filmgate.services.idempotency import Created

T = TypeVar("T")

KEY_HEADER: Final = b"idempotency-key"
TRIES_HEADER: Final = b"x-stainless-retry-count"
REPLAYED_HEADER: Final = "idempotent-replayed"
_MOST_DIGITS: Final = 4


def mark_of(headers: Iterable[tuple[bytes, bytes]], route: str) -> Mark | None:
    """Return what a create is to be recognised by, None if it carries nothing of the kind."""
    keys: set[str] = set()
    tries: bytes | None = None
    for name, value in headers:
        if name == KEY_HEADER:
            keys.add(value.decode("latin-1"))
        elif name == TRIES_HEADER:
            tries = value
    if keys:
        # Two different ones make none that can be kept: the space between them is refused.
        return Mark(route, checked_key(", ".join(sorted(keys))))
    if tries is not None and tries.isdigit() and len(tries) <= _MOST_DIGITS:
        return Mark(route, tries=int(tries))
    return None


def replay_headers(created: Created[T]) -> Mapping[str, str]:
    """Return the header that tells a replay from a first answer."""
    return {REPLAYED_HEADER: "true"} if created.replayed else {}
