"""Turn every way a request can end badly into the one error body.

The body is an RFC 9457 problem and OpenAI's ``error`` object at once, so that either kind of client
finds what it looks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import UNSET

from filmgate.api.schemas import ErrorObject, FieldTrouble, Problem
from filmgate.api.trace import trace_of
from filmgate.domain.asset import AssetMissing
from filmgate.domain.errors import (
    BudgetExceeded,
    DatabaseUnavailable,
    FieldProblem,
    FilmgateError,
    InvalidRequest,
    NotFound,
    Overloaded,
    ResultGone,
    ServiceUnavailable,
    StorageFull,
    StorageUnavailable,
    Unauthenticated,
    UnknownModel,
    VideoAlreadyFinal,
    VideoNotFinished,
)

ERRORS_PATH: Final = "/docs/errors"
PROBLEM_TYPE: Final = "application/problem+json"

_ENCODER = msgspec.json.Encoder()
_DETAIL_LIMIT = 2000


class MalformedBody(FilmgateError):
    """The body is not JSON that can be read."""


class WrongContentType(FilmgateError):
    """The body is not declared as something this address takes."""


class BodyTooLarge(FilmgateError):
    """The body is larger than this server takes."""


class RangeUnsatisfiable(FilmgateError):
    """The range lies beyond the end of the file."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"The range lies outside the file, which has {size} bytes.")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of error: its status, its name, and what it means in general."""

    status: int
    code: str
    title: str
    meaning: str


_BAD_JSON = Kind(
    400,
    "malformed_json",
    "The body is not valid JSON",
    "The answer names the line, column and byte where reading stopped. Nothing was done.",
)
_BAD_REQUEST = Kind(
    400,
    "bad_request",
    "The request cannot be read",
    "The request line, a header or the address is not as HTTP demands. Nothing was done.",
)
_NO_KEY = Kind(
    401,
    "invalid_api_key",
    "A key is needed",
    "Send Authorization: Bearer and a key of this server. Signed links expire; ask again for new ones.",
)
_NO_BUDGET = Kind(
    402,
    "budget_exceeded",
    "The budget is used up",
    "It would cost more than may still be spent. Nothing was accepted; raise the budget or ask for less.",
)
_NOT_FOUND = Kind(
    404,
    "not_found",
    "Not found",
    "There is no such thing, or it belongs to another key.",
)
_NO_MODEL = Kind(
    404,
    "model_not_found",
    "Unknown model",
    "GET /api/v1/models lists every name that can be asked for.",
)
_NO_METHOD = Kind(
    405,
    "method_not_allowed",
    "Method not allowed",
    "The Allow header lists what this address takes.",
)
_TOO_EARLY = Kind(
    409,
    "video_not_finished",
    "The video is not finished",
    "Ask for its status until it is completed, or give a webhookUrl.",
)
_TOO_LATE = Kind(
    409,
    "video_already_final",
    "The video has already ended",
    "A video that is completed or failed cannot be cancelled any more.",
)
_GONE = Kind(
    410,
    "result_gone",
    "There is no result",
    "The video failed, was cancelled, or its files were removed. It will not come back by itself.",
)
_TOO_LARGE = Kind(
    413,
    "body_too_large",
    "The body is too large",
    "Send fewer rows in one batch, or smaller images.",
)
_WRONG_TYPE = Kind(
    415,
    "unsupported_media_type",
    "The body must be JSON",
    "Send Content-Type: application/json, in UTF-8 and without a Content-Encoding.",
)
_BAD_RANGE = Kind(
    416,
    "range_not_satisfiable",
    "The range lies outside the file",
    "Content-Range says how long the file is.",
)
_INVALID = Kind(
    422,
    "invalid_request",
    "The request cannot be carried out as written",
    "Every field in question is listed under problems, with the reason and the mend. Nothing was done.",
)
_INTERNAL = Kind(
    500,
    "internal_error",
    "Something went wrong here",
    "The fault is ours. The request id leads to the entry in the server's log.",
)
_OVERLOADED = Kind(
    503,
    "overloaded",
    "Too many requests are waiting",
    "Nothing was done. Try again after the seconds in Retry-After.",
)
_NO_DATABASE = Kind(
    503,
    "database_unavailable",
    "The database cannot be reached",
    "Nothing was done. Try again after the seconds in Retry-After.",
)
_NO_STORAGE = Kind(
    503,
    "storage_unavailable",
    "The asset store cannot be reached",
    "Nothing was done. Try again after the seconds in Retry-After.",
)
_STORAGE_FULL = Kind(
    503,
    "storage_full",
    "The asset store is full",
    "Nothing was done. The operator must make room; then try again.",
)
_UNAVAILABLE = Kind(
    503,
    "service_unavailable",
    "Not available right now",
    "Nothing was done. Try again after the seconds in Retry-After.",
)

KINDS: Final[Mapping[type[Exception], Kind]] = {
    MalformedBody: _BAD_JSON,
    WrongContentType: _WRONG_TYPE,
    BodyTooLarge: _TOO_LARGE,
    RangeUnsatisfiable: _BAD_RANGE,
    Unauthenticated: _NO_KEY,
    UnknownModel: _NO_MODEL,
    InvalidRequest: _INVALID,
    NotFound: _NOT_FOUND,
    BudgetExceeded: _NO_BUDGET,
    VideoNotFinished: _TOO_EARLY,
    VideoAlreadyFinal: _TOO_LATE,
    ResultGone: _GONE,
    AssetMissing: _GONE,
    Overloaded: _OVERLOADED,
    DatabaseUnavailable: _NO_DATABASE,
    StorageFull: _STORAGE_FULL,
    StorageUnavailable: _NO_STORAGE,
    ServiceUnavailable: _UNAVAILABLE,
}
HTTP_KINDS: Final[Mapping[int, Kind]] = {400: _BAD_REQUEST, 404: _NOT_FOUND, 405: _NO_METHOD}
ALL_KINDS: Final = tuple(
    sorted({*KINDS.values(), *HTTP_KINDS.values(), _INTERNAL}, key=lambda kind: (kind.status, kind.code))
)


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error ready to be sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def answer_error(error: Exception, request_id: str, method: str = "", path: str = "") -> ErrorAnswer:
    """Return the answer for an exception; what nobody foresaw is logged here and told without details."""
    kind, detail, headers = _describe(error, method, path)
    if kind is _INTERNAL:
        structlog.get_logger("filmgate.api").error(
            "request_failed", request_id=request_id, method=method, exc_info=error
        )
    return ErrorAnswer(kind.status, headers, _body(kind, detail, request_id, error))


def handle_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for an exception that left a handler or the router."""
    answer = answer_error(error, trace_of(request.scope).request_id, request.method, request.url.path)
    return Response(
        answer.body, status_code=answer.status, headers=dict(answer.headers), media_type=PROBLEM_TYPE
    )


def _describe(error: Exception, method: str, path: str) -> tuple[Kind, str, dict[str, str]]:
    if isinstance(error, HTTPException):
        return _describe_http(error, method, path)
    for ancestor in type(error).__mro__:
        kind = KINDS.get(ancestor)
        if kind is not None:
            return kind, _detail(kind, error)[:_DETAIL_LIMIT], _headers(kind, error)
    detail = "Something went wrong here, and it was written to the log under this request id."
    # Whether anything was done is not known, so a client must not try again by itself.
    return _INTERNAL, detail, {"x-should-retry": "false"}


def _detail(kind: Kind, error: Exception) -> str:
    if isinstance(error, AssetMissing):
        return "The file is no longer in the store."
    if not isinstance(error, InvalidRequest):
        return str(error) or kind.meaning
    first, more = error.problems[0], len(error.problems) - 1
    if str(error) != first.message:
        return str(error)
    mend = f" {first.suggestion}" if first.suggestion else ""
    return f"{first.message}{mend}" + (f" ({more} more under problems.)" if more else "")


def _describe_http(error: HTTPException, method: str, path: str) -> tuple[Kind, str, dict[str, str]]:
    kind = HTTP_KINDS.get(error.status_code)
    if kind is None:
        kind = _BAD_REQUEST if 400 <= error.status_code < 500 else _INTERNAL
    headers = {"x-should-retry": "false"}
    if kind is _NO_METHOD:
        allowed = _allowed(error)
        headers["allow"] = allowed
        return kind, f"{path} does not take {method}, only {allowed}.", headers
    if kind is _NOT_FOUND:
        return kind, f"There is nothing at {path[:200]}. /docs lists every address.", headers
    return kind, kind.meaning, headers


def _allowed(error: HTTPException) -> str:
    given = next((value for name, value in (error.headers or {}).items() if name.lower() == "allow"), "")
    methods = {method.strip() for method in given.split(",") if method.strip()}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def _headers(kind: Kind, error: Exception) -> dict[str, str]:
    if isinstance(error, ServiceUnavailable):
        return {"retry-after": str(max(1, ceil(error.retry_after.total_seconds())))}
    headers = {"x-should-retry": "false"}
    if kind is _NO_KEY:
        headers["www-authenticate"] = 'Bearer realm="filmgate"'
    if isinstance(error, RangeUnsatisfiable):
        headers["content-range"] = f"bytes */{error.size}"
        headers["accept-ranges"] = "bytes"
    return headers


def _body(kind: Kind, detail: str, request_id: str, error: Exception) -> bytes:
    problems = error.problems if isinstance(error, InvalidRequest) else ()
    return _ENCODER.encode(
        Problem(
            type=f"{ERRORS_PATH}#{kind.code}",
            title=kind.title,
            status=kind.status,
            detail=detail,
            instance=request_id,
            error=ErrorObject(
                message=detail,
                type="server_error" if kind.status >= 500 else "invalid_request_error",
                param=problems[0].field if problems else None,
                code=problems[0].code if len(problems) == 1 and kind is _INVALID else kind.code,
            ),
            problems=tuple(_trouble(problem) for problem in problems) if problems else UNSET,
        )
    )


def _trouble(problem: FieldProblem) -> FieldTrouble:
    return FieldTrouble(
        field=problem.field,
        message=problem.message,
        code=problem.code,
        row=UNSET if problem.row is None else problem.row,
        suggestion=UNSET if problem.suggestion is None else problem.suggestion,
        allowed=UNSET if problem.allowed is None else problem.allowed,
    )


def example_of(kind: Kind) -> dict[str, Any]:
    """Return an error of this kind as the documentation shows it."""
    trouble = FieldProblem("duration", "duration is text.", "wrong_type", "Give a number, for example 5.")
    error = InvalidRequest([trouble]) if kind in {_INVALID, _NO_MODEL} else FilmgateError()
    body = _body(kind, kind.meaning, "req_01k7m3z9f4t8q2v6x0c5b1n7dh", error)
    return msgspec.json.decode(body, type=dict[str, Any])
