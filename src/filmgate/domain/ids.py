"""Make the identifiers that filmgate hands out: prefixed, opaque, ordered by time."""

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_CHARACTERS = frozenset(_ALPHABET)
_TIME_BITS = 48
_LENGTH = 26
_RANDOM_LENGTH = 16
_TAILS_AT_ONCE = 256

# Every id is made on somebody's waiting time, so ten bits are written at once, and a random byte gives a
# character by its five lower bits.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_BYTE_TO_CHARACTER = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))

# Random bytes are fetched for many ids in one system call; a forked child must not use its parent's.
_tails: list[str] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tails.clear)


def new_id(prefix: str) -> str:
    """Return ``prefix_`` and 26 characters: 48 bits of milliseconds, then 80 random bits.

    The layout is that of a ULID (github.com/ulid/spec) in lower case.
    """
    time_bits = time.time_ns() // 1_000_000 & ((1 << _TIME_BITS) - 1)
    head = (
        _PAIRS[time_bits >> 40]
        + _PAIRS[time_bits >> 30 & 1023]
        + _PAIRS[time_bits >> 20 & 1023]
        + _PAIRS[time_bits >> 10 & 1023]
        + _PAIRS[time_bits & 1023]
    )
    return f"{prefix}_{head}{_random_tail()}"


def _random_tail() -> str:
    while True:
        try:
            return _tails.pop()
        except IndexError:
            drawn = os.urandom(_RANDOM_LENGTH * _TAILS_AT_ONCE).translate(_BYTE_TO_CHARACTER).decode("ascii")
            _tails.extend(
                drawn[start : start + _RANDOM_LENGTH] for start in range(0, len(drawn), _RANDOM_LENGTH)
            )


def is_id(text: str, prefix: str) -> bool:
    """Tell whether the text has the form of an identifier with this prefix."""
    head, _, tail = text.partition("_")
    return head == prefix and len(tail) == _LENGTH and _CHARACTERS.issuperset(tail)
