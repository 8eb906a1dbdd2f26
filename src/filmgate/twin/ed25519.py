"""Sign with Ed25519 as RFC 8032 states it; slow and not constant in time, which a sandbox may be."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P

# extended homogeneous coordinates: x = X/Z, y = Y/Z, x*y = T/Z
_Point = tuple[int, int, int, int]


def _base() -> _Point:
    y = 4 * pow(5, -1, _P) % _P
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    x = x if x % 2 == 0 else _P - x
    return x, y, 1, x * y % _P


_BASE: Final = _base()
_NEUTRAL: Final = (0, 1, 1, 0)


@dataclass(frozen=True)
class SigningKey:
    """Hold a secret of 32 bytes and the public key that belongs to it."""

    secret: bytes

    @cached_property
    def _halves(self) -> tuple[int, bytes]:
        digest = hashlib.sha512(self.secret).digest()
        scalar = int.from_bytes(digest[:32], "little")
        return scalar & ((1 << 254) - 8) | (1 << 254), digest[32:]

    @cached_property
    def public(self) -> bytes:
        """Return the public key."""
        return _packed(_times(self._halves[0], _BASE))

    def sign(self, message: bytes) -> bytes:
        """Return the signature of 64 bytes."""
        scalar, prefix = self._halves
        nonce = _number(prefix + message)
        point = _packed(_times(nonce, _BASE))
        answer = (nonce + _number(point + self.public + message) * scalar) % _ORDER
        return point + answer.to_bytes(32, "little")


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % _ORDER


def _sum(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    result: _Point = _NEUTRAL
    while factor:
        if factor & 1:
            result = _sum(result, point)
        point = _sum(point, point)
        factor >>= 1
    return result


def _packed(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
