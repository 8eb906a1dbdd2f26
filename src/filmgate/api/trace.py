"""Carry what the log line of one request needs from where it is known to where it is written."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final, cast

from filmgate.domain.ids import new_id
from filmgate.services.idempotency import Receipt

TRACE_KEY: Final = "filmgate.trace"
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Trace:
    """The identity of one request and what it turned out to be about."""

    __slots__ = ("head", "job_id", "key_id", "openai", "receipt", "request_id", "started")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.head = False
        self.openai = False
        self.key_id: str | None = None
        self.job_id: str | None = None
        self.receipt: Receipt | None = None
        self.started = time.perf_counter()


def request_id_from(given: bytes | None) -> str:
    """Return the client's own request id where it is fit to be repeated, else a fresh one."""
    if given is not None and _GIVEN_ID.fullmatch(given):
        return given.decode("ascii")
    return new_id("req")


def trace_of(scope: Mapping[str, Any]) -> Trace:
    """Return the trace of this request."""
    return cast("Trace", scope[TRACE_KEY])
