"""Speak HTTP to vendors: creates that are sent once behind a fence, cheap reads, guarded downloads.

A create goes out on a connection of its own. The connection is opened first, then the fence is awaited
(it writes down the intent), then the request is written, and nothing is ever repeated. What went wrong is
told by phase, because the phase decides whether anything may have been made:

- before the fence: :class:`~filmgate.domain.errors.Unavailable`, not one byte was written;
- after it, without a whole answer: :class:`~filmgate.domain.errors.OutcomeUnknown`.
"""

import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from filmgate.domain.asset import Received
from filmgate.domain.errors import OutcomeUnknown, SendFenceClosed, Unavailable
from filmgate.domain.provider import SendFence
from filmgate.infrastructure.addresses import AddressDenied, AddressGuard
from filmgate.infrastructure.answers import Answer
from filmgate.infrastructure.storage import CHUNK, receive

__all__ = [
    "Answer",
    "DownloadRefused",
    "Film",
    "NotNow",
    "Outgoing",
    "Reader",
    "WireTrouble",
    "download",
    "origin_of",
    "send_once",
]

CONNECT_SECONDS = 10.0
SEND_SECONDS = 60.0
READ_SECONDS = 20.0
DOWNLOAD_SECONDS = 600.0
# A process that was frozen between intent and first byte must not send when it wakes.
STALE_SECONDS = 5.0
MAX_ANSWER_BYTES = 4 * 1024**2
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({401, 403, 404, 410})
_LATER = frozenset({408, 425, 429})
_MEND = "a host of your own can be named in film_hosts"
# Nobody may make us unpack more than was sent.
_AS_IT_IS = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One create, ready to be written: ``body`` holds the exact bytes."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Film:
    """Where a finished film lies; ``headers`` are sent only to ``host``, and only where that is set.

    ``own`` says that it lies on the very server whose address the operator gave, which may be a private
    one; every other address is judged by the guard.
    """

    url: str
    headers: Mapping[str, str] | None = None
    host: str | None = None
    own: bool = False


class WireTrouble(Exception):
    """A read could not be completed; it may be tried again."""


class NotNow(WireTrouble):
    """A vendor is away or wants to be left alone; what it was to be asked is as it was."""


class DownloadRefused(Exception):
    """A file cannot be downloaded from where it is said to lie; ``gone`` says that its link has died."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        self.gone = gone
        super().__init__(message)


@dataclass(slots=True)
class _Phase:
    """How far a create has come."""

    fence: SendFence
    fenced: bool = False
    failure: Exception | None = field(default=None)

    async def advance(self) -> None:
        """Await the fence; a second connection for the same create must never write."""
        if self.fenced:
            raise OutcomeUnknown("the transport wanted to send a second time")
        try:
            await self._pass()
        except Exception as error:
            self.failure = error
            raise
        self.fenced = True

    async def _pass(self) -> None:
        began = monotonic()
        await self.fence()
        if monotonic() - began > STALE_SECONDS:
            raise Unavailable("the process was held up between intent and send")


class _FencedConnector(aiohttp.TCPConnector):
    """Hand out a connection only when the fence has let it pass, and close it otherwise."""

    def __init__(self, phase: _Phase) -> None:
        super().__init__(force_close=True, limit=1)  # pyright: ignore[reportUnknownMemberType] - aiohttp's
        self._phase = phase

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Any:
        """Open the connection, then await the fence; nothing has been written yet."""
        connection = await super().connect(req, traces, timeout)
        try:
            await self._phase.advance()
        except BaseException:
            connection.close()
            raise
        return connection


async def send_once(outgoing: Outgoing, fence: SendFence, *, seconds: float = SEND_SECONDS) -> Answer:
    """Write one create on a fresh connection, once, and return its whole answer.

    Raises Unavailable, SendFenceClosed (from the fence) or OutcomeUnknown.
    """
    phase = _Phase(fence)
    timeout = aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=_FencedConnector(phase), timeout=timeout) as session,
            session.post(
                outgoing.url,
                data=outgoing.body,
                headers={**_AS_IT_IS, **outgoing.headers},
                allow_redirects=False,
            ) as response,
        ):
            return await _whole(response)
    except (aiohttp.ClientError, TimeoutError, OSError, WireTrouble, SendFenceClosed, Unavailable) as error:
        if phase.failure is not None:
            raise phase.failure from None
        reason = str(error) or type(error).__name__
        if not phase.fenced:
            raise Unavailable(f"{_host(outgoing.url)} could not be reached: {reason}") from error
        raise OutcomeUnknown(
            f"{_host(outgoing.url)} took the request and gave no answer: {reason}"
        ) from error


class Reader:
    """Read from one vendor over a small pool of connections; reads may be repeated, so they are cheap.

    No answer may be longer than ``limit`` bytes, where it is not the usual ones.
    """

    def __init__(
        self, headers: Mapping[str, str], *, connections: int = 20, limit: int | None = None
    ) -> None:
        self._headers = {**_AS_IT_IS, **headers}
        self._limit = limit
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=READ_SECONDS, connect=CONNECT_SECONDS),
            )
        return self._session

    async def call(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make one call that bears being repeated; raise WireTrouble where no whole answer comes."""
        try:
            async with self._open().request(
                method, url, data=body, headers=dict(headers or {}), allow_redirects=False
            ) as response:
                return await _whole(response, self._limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise WireTrouble(f"{_host(url)}: {str(error) or type(error).__name__}") from error

    async def get(self, url: str) -> Answer:
        """Read one resource."""
        return await self.call("GET", url)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


@dataclass(slots=True)
class _Door:
    """Open sockets where the guard allows it, and remember what came of it."""

    guard: AddressGuard
    opened: int = 0
    denied: int = 0

    def socket(self, info: Any) -> socket.socket:
        """Open a socket as aiohttp's ``socket_factory``."""
        try:
            opened = self.guard.socket(info)
        except PermissionError:
            self.denied += 1
            raise
        self.opened += 1
        return opened


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One download: what is fetched, where its bytes go, and who judges the way."""

    film: Film
    target: Path
    guard: AddressGuard
    limit: int

    async def step(self, url: str) -> Received | str:
        """Fetch from one address; return what was written, or where it redirects to."""
        door = _Door(self.guard)
        at_server = self.film.own and origin_of(url) == origin_of(self.film.url)
        own = at_server or self.guard.trusts(url)
        if not own:
            self._check(url)
        connector = aiohttp.TCPConnector(force_close=True, socket_factory=None if own else door.socket)
        timeout = aiohttp.ClientTimeout(
            total=DOWNLOAD_SECONDS, connect=CONNECT_SECONDS, sock_read=READ_SECONDS
        )
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session,
                session.get(url, headers=self._headers(url), allow_redirects=False) as response,
            ):
                return await self._take(url, response)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            if door.denied and not door.opened:
                raise DownloadRefused(
                    f"{_host(url)} is at an address that must not be called; {_MEND}"
                ) from error
            raise WireTrouble(f"{_host(url)}: {str(error) or type(error).__name__}") from error

    def _check(self, url: str) -> None:
        try:
            self.guard.check_url(url)
        except AddressDenied as error:
            raise DownloadRefused(f"{_host(url)} must not be called: {error}; {_MEND}") from error

    def _headers(self, url: str) -> dict[str, str]:
        if self.film.headers and _host(url) == self.film.host:
            return {**_AS_IT_IS, **self.film.headers}
        return _AS_IT_IS

    async def _take(self, url: str, response: aiohttp.ClientResponse) -> Received | str:
        if response.status in _REDIRECTS and "Location" in response.headers:
            return _redirected(url, response.headers["Location"])
        if response.status >= 500 or response.status in _LATER:
            raise WireTrouble(f"{_host(url)} answered {response.status}")
        if response.status != 200:
            raise DownloadRefused(f"{_host(url)} answered {response.status}", gone=response.status in _GONE)
        received = await receive(_chunks(response), self.target, self.limit)
        declared = response.content_length
        if declared is not None and declared != received.size:
            raise WireTrouble(f"{declared} bytes were announced and {received.size} came")
        return received


async def download(film: Film, target: Path, *, guard: AddressGuard, limit: int) -> Received:
    """Write a film to ``target``, following few redirects, each of them checked.

    Raises DownloadRefused or WireTrouble; AssetTooLarge beyond ``limit`` bytes.
    """
    fetch = _Fetch(film, target, guard, limit)
    url = film.url
    for _ in range(MAX_REDIRECTS + 1):
        step = await fetch.step(url)
        if isinstance(step, Received):
            return step
        url = step
    raise DownloadRefused(f"{_host(url)} redirects more than {MAX_REDIRECTS} times")


def _redirected(url: str, location: str) -> str:
    try:
        onward = urljoin(url, location)
        scheme = urlsplit(onward).scheme
    except ValueError as error:
        raise DownloadRefused(f"{_host(url)} redirects to what is no address") from error
    if url.startswith("https:") and scheme != "https":
        raise DownloadRefused(f"{_host(url)} redirects to an address that is not encrypted")
    return onward


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_chunked(CHUNK):
        yield chunk


async def _whole(response: aiohttp.ClientResponse, limit: int | None = None) -> Answer:
    most = MAX_ANSWER_BYTES if limit is None else limit
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > most:
            raise WireTrouble(f"the answer is longer than {most} bytes")
    return Answer(response.status, response.headers, bytes(body))


def origin_of(url: str) -> str | None:
    """Return the scheme, host and port of an address as ``https://host:port``, None where it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc or "the provider"
    except ValueError:
        return "the provider"
