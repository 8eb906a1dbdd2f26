"""Fetch what a user's address points at: guarded at every hop, limited in size and time."""

from typing import Final
from urllib.parse import urljoin

import aiohttp

from filmgate.infrastructure.addresses import AddressDenied, AddressGuard

_TOTAL_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_MAX_HOPS = 4
_CHUNK = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class FetchFailed(Exception):
    """Nothing could be fetched; the message says why."""


class Fetcher:
    """Get files from user-supplied addresses, on a connection of their own."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def get(self, url: str, limit: int) -> bytes:
        """Return the bytes behind an address; a redirect is followed only to where the guard allows."""
        connector = aiohttp.TCPConnector(force_close=True, limit=1, socket_factory=self._guard.socket)
        timeout = aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS)
        try:
            async with aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                auto_decompress=False,
                headers={"User-Agent": "filmgate"},
            ) as session:
                for _ in range(_MAX_HOPS):
                    self._guard.check_url(url)
                    found = await _hop(session, url, limit)
                    if isinstance(found, bytes):
                        return found
                    url = found
        except AddressDenied as error:
            raise FetchFailed(str(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise FetchFailed(f"no connection: {error.os_error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise FetchFailed(str(error) or type(error).__name__) from error
        raise FetchFailed(f"it leads on more than {_MAX_HOPS} times")


async def _hop(session: aiohttp.ClientSession, url: str, limit: int) -> bytes | str:
    """Return the bytes, or where they are instead."""
    async with session.get(url, allow_redirects=False) as response:
        if response.status in _REDIRECTS:
            return urljoin(url, response.headers.get("location", ""))
        if response.status != 200:
            raise FetchFailed(f"the server answered {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise FetchFailed(f"the file is larger than {limit:,} bytes, the limit here")
        return bytes(body)
