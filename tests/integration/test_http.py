"""Creates are written once behind their fence, and reads have limits."""

import asyncio

import pytest
from aiohttp import web

from filmgate.domain.errors import OutcomeUnknown, SendFenceClosed, Unavailable
from filmgate.infrastructure import http
from filmgate.infrastructure.http import Outgoing, Reader, WireTrouble, send_once
from tests.integration.vendors import Handler, listening, served

pytestmark = pytest.mark.anyio


def answers(status: int) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status)

    return handle


async def passes() -> None:
    pass


def create(url: str, body: bytes = b"{}") -> Outgoing:
    return Outgoing(f"{url}/create", body, {"Content-Type": "application/json"})


async def test_the_fence_is_passed_after_connecting_and_before_the_first_byte() -> None:
    events: list[str] = []
    got = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        events.append("connected")
        await reader.read(1)
        events.append("first byte")
        got.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def fence() -> None:
        await asyncio.sleep(0.1)
        events.append("fence")

    async with listening(handle) as url:
        answer = await send_once(create(url), fence)
    assert answer.status == 200
    assert events == ["connected", "fence", "first byte"]


@pytest.mark.parametrize("failure", [SendFenceClosed("cancelled"), KeyError("database")])
async def test_a_fence_that_fails_sends_nothing_and_closes_the_connection(failure: Exception) -> None:
    seen: list[bytes] = []
    closed = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())
        writer.close()
        closed.set()

    async def fence() -> None:
        raise failure

    async with listening(handle) as url:
        with pytest.raises(type(failure)):
            await send_once(create(url), fence)
        # The vendor sees the end at once, not when it loses its patience.
        await asyncio.wait_for(closed.wait(), 2)
    assert seen == [b""]


async def test_a_process_that_was_frozen_at_the_fence_does_not_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STALE_SECONDS", 0.05)
    arrived: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        arrived.append(request.path)
        return web.json_response({})

    async def slow() -> None:
        await asyncio.sleep(0.1)

    async with served(handle) as url:
        with pytest.raises(Unavailable, match="held up"):
            await send_once(create(url), slow)
    assert arrived == []


async def test_a_closed_port_and_an_unknown_name_are_not_reached() -> None:
    fenced: list[bool] = []

    async def fence() -> None:
        fenced.append(True)

    async with served(answers(200)) as url:
        pass
    for address in (url, "http://nowhere.invalid"):
        with pytest.raises(Unavailable):
            await send_once(create(address), fence)
    assert fenced == []


async def test_a_server_that_speaks_no_tls_is_not_reached() -> None:
    async with served(answers(200)) as url:
        with pytest.raises(Unavailable):
            await send_once(create(url.replace("http:", "https:")), passes)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    ],
)
async def test_half_an_answer_or_none_is_unknown_and_sent_once(answer: bytes) -> None:
    connections: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(await reader.readuntil(b"\r\n\r\n{}"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with listening(handle) as url:
        with pytest.raises(OutcomeUnknown):
            await send_once(create(url), passes)
        await asyncio.sleep(0.05)
    assert len(connections) == 1


async def test_an_answer_that_takes_too_long_is_unknown() -> None:
    async def handle(request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.json_response({})

    async with served(handle) as url:
        with pytest.raises(OutcomeUnknown, match="gave no answer"):
            await send_once(create(url), passes, seconds=0.2)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    arrived: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        arrived.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with served(handle) as url:
        assert (await send_once(create(url), passes)).status == 307
    assert arrived == ["/create"]


async def test_an_answer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1000)

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1001)

    async with served(handle) as url:
        with pytest.raises(OutcomeUnknown, match="longer than"):
            await send_once(create(url), passes)
        reader = Reader({})
        with pytest.raises(WireTrouble, match="longer than"):
            await reader.get(url)
        await reader.close()


async def test_a_reader_sends_its_headers_keeps_no_cookies_and_can_be_opened_again() -> None:
    seen: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        answer = web.json_response({"method": request.method})
        answer.set_cookie("session", "1")
        return answer

    async with served(handle) as url:
        reader = Reader({"Authorization": "Bearer ours"})
        assert (await reader.get(url)).json() == {"method": "GET"}
        await reader.close()
        assert (await reader.call("PUT", url, headers={"X-More": "1"})).mapping() == {"method": "PUT"}
        await reader.close()
    assert [headers["Authorization"] for headers in seen] == ["Bearer ours"] * 2
    assert all("Cookie" not in headers for headers in seen)
    assert all(headers["Accept-Encoding"] == "identity" for headers in seen)
    assert seen[1]["X-More"] == "1"


async def test_a_reader_tells_trouble_from_answers() -> None:
    async with served(answers(503)) as url:
        reader = Reader({})
        assert (await reader.get(url)).status == 503
    with pytest.raises(WireTrouble):
        await reader.get(url)
    with pytest.raises(WireTrouble):
        await reader.get("http://[broken")
    await reader.close()
