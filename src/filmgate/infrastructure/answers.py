"""Hold what a vendor answered, and find in it what all vendors say in places of their own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import msgspec

MAX_RETRY_AFTER = timedelta(hours=1)
_MAX_SENTENCE = 500
_RESETS_IN = re.compile(r"resets? in ~?(\d+(?:\.\d+)?) ?s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the decoded body; raise ValueError where it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError(f"the answer is not JSON: {self.body[:80]!r}") from error

    def mapping(self) -> dict[str, Any]:
        """Return the decoded body if it is a JSON object, else an empty one."""
        try:
            return mapping(self.json())
        except ValueError:
            return {}


def mapping(value: object) -> dict[str, Any]:
    """Return a decoded value if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def listing(value: object) -> list[Any]:
    """Return a decoded value if it is a JSON array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def said(answer: Answer) -> str | None:
    """Return the human sentence in an error body, wherever vendors put it."""
    body = answer.mapping()
    error = body.get("error", body)
    if isinstance(error, str):
        return error[:_MAX_SENTENCE]
    inner = mapping(error)
    for name in ("message", "detail", "title", "msg"):
        text = inner.get(name)
        if isinstance(text, str) and text:
            return text[:_MAX_SENTENCE]
    text = first_detail(answer).get("msg")
    return text[:_MAX_SENTENCE] if isinstance(text, str) and text else None


def code_of(answer: Answer) -> str:
    """Return the machine's word in an error body, empty where there is none."""
    body = answer.mapping()
    for inner in (mapping(body.get("error")) or body, first_detail(answer)):
        for name in ("code", "type"):
            word = inner.get(name)
            if isinstance(word, str) and word:
                return word
    return ""


def first_detail(answer: Answer) -> dict[str, Any]:
    """Return the first problem of an error in the shape of FastAPI, empty where there is none."""
    details = listing(answer.mapping().get("detail"))
    return mapping(details[0]) if details else {}


def retry_after(answer: Answer) -> timedelta | None:
    """Return how long the vendor asked to wait, an hour at most; None where it gave no figure."""
    text = answer.headers.get("Retry-After", "")
    if not text and (found := _RESETS_IN.search(said(answer) or "")):
        text = found[1]
    try:
        wait = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), MAX_RETRY_AFTER)
