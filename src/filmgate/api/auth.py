"""Find out whose request this is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from filmgate.api.face import face_of
from filmgate.api.trace import trace_of
from filmgate.domain.errors import Unauthenticated

if TYPE_CHECKING:
    from litestar import Request

    from filmgate.domain.key import Key

_LONGEST_SECRET: Final = 512
_HOW = "Send it as 'Authorization: Bearer <key>'."


async def authenticate(request: Request[Any, Any, Any]) -> Key:
    """Return the key this request came with, or raise Unauthenticated."""
    header = request.headers.get("authorization")
    if not header:
        raise Unauthenticated(f"No key was given. {_HOW}")
    secret = bearer_secret(header)
    if secret is None:
        raise Unauthenticated(f"The Authorization header holds no bearer key. {_HOW}")
    key = await face_of(request).services.keys.authenticate(secret)
    trace_of(request.scope).key_id = key.id
    return key


def bearer_secret(header: str) -> str | None:
    """Return the secret in an Authorization header, None where there is none to be taken seriously."""
    scheme, _, secret = header.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not 0 < len(secret) <= _LONGEST_SECRET or "\x00" in secret:
        return None
    return secret
