"""Call addresses that users gave us: guarded, short, never following, never reading much."""

from collections.abc import Mapping

import aiohttp

from filmgate.infrastructure.addresses import AddressDenied, AddressGuard

_TOTAL_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_READ_BYTES = 64 * 1024


class CalloutFailed(Exception):
    """The address could not be called; the message says why."""


class Callouts:
    """Post to user-supplied addresses, each on a connection of its own."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    def fault(self, url: str) -> str | None:
        """Return why an address will never be called, None where that is not yet known."""
        try:
            self._guard.check_url(url)
        except AddressDenied as error:
            return f"This address must not be called: {error}."
        return None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Post once and return the status; a redirect is an answer like any other."""
        connector = aiohttp.TCPConnector(force_close=True, limit=1, socket_factory=self._guard.socket)
        timeout = aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS)
        try:
            self._guard.check_url(url)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session,
                session.post(url, data=body, headers=dict(headers), allow_redirects=False) as response,
            ):
                await response.content.read(_READ_BYTES)
                return response.status
        except AddressDenied as error:
            await connector.close()
            raise CalloutFailed(str(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise CalloutFailed(f"no connection: {error.os_error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CalloutFailed(str(error) or type(error).__name__) from error
