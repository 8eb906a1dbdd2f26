"""Check what others have signed under keys that they publish as JSON Web Keys.

That needs public values only, so how long it takes gives nothing away.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from filmgate.infrastructure.answers import listing, mapping
from filmgate.infrastructure.signatures import TOLERANCE, SignatureRefused, check_age, ed25519_holds, header

# What PKCS #1 writes before a SHA-256 digest.
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_SHORTEST_MODULUS = 256
# A header may carry several signatures while keys change; more than this nobody sends honestly.
_MAX_SIGNATURES = 5


def check_published(
    headers: Mapping[str, str], body: bytes, documents: Iterable[bytes], now: datetime, audience: str | None
) -> None:
    """Check a callback with the headers of Standard Webhooks, signed under published keys.

    Its signature is either Ed25519 (``v1a``) over id, time and body, or a token (RS256) that covers only
    its own claims and is meant for an address that begins with ``audience``. ``documents`` are sets of JSON
    Web Keys. Raises SignatureRefused.
    """
    delivery, sent = header(headers, "webhook-id"), header(headers, "webhook-timestamp")
    check_age(sent, now)
    signature = header(headers, "webhook-signature")
    keys = [mapping(key) for text in documents for key in listing(_decoded(text).get("keys"))]
    if signature.count(".") == 2:
        _check_audience(check_token(signature, keys, now).get("aud"), audience)
        return
    signed = f"{delivery}.{sent}.".encode() + body
    given = [entry.removeprefix("v1a,") for entry in signature.split() if entry.startswith("v1a,")]
    public = [from_base64url(str(key.get("x", ""))) for key in keys if key.get("crv") == "Ed25519"]
    for text in given[:_MAX_SIGNATURES]:
        if any(ed25519_holds(key, from_base64url(text), signed) for key in public):
            return
    raise SignatureRefused("the signature is wrong")


def seal_of(text: str, key: str | None) -> str:
    """Return what proves, when it comes back, that a text was written by the owner of a key."""
    return hmac.new((key or "").encode(), b"filmgate:" + text.encode(), hashlib.sha256).hexdigest()


def _check_audience(audience: object, ours: str | None) -> None:
    named = listing(audience) or [audience]
    if ours is None or not any(isinstance(name, str) and name.startswith(ours) for name in named):
        raise SignatureRefused("the token is meant for somebody else")


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
    return _decoded(from_base64url(text))


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        return mapping(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}


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
