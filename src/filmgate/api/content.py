"""Send the files of a finished video with ranges, validators and constant memory."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog

from filmgate.api.ranges import Slice, choose_slice, http_date, unchanged
from filmgate.api.trace import trace_of
from filmgate.domain.errors import FilmgateError, ResultGone

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from litestar.types import HTTPSendMessage, Receive, Scope, Send

    from filmgate.services.asked import Content
    from filmgate.services.files import FileService
    from filmgate.services.videos import VideoService

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class ContentAnswer:
    """Answer a request for one stored file.

    Everything that can be refused is refused here, before the first byte: afterwards only a cut
    connection can tell the client that something is wrong.
    """

    def __init__(
        self,
        source: VideoService | FileService,
        content: Content,
        headers: Mapping[str, str],
        download: bool,
    ) -> None:
        self._source = source
        self._content = content
        etag = f'"{content.etag.strip(chr(34))}"'
        self._base = [
            (b"etag", etag.encode()),
            (b"last-modified", http_date(content.modified_at).encode()),
            (b"cache-control", b"private, max-age=3600"),
        ]
        self._disposition = _disposition(content.filename, download)
        self._slice = (
            None
            if unchanged(headers, etag, content.modified_at)
            else choose_slice(headers, content.size, etag, content.modified_at)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        part = self._slice
        if part is None:
            await send({"type": "http.response.start", "status": 304, "headers": self._base})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if trace_of(scope).head:
            await send(self._start(part))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self._send_bytes(part, receive, send, trace_of(scope).request_id)

    async def _pieces(self, part: Slice) -> AsyncGenerator[bytes, None]:
        left = part.stop - part.start
        async for piece in self._source.stream(self._content, part.start, part.stop):
            left -= len(piece)
            yield piece
        if left:
            raise ResultGone("The file is shorter than it was when it was stored.")

    def _start(self, part: Slice) -> HTTPSendMessage:
        headers = [
            *self._base,
            (b"accept-ranges", b"bytes"),
            (b"content-type", self._content.media_type.encode()),
            (b"content-length", str(part.stop - part.start).encode()),
            (b"content-disposition", self._disposition.encode()),
        ]
        if part.partial:
            span = f"bytes {part.start}-{part.stop - 1}/{self._content.size}"
            headers.append((b"content-range", span.encode()))
        return {"type": "http.response.start", "status": 206 if part.partial else 200, "headers": headers}

    async def _send_bytes(self, part: Slice, receive: Receive, send: Send, request_id: str) -> None:
        async with aclosing(self._pieces(part)) as chunks:
            first = await anext(chunks, b"")
            gone = asyncio.create_task(_disconnected(receive))
            try:
                await send(self._start(part))
                await send({"type": "http.response.body", "body": first, "more_body": True})
                async for chunk in chunks:
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except (OSError, FilmgateError) as error:
                # The status line is out: breaking off is the only honest signal left.
                log = structlog.get_logger("filmgate.api")
                log.warning("content_cut", request_id=request_id, error=str(error))
            finally:
                gone.cancel()
                with suppress(asyncio.CancelledError):
                    await gone


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _disposition(filename: str, download: bool) -> str:
    kind = "attachment" if download else "inline"
    plain = _UNSAFE.sub("_", filename)
    if plain == filename:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
