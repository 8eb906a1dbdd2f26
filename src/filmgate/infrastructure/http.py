"""Speak HTTP to vendors: creates that are sent once behind a fence, cheap reads, guarded downloads.

A create goes out on a connection of its own. The connection is opened first, then the fence is awaited
(it writes down the intent), then the request is written, and nothing is ever repeated. What went wrong is
told by phase, because the phase decides whether anything may have been made:

- before the fence: :class:`~filmgate.domain.errors.Unavailable`, not one byte was written;
- after it, without a whole answer: :class:`~filmgate.domain.errors.OutcomeUnknown`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from filmgate.domain.asset import Received
from filmgate.domain.errors import OutcomeUnknown, SendFenceClosed, Unavailable
from filmgate.domain.provider import SendFence
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.storage import CHUNK, receive

CONNECT_SECONDS = 10.0
SEND_SECONDS = 60.0
READ_SECONDS = 20.0
DOWNLOAD_SECONDS = 600.0
# A process that was frozen between intent and first byte must not send when it wakes.
STALE_SECONDS = 5.0
MAX_ANSWER_BYTES = 4 * 1024**2
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One create, ready to be written: ``body`` holds the exact bytes."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the decoded body; raise ValueError where it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError(f"the answer is not JSON: {self.body[:80]!r}") from error

    def mapping(self) -> dict[str, Any]:
        """Return the decoded body if it is a JSON object, else an empty one."""
        try:
            body = self.json()
        except ValueError:
            return {}
        return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


class WireTrouble(Exception):
    """A read could not be completed; it may be tried again."""


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


async def send_once(outgoing: Outgoing, fence: SendFence, *, seconds: float = SEND_SECONDS) -> Answer:
    """Write one create on a fresh connection, once, and return its whole answer.

    Raises Unavailable, SendFenceClosed (from the fence) or OutcomeUnknown.
    """
    phase = _Phase(fence)
    timeout = aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS)
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_behind_fence(phase))
    connector = aiohttp.TCPConnector(force_close=True, limit=1)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, trace_configs=[trace], timeout=timeout) as session,
            session.post(
                outgoing.url, data=outgoing.body, headers=dict(outgoing.headers), allow_redirects=False
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


def _behind_fence(phase: _Phase) -> Any:
    async def opened(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
        began = monotonic()
        try:
            await phase.fence()
            _refuse_stale(began)
        except Exception as error:
            phase.failure = error
            raise
        phase.fenced = True

    return opened


def _refuse_stale(began: float) -> None:
    if monotonic() - began > STALE_SECONDS:
        raise Unavailable("the process was held up between intent and send")


class Reader:
    """Read from one vendor over a small pool of connections; reads may be repeated, so they are cheap."""

    def __init__(self, headers: Mapping[str, str], *, connections: int = 20) -> None:
        self._headers = dict(headers)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30),
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
                return await _whole(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise WireTrouble(f"{_host(url)}: {error or type(error).__name__}") from error

    async def get(self, url: str) -> Answer:
        """Read one resource."""
        return await self.call("GET", url)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


async def download(
    url: str,
    target: Path,
    *,
    guard: AddressGuard,
    limit: int,
    headers: Mapping[str, str] | None = None,
    keep_headers_on: str | None = None,
) -> Received:
    """Write the file at an address to ``target``, following few redirects, each of them checked.

    ``headers`` (credentials) are sent only to the host ``keep_headers_on``. Raises DownloadRefused or
    WireTrouble; AssetTooLarge beyond ``limit`` bytes.
    """
    connector = aiohttp.TCPConnector(force_close=True, socket_factory=guard.socket)
    timeout = aiohttp.ClientTimeout(total=DOWNLOAD_SECONDS, connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        for _ in range(MAX_REDIRECTS + 1):
            guard.check_url(url)
            sent = {"Accept-Encoding": "identity"}
            if headers and urlsplit(url).netloc == keep_headers_on:
                sent |= headers
            try:
                async with session.get(url, headers=sent, allow_redirects=False) as response:
                    if response.status in _REDIRECTS and "Location" in response.headers:
                        url = urljoin(url, response.headers["Location"])
                        continue
                    if response.status != 200:
                        gone = response.status in {401, 403, 404, 410}
                        raise DownloadRefused(f"{_host(url)} answered {response.status}", gone=gone)
                    received = await receive(_chunks(response), target, limit)
                    _check_length(response, received)
                    return received
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise WireTrouble(f"{_host(url)}: {error or type(error).__name__}") from error
    raise DownloadRefused(f"{_host(url)} redirects more than {MAX_REDIRECTS} times")


def _check_length(response: aiohttp.ClientResponse, received: Received) -> None:
    declared = response.content_length
    if declared is not None and declared != received.size:
        raise WireTrouble(f"{declared} bytes were announced and {received.size} came")


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_chunked(CHUNK):
        yield chunk


async def _whole(response: aiohttp.ClientResponse) -> Answer:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise WireTrouble(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return Answer(response.status, response.headers, bytes(body))


def _host(url: str) -> str:
    return urlsplit(url).netloc or "the provider"
