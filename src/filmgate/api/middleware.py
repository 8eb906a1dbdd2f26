"""Wrap every request: its id, its log line, the headers every answer carries, HEAD, the last resort."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from structlog.contextvars import bound_contextvars

from filmgate.api.dialect import is_openai
from filmgate.api.errors import answer_error
from filmgate.api.leaving import send_whole
from filmgate.api.trace import TRACE_KEY, Trace, request_id_from

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
OPENAI_VERSION: Final = (b"openai-version", b"2020-10-01")
UNROUTED: Final = "unknown"


class AccessLog:
    """Write one line per request, without addresses, secrets or prompts."""

    __slots__ = ("_log",)

    def __init__(self) -> None:
        # Bound once: the lazy logger would be bound anew for every line.
        self._log = structlog.get_logger("filmgate.access").bind()

    def write(self, trace: Trace, method: str, route: str, status: int) -> None:
        """Write the line of a request that has been answered."""
        self._log.info(
            "request",
            request_id=trace.request_id,
            method=method,
            route=route,
            status=status,
            ms=round((time.perf_counter() - trace.started) * 1000, 2),
            key_id=trace.key_id,
            job_id=trace.job_id,
        )


class Envelope:
    """Stand around the router for every HTTP request."""

    def __init__(self, app: ASGIApp, access_log: AccessLog, fixed: tuple[tuple[bytes, bytes], ...]) -> None:
        self._app = app
        self._access_log = access_log
        self._fixed = fixed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        trace = Trace(request_id_from(given))
        method = scope["method"]
        trace.head = method == "HEAD"
        trace.openai = is_openai(scope["path"])
        inner = cast("HTTPScope", {**scope, TRACE_KEY: trace, "method": "GET" if trace.head else method})
        outcome = _Outcome(receive, send, trace, self._fixed)
        with bound_contextvars(request_id=trace.request_id):
            try:
                await self._app(inner, receive, outcome.send)
            except Exception as error:  # noqa: BLE001 - the last resort: nobody gets a stack trace
                await self._apologise(error, outcome, method, scope["path"])
            finally:
                route = cast("dict[str, Any]", inner).get("path_template", UNROUTED)
                self._access_log.write(trace, method, route, outcome.status)
                if trace.receipt is not None:
                    trace.receipt.settle(whole=outcome.whole)

    async def _apologise(self, error: Exception, outcome: _Outcome, method: str, path: str) -> None:
        answer = answer_error(error, outcome.trace.request_id, method, path)
        if outcome.status:
            return
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        headers.append((b"content-type", answer.media_type.encode()))
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await outcome.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await outcome.send({"type": "http.response.body", "body": answer.body, "more_body": False})


class _Outcome:
    """Watch and complete what is sent; the status is 0 until an answer has begun."""

    def __init__(
        self, receive: Receive, send: Send, trace: Trace, fixed: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        self._receive = receive
        self._send = send
        self._fixed = fixed
        self.trace = trace
        self.status = 0
        self.whole = False

    async def send(self, message: Message) -> None:
        """Pass one message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = cast("HTTPResponseStartEvent", {**message, "headers": self._headers(message)})
        elif message["type"] == "http.response.body" and self.trace.head:
            message["body"] = b""
        elif message["type"] == "http.response.body" and self.trace.receipt is not None:
            self.whole = await send_whole(self._receive, self._send, message)
            return
        await self._send(message)

    def _headers(self, message: HTTPResponseStartEvent) -> list[tuple[bytes, bytes]]:
        headers = [*message["headers"], (b"x-request-id", self.trace.request_id.encode()), *self._fixed]
        if self.trace.openai:
            spent = round((time.perf_counter() - self.trace.started) * 1000)
            headers += [(b"openai-processing-ms", b"%d" % spent), OPENAI_VERSION]
        return headers
