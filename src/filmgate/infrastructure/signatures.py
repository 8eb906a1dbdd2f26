"""Prove who sent a callback: Standard Webhooks (HMAC-SHA256) and Ed25519 as RFC 8032 states it.

Only public keys are used with Ed25519 here, so it need not run in constant time.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

TOLERANCE = timedelta(minutes=5)

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

# Extended homogeneous coordinates: x = X/Z, y = Y/Z, x*y = T/Z.
_Point = tuple[int, int, int, int]


class SignatureRefused(Exception):
    """A callback does not prove that its sender is who it says."""


def header(headers: Mapping[str, str], name: str) -> str:
    """Return a header whatever its case; raise SignatureRefused where it is missing."""
    for known, value in headers.items():
        if known.lower() == name.lower():
            return value
    raise SignatureRefused(f"the header {name} is missing")


def check_age(timestamp: str, now: datetime) -> None:
    """Refuse a callback that was signed more than five minutes before or after now."""
    try:
        off = abs(now.timestamp() - int(timestamp))
    except ValueError as error:
        raise SignatureRefused("the timestamp is no number") from error
    if off > TOLERANCE.total_seconds():
        raise SignatureRefused(f"it was signed {off:.0f} seconds away from now")


def check_standard(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> str:
    """Check a callback signed as Standard Webhooks says, and return its delivery's id."""
    delivery, timestamp = header(headers, "webhook-id"), header(headers, "webhook-timestamp")
    check_age(timestamp, now)
    signed = f"{delivery}.{timestamp}.".encode() + body
    digest = hmac.new(_standard_key(secret), signed, hashlib.sha256).digest()
    wanted = f"v1,{base64.b64encode(digest).decode()}".encode()
    # While a secret is being exchanged there are several signatures.
    given = header(headers, "webhook-signature").encode().split(b" ")
    if not any(hmac.compare_digest(wanted, one) for one in given):
        raise SignatureRefused("the signature is wrong")
    return delivery


def _standard_key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureRefused("our own secret is not valid base64") from error


def ed25519_holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature of 64 bytes by a public key of 32 bytes holds for a message."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, nonce = _unpacked(public_key), _unpacked(signature[:32])
    factor = int.from_bytes(signature[32:], "little")
    if key is None or nonce is None or factor >= _ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    return _same(_times(factor, _BASE), _sum(nonce, _times(challenge, key)))


def _sum(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _sum(result, point)
        point = _sum(point, point)
        factor >>= 1
    return result


def _same(one: _Point, other: _Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (
        one[1] * other[2] - other[1] * one[2]
    ) % _P == 0


def _unpacked(packed: bytes) -> _Point | None:
    """Return the point that 32 bytes name, None where they name none."""
    number = int.from_bytes(packed, "little")
    y, odd = number & (1 << 255) - 1, number >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and odd):
        return None
    if x & 1 != odd:
        x = _P - x
    return x, y, 1, x * y % _P


def _base() -> _Point:
    point = _unpacked((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    assert point is not None
    return point


_BASE = _base()
