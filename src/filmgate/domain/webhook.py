"""Describe webhooks: what is told to whom, when again, and how it is signed."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from filmgate.domain.errors import BadSettings

# The pauses of the Standard Webhooks specification: ten tries over 75 h 35 min 05 s.
PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
_PREFIX = "whsec_"
_SHORTEST_SECRET = 24
_MAX_URL = 2048


class DeliveryState(StrEnum):
    """Say where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event to be told to one address.

    ``tries`` counts those begun, ``tries_before`` those before it was last sent anew.

    One for an endpoint is signed with the keys of that, any other with this installation's.
    """

    id: str
    subject: str
    project: str
    event: str
    url: str
    tries: int
    created_at: datetime
    tries_before: int = 0
    endpoint_id: str | None = None
    keys: tuple[bytes, ...] = ()


def read_secret(text: str) -> bytes:
    """Return the signing key that a secret stands for: base64 behind ``whsec_``, else its own bytes."""
    if not text.startswith(_PREFIX):
        key = text.encode()
    else:
        try:
            key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadSettings("WEBHOOK_SECRET: what follows whsec_ is not base64.") from error
    if len(key) < _SHORTEST_SECRET:
        raise BadSettings(f"WEBHOOK_SECRET: it has {len(key)} bytes. Use at least {_SHORTEST_SECRET}.")
    return key


def written_secret(key: bytes) -> str:
    """Return the secret that receivers verify with, as Standard Webhooks libraries take it."""
    return _PREFIX + base64.b64encode(key).decode()


def sign(keys: Sequence[bytes], delivery_id: str, moment: datetime, body: bytes) -> Mapping[str, str]:
    """Return the headers of the Standard Webhooks specification (standardwebhooks.com, scheme v1).

    With several keys there is a signature by each, and a receiver accepts any that it can verify.
    """
    stamp = str(int(moment.timestamp()))
    message = b".".join((delivery_id.encode(), stamp.encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def webhook_fault(url: str) -> str | None:
    """Return why an address cannot be a webhook's, or None where it can."""
    if len(url) > _MAX_URL:
        return f"The address has more than {_MAX_URL} characters."
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "This is no address."
    if parts.scheme not in {"http", "https"}:
        return "The address must begin with https:// or http://."
    if not host or any(character.isspace() or not character.isprintable() for character in url):
        return "The address names no server."
    if parts.username is not None or parts.password is not None:
        return "The address must not hold a user name or a password."
    return None
