"""Downloads are guarded: who is called, who is sent a key, how far redirects lead, and what is kept."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.http import DownloadRefused, Film, WireTrouble, download
from filmgate.infrastructure.storage import AssetTooLarge
from tests.integration.vendors import Handler, listening, served

pytestmark = pytest.mark.anyio

OPEN = AddressGuard.allowing(["127.0.0.0/8"], plain_http=True)
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


async def test_a_host_that_the_operator_has_named_is_called_wherever_it_is(tmp_path: Path) -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    async with served(film_server(seen)) as url:
        address = url.replace("127.0.0.1", "localhost")
        named = AddressGuard.allowing((), hosts=["localhost"], ports=frozenset({443}))
        await download(Film(f"{address}/film"), tmp_path / "film", guard=named, limit=10_000)
        away = Film(f"{address}/to/there?url={url}/film")
        with pytest.raises(DownloadRefused, match="a host of your own can be named in film_hosts"):
            await download(away, tmp_path / "more", guard=named, limit=10_000)
    assert [path for path, _ in seen] == ["/film", "/to/there"]


async def test_a_port_that_nobody_serves_films_from_is_not_called(tmp_path: Path) -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    web = AddressGuard.allowing(["127.0.0.0/8"], plain_http=True, ports=frozenset({443}))
    async with served(film_server(seen)) as url:
        with pytest.raises(DownloadRefused, match=r"port [0-9]+ may not be called, only 443"):
            await download(Film(f"{url}/film"), tmp_path / "film", guard=web, limit=10_000)
    assert seen == []
