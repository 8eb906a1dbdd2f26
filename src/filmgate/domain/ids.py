"""Make the identifiers that filmgate hands out: prefixed, opaque, ordered by time."""

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_BITS = 48
_RANDOM_BITS = 80
_LENGTH = 26


def new_id(prefix: str) -> str:
    """Return ``prefix_`` and 26 characters: 48 bits of milliseconds, then 80 random bits.

    The layout is that of a ULID (github.com/ulid/spec) in lower case.
    """
    milliseconds = time.time_ns() // 1_000_000 & ((1 << _TIME_BITS) - 1)
    value = (milliseconds << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
    characters = [_ALPHABET[(value >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5)]
    return f"{prefix}_{''.join(characters)}"


def is_id(text: str, prefix: str) -> bool:
    """Tell whether the text has the form of an identifier with this prefix."""
    head, _, tail = text.partition("_")
    return head == prefix and len(tail) == _LENGTH and all(character in _ALPHABET for character in tail)
