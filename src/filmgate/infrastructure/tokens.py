"""Check JSON Web Tokens that others have signed with RS256.

That needs public values only, so how long it takes gives nothing away.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from filmgate.infrastructure.answers import mapping
from filmgate.infrastructure.signatures import TOLERANCE, SignatureRefused

# What PKCS #1 writes before a SHA-256 digest.
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_SHORTEST_MODULUS = 256


def check_token(token: str, keys: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Return a token's claims, or raise SignatureRefused; ``keys`` are JSON Web Keys."""
    head, claims, signature = _parts(token)
    signed = token.rpartition(".")[0].encode()
    fitting = [key for key in keys if key.get("kty") == "RSA" and key.get("kid") == head.get("kid")]
    if head.get("alg") != "RS256" or not any(rs256_holds(key, signed, signature) for key in fitting):
        raise SignatureRefused("the token's signature is wrong")
    _check_times(claims, now)
    return claims


def rs256_holds(key: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
    """Tell whether an RSA signature with SHA-256 fits a JSON Web Key (RFC 8017, 8.2.2)."""
    modulus = int.from_bytes(from_base64url(str(key.get("n", ""))), "big")
    exponent = int.from_bytes(from_base64url(str(key.get("e", ""))), "big")
    length = (modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if length < _SHORTEST_MODULUS or exponent < 3 or len(signature) != length or number >= modulus:
        return False
    digest = _SHA256_PREFIX + hashlib.sha256(message).digest()
    padded = b"\x00\x01" + b"\xff" * (length - len(digest) - 3) + b"\x00" + digest
    return pow(number, exponent, modulus).to_bytes(length, "big") == padded


def from_base64url(text: str) -> bytes:
    """Return the bytes of base64 in either alphabet, padded or not; empty where it is none."""
    plain = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    parts = token.split(".")
    if len(parts) != 3:
        raise SignatureRefused("this is no token")
    return _object(parts[0]), _object(parts[1]), from_base64url(parts[2])


def _object(text: str) -> dict[str, Any]:
    try:
        return mapping(msgspec.json.decode(from_base64url(text)))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise SignatureRefused("this is no token") from None


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """Refuse a token that has run out, was made long ago, or says neither when."""
    began, ends = claims.get("iat"), claims.get("exp")
    tolerance = TOLERANCE.total_seconds()
    if began is None and ends is None:
        raise SignatureRefused("the token does not say when it was made")
    if began is not None and not abs(now.timestamp() - _seconds(began)) <= tolerance:
        raise SignatureRefused("the token was not made just now")
    if ends is not None and not now.timestamp() <= _seconds(ends) + tolerance:
        raise SignatureRefused("the token has run out")


def _seconds(value: object) -> float:
    # Not a number compares as false, so what is no time is refused.
    return float(value) if isinstance(value, int | float) else float("nan")
