"""Tell whether an answer has left us whole, as far as a server can know."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from litestar.types import HTTPResponseBodyEvent, Message, Receive, Send

# In the first the event loop writes what is left, in the second it hears of a connection that is gone.
_TURNS: Final = 2


async def send_whole(receive: Receive, send: Send, message: HTTPResponseBodyEvent) -> bool:
    """Send a piece of a body; return whether it was the last and the client was there until its end."""
    if message["more_body"]:
        await send(message)
        return False
    last = {**message, "more_body": True}
    await send(cast("Message", last))
    # A server holds this one back until what came before has been taken off its hands.
    await send(cast("Message", {**last, "body": b""}))
    gone = await _client_is_gone(receive)
    await send(cast("Message", {**message, "body": b""}))
    return not gone


async def _client_is_gone(receive: Receive) -> bool:
    # Before the end of the answer, a server has nothing more to say of a request but that it is over.
    word = asyncio.ensure_future(receive())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    if word.done():
        return word.result()["type"] == "http.disconnect"
    word.cancel()
    return False
