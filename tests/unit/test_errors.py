"""Errors carry what is needed to act on them."""

import re
from datetime import timedelta

import pytest

from filmgate.domain import errors
from filmgate.domain.errors import (
    FieldProblem,
    FilmgateError,
    InvalidRequest,
    NotFound,
    Overloaded,
    RefusalKind,
    Refused,
    ServiceUnavailable,
    Throttled,
)

TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FilmgateError)]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_drawn_tree_below_its_parent(kind: type[FilmgateError]) -> None:
    lines = (errors.__doc__ or "").splitlines()
    drawn = {match[2]: len(match[1]) for line in lines if (match := re.match(r"^([│├└─ ]*)([A-Z]\w+)", line))}
    assert kind.__name__ in drawn
    if kind is not FilmgateError:
        assert drawn[kind.__name__] == drawn[kind.__mro__[1].__name__] + 4


def test_an_invalid_request_says_its_first_problem_unless_told_otherwise() -> None:
    problems = [FieldProblem("seed", "The seed is too large."), FieldProblem("prompt", "It is empty.")]
    assert str(InvalidRequest(problems)) == "The seed is too large."
    assert str(InvalidRequest(problems, "2 of 3 rows are wrong.")) == "2 of 3 rows are wrong."


def test_what_is_not_there_and_what_is_not_yours_read_the_same() -> None:
    assert str(NotFound("video", "job_1")) == "There is no video job_1 here, or it belongs to another key."


def test_what_is_unavailable_says_when_to_come_back() -> None:
    assert Overloaded().retry_after < ServiceUnavailable().retry_after


def test_what_a_provider_says_of_a_send_is_kept() -> None:
    assert Throttled("slow down", timedelta(seconds=7)).retry_after == timedelta(seconds=7)
    assert Throttled("slow down").retry_after is None
    assert Refused(RefusalKind.POLICY, "not this").kind is RefusalKind.POLICY
