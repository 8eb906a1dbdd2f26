"""Creates are written once behind their fence, reads have limits, downloads are guarded."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from filmgate.domain.errors import OutcomeUnknown, SendFenceClosed, Unavailable
from filmgate.infrastructure import http
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.http import (
    DownloadRefused,
    Film,
    Outgoing,
    Reader,
    WireTrouble,
    download,
    send_once,
)
from filmgate.infrastructure.storage import AssetTooLarge

pytestmark = pytest.mark.anyio

OPEN = AddressGuard.allowing(["127.0.0.0/8"], plain_http=True)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncGenerator[str, None]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[str, None]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


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
        await asyncio.sleep(5)
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


FILM = b"film" * 1000


def film_server(seen: list[tuple[str, dict[str, str]]]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, dict(request.headers)))
        step = request.path.strip("/")
        if step.startswith("hop"):
            raise web.HTTPFound("/film" if step == "hop" else f"/{step[:-1]}")
        if step.startswith("to/"):
            return web.Response(status=302, headers={"Location": request.query["url"]})
        if step.isdigit():
            return web.Response(status=int(step))
        return web.Response(body=FILM)

    return handle


async def test_a_film_is_written_and_measured(tmp_path: Path) -> None:
    async with served(film_server([])) as url:
        received = await download(Film(f"{url}/film"), tmp_path / "film", guard=OPEN, limit=10_000)
    assert received.size == len(FILM)
    assert (tmp_path / "film").read_bytes() == FILM


async def test_three_redirects_are_followed_and_no_more(tmp_path: Path) -> None:
    async with served(film_server([])) as url:
        await download(Film(f"{url}/hop22"), tmp_path / "film", guard=OPEN, limit=10_000)
        with pytest.raises(DownloadRefused, match="redirects more than 3"):
            await download(Film(f"{url}/hop222"), tmp_path / "more", guard=OPEN, limit=10_000)
    assert not (tmp_path / "more").exists()


async def test_credentials_stay_on_their_host(tmp_path: Path) -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    other: list[tuple[str, dict[str, str]]] = []
    async with served(film_server(seen)) as url, served(film_server(other)) as elsewhere:
        host = url.removeprefix("http://")
        film = Film(f"{url}/to/there?url={elsewhere}/film", {"X-Key": "ours"}, host)
        await download(film, tmp_path / "film", guard=OPEN, limit=10_000)
        await download(
            Film(f"{elsewhere}/film", {"X-Key": "ours"}), tmp_path / "film", guard=OPEN, limit=10_000
        )
    assert [headers.get("X-Key") for _, headers in seen] == ["ours"]
    assert [headers.get("X-Key") for _, headers in other] == [None, None]


@pytest.mark.parametrize(
    ("status", "gone"), [(401, True), (403, True), (404, True), (410, True), (400, False)]
)
async def test_a_film_that_is_refused_says_whether_its_link_has_died(
    status: int, gone: bool, tmp_path: Path
) -> None:
    async with served(film_server([])) as url:
        with pytest.raises(DownloadRefused) as caught:
            await download(Film(f"{url}/{status}"), tmp_path / "film", guard=OPEN, limit=10_000)
    assert caught.value.gone is gone


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_media_host_in_trouble_may_be_asked_again(status: int, tmp_path: Path) -> None:
    async with served(film_server([])) as url:
        with pytest.raises(WireTrouble):
            await download(Film(f"{url}/{status}"), tmp_path / "film", guard=OPEN, limit=10_000)


async def test_a_film_that_is_too_large_is_not_kept(tmp_path: Path) -> None:
    async with served(film_server([])) as url:
        with pytest.raises(AssetTooLarge):
            await download(Film(f"{url}/film"), tmp_path / "film", guard=OPEN, limit=1000)
    assert not (tmp_path / "film").exists()


async def test_a_film_that_ends_early_is_not_kept(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    async with listening(handle) as url:
        with pytest.raises(WireTrouble):
            await download(Film(f"{url}/film"), tmp_path / "film", guard=OPEN, limit=10_000)
    assert not (tmp_path / "film").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f.1"])
async def test_a_guard_keeps_downloads_off_private_addresses(host: str, tmp_path: Path) -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    strict = AddressGuard(plain_http=True)
    async with served(film_server(seen)) as url:
        address = url.replace("127.0.0.1", host)
        with pytest.raises((DownloadRefused, WireTrouble)):
            await download(Film(f"{address}/film"), tmp_path / "film", guard=strict, limit=10_000)
    assert seen == []


async def test_a_name_that_leads_inside_is_refused_for_good(tmp_path: Path) -> None:
    strict = AddressGuard(plain_http=True)
    async with served(film_server([])) as url:
        address = url.replace("127.0.0.1", "localhost")
        with pytest.raises(DownloadRefused, match="must not be called"):
            await download(Film(f"{address}/film"), tmp_path / "film", guard=strict, limit=10_000)


async def test_the_operators_own_server_is_not_judged_but_where_it_redirects_to_is(tmp_path: Path) -> None:
    strict = AddressGuard()
    seen: list[tuple[str, dict[str, str]]] = []
    async with served(film_server(seen)) as url, served(film_server([])) as elsewhere:
        host = url.removeprefix("http://")
        own = Film(f"{url}/hop", {"X-Key": "ours"}, host, own=True)
        await download(own, tmp_path / "film", guard=strict, limit=10_000)
        assert [path for path, _ in seen] == ["/hop", "/film"]
        away = Film(f"{url}/to/there?url={elsewhere}/film", {"X-Key": "ours"}, host, own=True)
        with pytest.raises(DownloadRefused):
            await download(away, tmp_path / "more", guard=strict, limit=10_000)


@pytest.mark.parametrize("target", ["http://[broken", "ftp://example.com/film", "file:///etc/passwd"])
async def test_a_redirect_to_no_web_address_is_refused(target: str, tmp_path: Path) -> None:
    async with served(film_server([])) as url:
        with pytest.raises(DownloadRefused):
            await download(Film(f"{url}/to/there?url={target}"), tmp_path / "film", guard=OPEN, limit=10_000)
