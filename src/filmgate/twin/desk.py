"""Work on a request: write it down, check its key, do what it asks, and spoil that where a fault says so."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from filmgate.twin import sending
from filmgate.twin.calls import Answer, Call, Handler, Rejected, Route
from filmgate.twin.faults import Fault, Subject
from filmgate.twin.forms import BodyUnreadable, read_body
from filmgate.twin.jobs import Phase
from filmgate.twin.sending import reset
from filmgate.twin.vendors.wire import Wire
from filmgate.twin.webhooks import Postman
from filmgate.twin.world import World

_UNTOUCHED: Final = ("drop-before-reading", "lost-before-accept")
_HTML: Final = b"<!doctype html><html><head><title>Bad gateway</title></head><body>Bad gateway</body></html>"
_NAMING: Final = ("id", "request_id", "name", "task_id", "response_url", "status_url", "cancel_url", "urls")
_BODY_SHOWN: Final = 2_000


@dataclass(frozen=True, slots=True)
class Desk:
    """Serve every request to every vendor."""

    world: World
    postman: Postman

    async def serve(self, wire: Wire, route: Route, request: web.Request, place: str) -> web.StreamResponse:
        """Answer one request, or do to its connection what a fault says."""
        call = Call(request, wire.name, route.operation, self.world.count(f"request {wire.name}"))
        record = self.world.saw(call, place)
        if self.world.faults.before_body(Subject(wire.name, route.operation)):
            record["fault"] = "drop-before-reading"
            return self._noted(call, record, reset(request))
        fault = await self._looked_at(wire, call, record)
        if isinstance(fault, Answer):
            return await self._answered(wire, call, fault, record)
        record["fault"] = fault and fault.name
        if call.entry is not None:
            call.entry.fault = fault and fault.name
        return await self._served(wire, call, (route.handler, fault), record)

    async def turn_away(self, wire: Wire, status: int, request: web.Request, path: str) -> web.StreamResponse:
        """Answer a request for something that the vendor does not have."""
        call = Call(request, wire.name, "other", self.world.count(f"request {wire.name}"))
        self.world.saw(call, "wires")["status"] = status
        return await sending.send(request, wire.unrouted(status, request.method, path))

    async def _looked_at(self, wire: Wire, call: Call, record: dict[str, Any]) -> Fault | Answer | None:
        data = await call.request.read()
        record["body"] = data[:_BODY_SHOWN].decode("utf-8", "replace")
        try:
            call.body = read_body(call.header("Content-Type") or "", data)
        except BodyUnreadable as error:
            return wire.error(400, str(error))
        call.job = wire.job_of(call)
        prompt, model = ("", "") if call.job is None else (call.job.order.prompt, call.job.order.model)
        if call.operation == "create":
            prompt, model = wire.described(call)
            call.entry = self.world.receive(call, prompt, model)
        try:
            wire.admit(call)
        except Rejected as rejected:
            return rejected.answer
        return self.world.faults.of_answer(Subject(wire.name, call.operation, prompt, model))

    async def _served(
        self, wire: Wire, call: Call, plan: tuple[Handler, Fault | None], record: dict[str, Any]
    ) -> web.StreamResponse:
        handler, fault = plan
        if fault is None:
            return await self._answered(wire, call, await self._worked(wire, call, handler), record)
        if (instead := _instead(wire, call, fault)) is not None:
            return await self._answered(wire, call, instead, record)
        if fault.name in _UNTOUCHED:
            return self._noted(call, record, reset(call.request))
        if fault.name == "dropped-created-late":
            reset(call.request)
        if fault.name in {"created-late", "dropped-created-late"}:
            await asyncio.sleep(fault.number("seconds"))
        answer = await self._worked(wire, call, handler)
        if fault.name in {"lost-after-accept", "dropped-created-late"}:
            return self._noted(call, record, reset(call.request))
        if fault.name == "error-after":
            answer = wire.server_error(int(fault.number("status")))
        return await self._spoilt(wire, call, (answer, fault), record)

    async def _worked(self, wire: Wire, call: Call, handler: Handler) -> Answer:
        try:
            answer = await handler(call)
        except Rejected as rejected:
            answer = rejected.answer
        answer.headers = wire.headers(call) | answer.headers
        job = call.job
        if job is not None and wire.shows_outcome(call) and answer.status < 300:
            job.times_shown_done += job.phase(self.world.now()) is Phase.SUCCEEDED
        if call.opened is not None:
            await self.postman.follow(wire, call.opened)
        return answer

    async def _answered(
        self, wire: Wire, call: Call, answer: Answer, record: dict[str, Any]
    ) -> web.StreamResponse:
        answer.headers = wire.headers(call) | answer.headers
        return self._noted(call, record, await sending.send(call.request, answer), answer.status)

    async def _spoilt(
        self, wire: Wire, call: Call, spoil: tuple[Answer, Fault], record: dict[str, Any]
    ) -> web.StreamResponse:
        answer, fault = spoil
        request, seconds = call.request, float(fault.params.get("seconds", 0))
        _note(call, record, answer.status)
        if fault.name == "slow-headers":
            await asyncio.sleep(seconds)
        elif fault.name == "endless-headers":
            return await sending.never_begin(request, seconds)
        elif fault.name == "slow-body":
            return await sending.drip(request, answer, seconds)
        elif fault.name == "huge-body":
            return await sending.flood(request, answer, fault.number("megabytes"))
        else:
            _garble(answer, fault)
        return await self._answered(wire, call, answer, record)

    @staticmethod
    def _noted(
        call: Call, record: dict[str, Any], response: web.StreamResponse, status: int | None = None
    ) -> web.StreamResponse:
        _note(call, record, status)
        return response


def _note(call: Call, record: dict[str, Any], status: int | None) -> None:
    record["status"] = status
    if call.entry is not None:
        call.entry.status = status


def _instead(wire: Wire, call: Call, fault: Fault) -> Answer | None:
    """Return what is answered without doing what was asked."""
    ways: dict[str, Callable[[], Answer]] = {
        "rate-limited": lambda: wire.rate_limited(int(fault.number("retry_after"))),
        "rate-limited-silent": lambda: wire.rate_limited(None),
        "error-before": lambda: wire.server_error(int(fault.number("status"))),
        "redirect": lambda: _moved(fault),
        "error-in-200": lambda: replace(wire.server_error(HTTPStatus.INTERNAL_SERVER_ERROR), status=200),
        "moderated-before": lambda: wire.moderated(call),
    }
    return ways[fault.name]() if fault.name in ways else None


def _moved(fault: Fault) -> Answer:
    return Answer(status=int(fault.number("status")), raw=b"", headers={"Location": fault.text("to")})


def _garble(answer: Answer, fault: Fault) -> None:
    """Make the answer's body something else; its status stays 2xx."""
    if fault.name == "html":
        answer.status, answer.raw, answer.content_type = HTTPStatus.OK, _HTML, "text/html; charset=utf-8"
    elif fault.name == "truncated-json":
        answer.raw = answer.body[: max(1, len(answer.body) // 2)]
    elif fault.name == "empty-answer":
        answer.status, answer.raw = HTTPStatus.OK, b""
    elif fault.name == "deep-json":
        depth = int(fault.number("depth"))
        answer.raw = b'{"id":' + b"[" * depth + b"]" * depth + b"}"
    elif fault.name == "without-id":
        document = cast("dict[str, Any]", answer.document) if isinstance(answer.document, dict) else {}
        kept = {name: value for name, value in document.items() if name not in _NAMING}
        answer.raw = msgspec.json.encode(kept)
