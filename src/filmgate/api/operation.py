"""Say what describes an operation in the documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

Examples = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One good answer: a JSON struct with examples, or files of the given media types."""

    description: str
    struct: type[Struct] | None = None
    examples: Examples = field(default_factory=dict[str, Any])
    files: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API; ``errors`` are the statuses beside 401, 500 and 503.

    With ``multipart`` the body may be a form as well, in which the fields that it names are files.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str
    answers: Mapping[int, Answer]
    body: type[Struct] | None = None
    body_examples: Examples = field(default_factory=dict[str, Any])
    multipart: tuple[str, ...] | None = None
    query: type[Struct] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    errors: tuple[int, ...] = ()
    keyless: bool = False


REPEATABLE: Mapping[str, str] = {
    "Idempotency-Key": (
        "Make one up for every new request: 1 to 255 visible ASCII characters, such as a UUID. The same "
        "request sent again with the same key within 72 hours gets the same answer; nothing is made twice."
    ),
}
REPLAYED: Mapping[str, str] = {
    "Idempotent-Replayed": "`true` if an earlier request made this and the answer is that request's."
}
CONTENT_HEADERS: Mapping[str, str] = {
    "Range": "One range of bytes, for example `bytes=0-1048575` or `bytes=-500`.",
    "If-Range": "Send the range only if the file still has this ETag or date, else all of it.",
    "If-None-Match": "Answer 304 if the file still has one of these ETags.",
    "If-Modified-Since": "Answer 304 if the file has not changed since.",
}
_FILES = ("video/mp4", "image/webp")
CONTENT_ANSWERS: Mapping[int, Answer] = {
    200: Answer("The whole file.", files=_FILES),
    206: Answer("The range that was asked for.", files=_FILES),
    304: Answer("You already have it."),
}
