"""Speak HTTP as uvicorn does, but send the head of an answer together with its body."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1."


class _HeadKeeper:
    """A transport that keeps the head of an answer until what follows it, within the same turn of the loop.

    Written by itself, it would be a system call more, a packet more, and would wake the client for nothing.
    """

    __slots__ = ("_call_soon", "_head", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._head: bytes | None = None
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, unless it is a head that something may follow."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._call_soon(self._release)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close once everything is written."""
        self._release()
        self._transport.close()

    def _release(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)


class WholeAnswerProtocol(HttpToolsProtocol):
    """HTTP/1.1 in which a short answer is one write."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection."""
        super().connection_made(cast("asyncio.Transport", _HeadKeeper(cast("asyncio.Transport", transport))))
