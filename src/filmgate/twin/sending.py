"""Send answers, also the way a broken server would: cut, slow, endless, with lengths that lie."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from aiohttp import web

from filmgate.twin.calls import Answer

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_MOMENT: Final = 0.02
_MEGABYTE: Final = 1024**2
MAX_MEGABYTES: Final = 2048


async def send(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Send an answer as it is, or with the lie about its length that it asks for."""
    if answer.transfer is not None:
        return await _lying(request, answer)
    content_type = {} if answer.content_type == "" else {"Content-Type": answer.content_type}
    return web.Response(body=answer.body, status=answer.status, headers=content_type | answer.headers)


def reset(request: web.Request) -> web.StreamResponse:
    """Reset the connection: whoever sent this request learns nothing."""
    transport = request.transport
    if transport is not None:
        held = transport.get_extra_info("socket")
        if held is not None:
            with suppress(OSError):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()


async def drip(request: web.Request, answer: Answer, seconds: float) -> web.StreamResponse:
    """Send the body a few bytes at a time over this time."""
    body = answer.body or b" "
    steps = min(len(body), 200)
    return await _streamed(request, answer, _pieces(body, steps, seconds / steps), len(body))


async def flood(request: web.Request, answer: Answer, megabytes: float) -> web.StreamResponse:
    """Send a JSON string of this many megabytes."""
    return await _streamed(request, answer, _padding(int(min(megabytes, MAX_MEGABYTES))), None)


async def never_begin(request: web.Request, seconds: float) -> web.StreamResponse:
    """Send header after header, then reset the connection."""
    transport = request.transport
    if transport is not None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        for number in range(max(1, int(seconds / 0.05))):
            if transport.is_closing():
                break
            transport.write(b"X-Padding-%d: still coming\r\n" % number)
            await asyncio.sleep(0.05)
    return reset(request)


async def _lying(request: web.Request, answer: Answer) -> web.StreamResponse:
    transport, body = request.transport, answer.body
    if transport is None:
        return web.Response()
    half = len(body) // 2
    lengths = {"media-cut": len(body), "length-short": half, "length-long": len(body) * 2}
    lines = [f"HTTP/1.1 {answer.status} OK", f"Content-Type: {answer.content_type}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.transfer in lengths:
        lines.append(f"Content-Length: {lengths[answer.transfer]}")
    transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body[:half])
    if answer.transfer != "media-cut":
        # in two parts, so that a client that counts is done before it sees too much
        await asyncio.sleep(_MOMENT)
        transport.write(body[half:])
    transport.close()
    return web.Response()


async def _streamed(
    request: web.Request, answer: Answer, pieces: AsyncIterator[bytes], length: int | None
) -> web.StreamResponse:
    headers = {"Content-Type": answer.content_type} | answer.headers
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = length
    with suppress(ConnectionError):
        await response.prepare(request)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    return response


async def _pieces(body: bytes, steps: int, pause: float) -> AsyncIterator[bytes]:
    size = -(-len(body) // steps)
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(pause)


async def _padding(megabytes: int) -> AsyncIterator[bytes]:
    yield b'{"padding":"'
    for _ in range(megabytes):
        yield b"x" * _MEGABYTE
    yield b'"}'
