"""Tell which of the two faces a request came to, and how OpenAI's says what went wrong."""

from typing import Final

from filmgate.api import kinds
from filmgate.api.kinds import Kind

# OpenAI's API knows neither 402 nor 410 nor 422: what it says instead.
_STATUSES: Final = {402: 429, 410: 404, 422: 400}
_TYPES: Final = {401: "authentication_error", 403: "permission_error"}
_INVALID: Final = "invalid_request_error"


def is_openai(path: str) -> bool:
    """Tell whether an address belongs to OpenAI's wire."""
    return path.startswith("/v1/") or path == "/v1"


def status_of(kind: Kind, *, openai: bool) -> int:
    """Return the status that a kind of error is answered with."""
    return _STATUSES.get(kind.status, kind.status) if openai else kind.status


def type_of(kind: Kind, *, openai: bool) -> str:
    """Return the type of an error in OpenAI's ``error`` object."""
    if kind.status >= 500:
        return "server_error"
    if openai and kind is kinds.NO_BUDGET:
        return "insufficient_quota"
    return _TYPES.get(kind.status, _INVALID) if openai else _INVALID


def code_of(kind: Kind, *, openai: bool) -> str:
    """Return the code of an error in OpenAI's ``error`` object."""
    return "insufficient_quota" if openai and kind is kinds.NO_BUDGET else kind.code
