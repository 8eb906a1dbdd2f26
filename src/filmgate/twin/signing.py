"""Sign callbacks the way each vendor does, or wrongly on request."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from filmgate.twin import rsa
from filmgate.twin.ed25519 import SigningKey


@dataclass(frozen=True, slots=True)
class Stamp:
    """Say when a callback claims to be sent, under which id, and whether its signature is right."""

    id: str
    at: int
    forged: bool = False


def standard(secret: str, stamp: Stamp, body: bytes) -> dict[str, str]:
    """Sign as Standard Webhooks says: HMAC-SHA256 over id, timestamp and body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{stamp.id}.{stamp.at}.".encode() + body
    digest = hmac.new(key, signed + _salt(stamp), hashlib.sha256).digest()
    return {
        "webhook-id": stamp.id,
        "webhook-timestamp": str(stamp.at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def fal(key: SigningKey, request_id: str, user_id: str, stamp: Stamp, body: bytes) -> dict[str, str]:
    """Sign as fal does: Ed25519 over request, user, timestamp and the body's digest."""
    lines = (request_id, user_id, str(stamp.at), hashlib.sha256(body).hexdigest())
    signed = "\n".join(lines).encode() + _salt(stamp)
    return {
        "X-Fal-Webhook-Request-Id": request_id,
        "X-Fal-Webhook-User-Id": user_id,
        "X-Fal-Webhook-Timestamp": str(stamp.at),
        "X-Fal-Webhook-Signature": key.sign(signed).hex(),
    }


def google(audience: str, stamp: Stamp, body: bytes, extra: Mapping[str, Any]) -> dict[str, str]:
    """Sign as Gemini's dynamic webhooks do: an RS256 token; which claims it holds is not documented."""
    digest = hashlib.sha256(body).hexdigest()
    times = {"iat": stamp.at, "exp": stamp.at + 300}
    claims = {"iss": "twin", "aud": audience, "jti": stamp.id, "body_sha256": digest} | times | dict(extra)
    made = rsa.token(claims)
    head, _, last = made.rpartition(".")
    signature = last[::-1] if stamp.forged else last
    return {
        "webhook-id": stamp.id,
        "webhook-timestamp": str(stamp.at),
        "webhook-signature": f"{head}.{signature}",
    }


def _salt(stamp: Stamp) -> bytes:
    return b"forged" if stamp.forged else b""
