"""Every way to end badly has one body, fit for either kind of client."""

import inspect
import json
from collections.abc import Mapping
from typing import Any

import pytest
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from structlog.testing import capture_logs

from filmgate.api import errors as api_errors
from filmgate.api.errors import ALL_KINDS, RangeUnsatisfiable, answer_error, example_of
from filmgate.domain import errors as domain_errors
from filmgate.domain.errors import (
    BudgetExceeded,
    DatabaseUnavailable,
    FieldProblem,
    FilmgateError,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    Overloaded,
    ResultGone,
    ServiceUnavailable,
    StorageFull,
    Unauthenticated,
    UnknownModel,
)

# What a request cannot meet: it ends the start of the process, or a job, not an answer.
ELSEWHERE = {
    "BadSettings",
    "SchemaTooNew",
    "MediaUnreadable",
    "SubmitError",
    "SendFenceClosed",
    "Unavailable",
    "Throttled",
    "Refused",
    "OutcomeUnknown",
}


def body_of(error: Exception) -> tuple[int, Mapping[str, str], dict[str, Any]]:
    answer = answer_error(error, "req_1", "GET", "/somewhere")
    return answer.status, answer.headers, json.loads(answer.body)


def test_every_domain_error_is_mapped_or_cannot_reach_a_request() -> None:
    names = {
        name
        for name, kind in inspect.getmembers(domain_errors, inspect.isclass)
        if issubclass(kind, FilmgateError) and kind is not FilmgateError
    }
    assert names - ELSEWHERE == {kind.__name__ for kind in api_errors.KINDS} & names


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.code)
def test_every_kind_has_the_one_body(kind: api_errors.Kind) -> None:
    body = example_of(kind)
    assert list(body)[:6] == ["type", "title", "status", "detail", "instance", "error"]
    assert (body["status"], body["type"]) == (kind.status, f"/docs/errors#{kind.code}")
    assert list(body["error"]) == ["message", "type", "param", "code"]
    assert body["error"]["message"] == body["detail"]


def test_codes_are_unique() -> None:
    assert len({kind.code for kind in ALL_KINDS}) == len(ALL_KINDS)


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (Unauthenticated("no"), 401, {"www-authenticate": 'Bearer realm="filmgate"'}),
        (BudgetExceeded("no"), 402, {"x-should-retry": "false"}),
        (NotFound("video", "job_1"), 404, {"x-should-retry": "false"}),
        (UnknownModel([FieldProblem("model", "no")]), 404, {"x-should-retry": "false"}),
        (InvalidRequest([FieldProblem("seed", "no")]), 422, {"x-should-retry": "false"}),
        (RangeUnsatisfiable(10), 416, {"content-range": "bytes */10"}),
        (Overloaded("full"), 503, {"retry-after": "1"}),
        (DatabaseUnavailable("away"), 503, {"retry-after": "5"}),
        (StorageFull("full"), 503, {"retry-after": "5"}),
        (ServiceUnavailable("no"), 503, {"retry-after": "5"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_error_has_its_status_and_headers(
    error: Exception, status: int, headers: dict[str, str]
) -> None:
    found_status, found_headers, _ = body_of(error)
    assert found_status == status
    assert headers.items() <= found_headers.items()
    assert ("x-should-retry" in found_headers) is (status < 500)


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (Unauthenticated("no"), 401, "authentication_error", "invalid_api_key"),
        (BudgetExceeded("no"), 429, "insufficient_quota", "insufficient_quota"),
        (NotFound("video", "job_1"), 404, "invalid_request_error", "not_found"),
        (ResultGone("no"), 404, "invalid_request_error", "result_gone"),
        (InvalidRequest([FieldProblem("seed", "no")]), 400, "invalid_request_error", "invalid_value"),
        (IdempotencyKeyReused(), 400, "invalid_request_error", "idempotency_key_reused"),
        (UnknownModel([FieldProblem("model", "no")]), 404, "invalid_request_error", "model_not_found"),
        (DatabaseUnavailable("away"), 503, "server_error", "database_unavailable"),
        (RuntimeError("no"), 500, "server_error", "internal_error"),
        (NotFoundException(), 404, "invalid_request_error", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_error_is_said_as_openai_says_it_on_its_wire(
    error: Exception, status: int, kind: str, code: str | None
) -> None:
    answer = answer_error(error, "req_1", "POST", "/v1/somewhere")
    body = json.loads(answer.body)
    assert (answer.status, answer.media_type) == (status, "application/json")
    assert body["status"] == status
    assert (body["error"]["type"], body["error"]["code"]) == (kind, code)


def test_openais_wire_names_fields_in_its_own_words() -> None:
    problem = FieldProblem("maxCost", "It costs $2.", "too_dear", "Raise maxCost to $2.")
    body = json.loads(answer_error(InvalidRequest([problem]), "req_1", "POST", "/v1/videos").body)
    assert body["error"]["param"] == "max_cost"
    assert body["detail"] == "It costs $2. Raise max_cost to $2."


def test_a_single_problem_is_told_in_the_message_with_its_mend() -> None:
    problem = FieldProblem("seed", "seed is text.", "wrong_type", "Give a number.")
    _, _, body = body_of(InvalidRequest([problem]))
    assert body["detail"] == "seed is text. Give a number."
    assert (body["error"]["param"], body["error"]["code"]) == ("seed", "wrong_type")
    assert body["problems"] == [
        {"field": "seed", "message": "seed is text.", "code": "wrong_type", "suggestion": "Give a number."}
    ]


def test_several_problems_are_counted_in_the_message() -> None:
    problems = [
        FieldProblem("a", "a is text.", row=0),
        FieldProblem("b", "b is text.", allowed=("x",), row=1),
    ]
    _, _, body = body_of(InvalidRequest(problems))
    assert body["detail"] == "a is text. (1 more under problems.)"
    assert [(problem["row"], problem.get("allowed")) for problem in body["problems"]] == [
        (0, None),
        (1, ["x"]),
    ]


def test_an_error_without_problems_shows_none() -> None:
    assert "problems" not in body_of(NotFound("video", "job_1"))[2]


def test_what_nobody_foresaw_is_logged_with_its_traceback_and_told_without() -> None:
    with capture_logs() as lines:
        status, headers, body = body_of(RuntimeError("secret detail"))
    assert (status, body["error"]["type"], body["instance"]) == (500, "server_error", "req_1")
    assert headers["x-should-retry"] == "false"
    assert "secret" not in json.dumps(body)
    assert [(line["event"], line["request_id"]) for line in lines] == [("request_failed", "req_1")]
    assert isinstance(lines[0]["exc_info"], RuntimeError)


def test_a_wrong_method_lists_the_right_ones() -> None:
    error = MethodNotAllowedException(headers={"allow": "GET, OPTIONS"})
    status, headers, body = body_of(error)
    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert body["detail"] == "/somewhere does not take GET, only GET, HEAD, OPTIONS."


def test_an_unknown_address_is_named() -> None:
    assert "/somewhere" in body_of(NotFoundException())[2]["detail"]


@pytest.mark.parametrize(("given", "answered"), [(400, 400), (418, 400), (500, 500), (507, 500)])
def test_the_frameworks_own_errors_get_the_one_body(given: int, answered: int) -> None:
    status, _, body = body_of(HTTPException(status_code=given, detail="inner workings"))
    assert status == body["status"] == answered
    assert "inner workings" not in json.dumps(body)
