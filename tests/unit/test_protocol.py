"""An answer leaves in one piece where it can, and whole in every case."""

import asyncio
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from filmgate.cli.protocol import WholeAnswerProtocol

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    """A transport that remembers what each write brought."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.writes.append(b"".join(pieces))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _name: str) -> None:
        return None


async def nothing(_scope: object, _receive: object, _send: object) -> None:
    """Serve nobody."""


def connected() -> tuple[Wire, Any]:
    """Return a wire, and the transport that uvicorn writes to."""
    config = uvicorn.Config(nothing, log_config=None, ws="none")
    config.load()
    protocol = WholeAnswerProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(cast("asyncio.BaseTransport", wire))
    return wire, protocol.transport


async def test_a_head_leaves_together_with_its_body() -> None:
    wire, transport = connected()
    transport.write(HEAD)
    transport.write(b"body")
    transport.write(b"more")
    await asyncio.sleep(0)
    assert wire.writes == [HEAD + b"body", b"more"]


async def test_a_head_that_nothing_follows_leaves_in_the_same_turn() -> None:
    wire, transport = connected()
    transport.write(HEAD)
    assert wire.writes == []
    await asyncio.sleep(0)
    assert wire.writes == [HEAD]


async def test_a_head_leaves_before_the_connection_is_closed() -> None:
    wire, transport = connected()
    transport.write(HEAD)
    transport.close()
    assert wire.writes == [HEAD]
    assert wire.closed
