"""Turn every way a request can end badly into the one error body.

The body is an RFC 9457 problem and OpenAI's ``error`` object at once, so that either kind of client
finds what it looks for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import UNSET, UnsetType

from filmgate.api import dialect, kinds
from filmgate.api.answers import price
from filmgate.api.kinds import Kind
from filmgate.api.schemas import BudgetTrouble, ErrorObject, FieldTrouble, Problem
from filmgate.api.trace import trace_of
from filmgate.domain.asset import AssetMissing
from filmgate.domain.errors import (
    AcceptanceUnknown,
    BadIdempotencyKey,
    BudgetExceeded,
    CommitUnknown,
    DatabaseSilent,
    DatabaseUnavailable,
    FieldProblem,
    FilmgateError,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    Overloaded,
    ResultGone,
    ServiceUnavailable,
    StillBeingCreated,
    StorageFull,
    StorageUnavailable,
    Unauthenticated,
    UnknownModel,
    VideoAlreadyFinal,
    VideoNotFinished,
)
from filmgate.services.sora import in_sora_words

ERRORS_PATH: Final = "/docs/errors"
PROBLEM_TYPE: Final = "application/problem+json"
JSON_TYPE: Final = "application/json"

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


KINDS: Final[Mapping[type[Exception], Kind]] = {
    MalformedBody: kinds.BAD_JSON,
    WrongContentType: kinds.WRONG_TYPE,
    BodyTooLarge: kinds.TOO_LARGE,
    RangeUnsatisfiable: kinds.BAD_RANGE,
    Unauthenticated: kinds.NO_KEY,
    UnknownModel: kinds.NO_MODEL,
    BadIdempotencyKey: kinds.BAD_REPEAT,
    IdempotencyKeyReused: kinds.REUSED,
    InvalidRequest: kinds.INVALID,
    NotFound: kinds.NOT_FOUND,
    BudgetExceeded: kinds.NO_BUDGET,
    VideoNotFinished: kinds.TOO_EARLY,
    VideoAlreadyFinal: kinds.TOO_LATE,
    ResultGone: kinds.GONE,
    StillBeingCreated: kinds.STILL_OPEN,
    AcceptanceUnknown: kinds.NOT_KNOWN,
    CommitUnknown: kinds.COMMIT_UNKNOWN,
    AssetMissing: kinds.GONE,
    Overloaded: kinds.OVERLOADED,
    DatabaseSilent: kinds.NO_DATABASE,
    DatabaseUnavailable: kinds.NO_DATABASE,
    StorageFull: kinds.STORAGE_FULL,
    StorageUnavailable: kinds.NO_STORAGE,
    ServiceUnavailable: kinds.UNAVAILABLE,
}
HTTP_KINDS: Final[Mapping[int, Kind]] = {400: kinds.BAD_REQUEST, 404: kinds.NOT_FOUND, 405: kinds.NO_METHOD}
ALL_KINDS: Final = tuple(
    sorted({*KINDS.values(), *HTTP_KINDS.values(), kinds.INTERNAL}, key=lambda kind: (kind.status, kind.code))
)


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error ready to be sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    media_type: str = PROBLEM_TYPE


def answer_error(error: Exception, request_id: str, method: str = "", path: str = "") -> ErrorAnswer:
    """Return the answer for an exception; what nobody foresaw is logged here and told without details."""
    openai = dialect.is_openai(path)
    if openai and isinstance(error, InvalidRequest):
        error = in_sora_words(error)
    kind, detail, headers = _describe(error, method, path)
    if kind is kinds.INTERNAL:
        structlog.get_logger("filmgate.api").error(
            "request_failed", request_id=request_id, method=method, exc_info=error
        )
    body = _body(kind, detail, request_id, error, openai=openai)
    media_type = JSON_TYPE if openai else PROBLEM_TYPE
    return ErrorAnswer(dialect.status_of(kind, openai=openai), headers, body, media_type)


def handle_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for an exception that left a handler or the router."""
    answer = answer_error(error, trace_of(request.scope).request_id, request.method, request.url.path)
    return Response(
        answer.body, status_code=answer.status, headers=dict(answer.headers), media_type=answer.media_type
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
    return kinds.INTERNAL, detail, {"x-should-retry": "false"}


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
        kind = kinds.BAD_REQUEST if 400 <= error.status_code < 500 else kinds.INTERNAL
    headers = {"x-should-retry": "false"}
    if kind is kinds.NO_METHOD:
        allowed = _allowed(error)
        headers["allow"] = allowed
        return kind, f"{path} does not take {method}, only {allowed}.", headers
    if kind is kinds.NOT_FOUND and dialect.is_openai(path):
        return kind, f"Invalid URL ({method} {path[:200]})", headers
    if kind is kinds.NOT_FOUND:
        return kind, f"There is nothing at {path[:200]}. /docs lists every address.", headers
    return kind, kind.meaning, headers


def _allowed(error: HTTPException) -> str:
    given = next((value for name, value in (error.headers or {}).items() if name.lower() == "allow"), "")
    methods = {method.strip() for method in given.split(",") if method.strip()}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def _headers(kind: Kind, error: Exception) -> dict[str, str]:
    if isinstance(error, ServiceUnavailable | StillBeingCreated | AcceptanceUnknown) and error.retry_after:
        return {"retry-after": str(max(1, ceil(error.retry_after.total_seconds())))}
    headers = {"x-should-retry": "false"}
    if kind is kinds.NO_KEY:
        headers["www-authenticate"] = 'Bearer realm="filmgate"'
    if isinstance(error, RangeUnsatisfiable):
        headers["content-range"] = f"bytes */{error.size}"
        headers["accept-ranges"] = "bytes"
    return headers


def _body(kind: Kind, detail: str, request_id: str, error: Exception, *, openai: bool = False) -> bytes:
    problems = error.problems if isinstance(error, InvalidRequest) else ()
    return _ENCODER.encode(
        Problem(
            type=f"{ERRORS_PATH}#{kind.code}",
            title=kind.title,
            status=dialect.status_of(kind, openai=openai),
            detail=detail,
            instance=request_id,
            error=ErrorObject(
                message=detail,
                type=dialect.type_of(kind, openai=openai),
                param=problems[0].field if problems else None,
                code=_code(kind, problems, error, openai=openai),
            ),
            problems=tuple(_trouble(problem) for problem in problems) if problems else UNSET,
            budget=_budget(error) if isinstance(error, BudgetExceeded) else UNSET,
        )
    )


def _code(kind: Kind, problems: Sequence[FieldProblem], error: Exception, *, openai: bool) -> str | None:
    if openai and isinstance(error, HTTPException) and kind is kinds.NOT_FOUND:
        return None
    if len(problems) == 1 and kind is kinds.INVALID:
        return problems[0].code
    return dialect.code_of(kind, openai=openai)


def _trouble(problem: FieldProblem) -> FieldTrouble:
    return FieldTrouble(
        field=problem.field,
        message=problem.message,
        code=problem.code,
        row=UNSET if problem.row is None else problem.row,
        suggestion=UNSET if problem.suggestion is None else problem.suggestion,
        allowed=UNSET if problem.allowed is None else problem.allowed,
    )


def _budget(error: BudgetExceeded) -> BudgetTrouble | UnsetType:
    if error.overrun is None:
        return UNSET
    budget = error.overrun.budget
    figures = (price(money) for money in (budget.limit, budget.used, error.overrun.needed, budget.left))
    return BudgetTrouble(budget.scope, budget.span.value, *figures)


def example_of(kind: Kind, *, openai: bool = False) -> dict[str, Any]:
    """Return an error of this kind as the documentation shows it."""
    trouble = FieldProblem("duration", "duration is text.", "wrong_type", "Give a number, for example 5.")
    error = InvalidRequest([trouble]) if kind in {kinds.INVALID, kinds.NO_MODEL} else FilmgateError()
    body = _body(kind, kind.meaning, "req_01k7m3z9f4t8q2v6x0c5b1n7dh", error, openai=openai)
    return msgspec.json.decode(body, type=dict[str, Any])
