"""Serve the two busiest requests, create one and read one, without the framework.

Only the plain case is taken: known key, small JSON body of announced length, nothing unusual in the
headers. Everything else goes on to the framework, whose handlers call the same functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from structlog.contextvars import bind_contextvars

from filmgate.api.answers import encode, video_accepted
from filmgate.api.errors import PROBLEM_TYPE, answer_error
from filmgate.api.face import VIDEOS_PATH, Links, own_address
from filmgate.api.repeats import KEY_HEADER, TRIES_HEADER
from filmgate.api.trace import Trace, request_id_from
from filmgate.api.videos import accept_video, video_as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

    from filmgate.api.face import Face
    from filmgate.api.middleware import AccessLog
    from filmgate.domain.key import Key

MAX_BODY: Final = 64 * 1024
_ITEM_PREFIX: Final = f"{VIDEOS_PATH}/job_"
_ITEM_START: Final = len(VIDEOS_PATH) + 1
_ITEM_ROUTE: Final = f"{VIDEOS_PATH}/{{jobId}}"
_JSON_TYPES: Final = frozenset({b"application/json", b"application/json; charset=utf-8"})
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"content-encoding", b"expect"})
_JSON_HEADERS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class HotLane:
    """Stand in front of the framework and take what is plain."""

    def __init__(
        self, face: Face, rest: ASGIApp, access_log: AccessLog, fixed: Sequence[tuple[bytes, bytes]]
    ) -> None:
        self._face = face
        self._services = face.services
        self._remembered = face.services.keys.remembered
        self._rest = rest
        self._access_log = access_log
        self._fixed = tuple(fixed)
        base = face.options.public_url
        self._links = Links(face.services.links, base) if base else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and not scope["query_string"]:
            path = scope["path"]
            if scope["method"] == "POST":
                if path == VIDEOS_PATH:
                    plain = self._plain(scope, with_body=True)
                    if plain is not None:
                        await self._create(plain, receive, send)
                        return
            elif scope["method"] == "GET" and path.startswith(_ITEM_PREFIX) and "/" not in path[_ITEM_START:]:
                plain = self._plain(scope, with_body=False)
                if plain is not None:
                    await self._retrieve(plain, scope, send)
                    return
        await self._rest(scope, receive, send)

    def _plain(self, scope: HTTPScope, *, with_body: bool) -> tuple[Key, Trace] | None:
        given = cast("list[tuple[bytes, bytes]]", scope["headers"])
        headers = dict(given)
        authorization = headers.get(b"authorization", b"")
        if not authorization.startswith(b"Bearer "):
            return None
        # A header given twice, or one of those that change how the body is to be read.
        if len(headers) != len(given) or not _UNUSUAL.isdisjoint(headers):
            return None
        if with_body and (KEY_HEADER in headers or TRIES_HEADER in headers or not _small_json(headers)):
            return None
        key = self._remembered(authorization[7:].decode("latin-1"))
        if key is None:
            return None
        trace = Trace(request_id_from(headers.get(b"x-request-id")))
        trace.key_id = key.id
        return key, trace

    async def _create(self, plain: tuple[Key, Trace], receive: Receive, send: Send) -> None:
        key, trace = plain
        body = await _read_body(receive)
        if body is None:
            return
        bind_contextvars(request_id=trace.request_id)
        headers: list[tuple[bytes, bytes]] = list(_JSON_HEADERS)
        try:
            video = await accept_video(self._services, key, body)
            trace.job_id = video.id
            answer = encode(video_accepted(video))
            headers.append((b"location", f"{VIDEOS_PATH}/{video.id}".encode()))
            status = 202
        except Exception as error:  # noqa: BLE001 - every error has the one body
            status, answer, headers = _refuse(error, trace, "POST")
        await self._answer(send, trace, status, headers, answer)
        self._access_log.write(trace, "POST", VIDEOS_PATH, status)

    async def _retrieve(self, plain: tuple[Key, Trace], scope: HTTPScope, send: Send) -> None:
        key, trace = plain
        video_id = scope["path"][_ITEM_START:]
        links = self._links or Links(self._services.links, own_address(cast("dict[str, Any]", scope)))
        headers: list[tuple[bytes, bytes]] = list(_JSON_HEADERS)
        bind_contextvars(request_id=trace.request_id)
        try:
            answer = await video_as_json(self._services, key, video_id, links)
            trace.job_id = video_id
            status = 200
        except Exception as error:  # noqa: BLE001 - every error has the one body
            status, answer, headers = _refuse(error, trace, "GET")
        await self._answer(send, trace, status, headers, answer)
        self._access_log.write(trace, "GET", _ITEM_ROUTE, status)

    async def _answer(
        self, send: Send, trace: Trace, status: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        headers.append((b"content-length", b"%d" % len(body)))
        headers.append((b"x-request-id", trace.request_id.encode()))
        headers.extend(self._fixed)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _small_json(headers: dict[bytes, bytes]) -> bool:
    length = headers.get(b"content-length", b"")
    if headers.get(b"content-type", b"").lower() not in _JSON_TYPES:
        return False
    return length.isdigit() and len(length) < 6 and int(length) <= MAX_BODY


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, None when the client went away before its end."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body = body + message["body"] if body else message["body"]
        if not message["more_body"]:
            return body


def _refuse(error: Exception, trace: Trace, method: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    answer = answer_error(error, trace.request_id, method)
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-type", PROBLEM_TYPE.encode()))
    return answer.status, answer.body, headers
