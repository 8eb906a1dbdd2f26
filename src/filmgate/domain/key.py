"""Describe the keys that open the API."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from filmgate.domain.ids import new_id

ROOT_KEY_ID = "key_root"
DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class Key:
    """One key; ``hint`` is the end of its secret, enough to recognise it by."""

    id: str
    name: str
    project: str
    hint: str
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


def new_secret() -> str:
    """Return a fresh secret with 256 random bits."""
    return f"fg_{secrets.token_urlsafe(32)}"


def new_key_id() -> str:
    """Return a fresh key id."""
    return new_id("key")


def fingerprint(secret: str) -> bytes:
    """Return the SHA-256 that is stored instead of the secret.

    A slow hash would protect nothing here, since the secret is 256 random bits.
    """
    return hashlib.sha256(secret.encode()).digest()


def hint_of(secret: str) -> str:
    """Return the last four characters, which may be shown."""
    return secret[-4:]
