"""Find out how far a server can be reached: its name, its port, its certificate."""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 10.0


class Unreachable(Exception):
    """A server cannot be reached; ``step`` says what failed: address, connection or TLS."""

    def __init__(self, step: str, reason: str) -> None:
        self.step = step
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is."""

    host: str
    port: int
    encrypted: bool

    @classmethod
    def of(cls, url: str) -> "Place":
        """Return where an address leads; raise Unreachable where it leads nowhere."""
        try:
            parts = urlsplit(url)
            encrypted = parts.scheme == "https"
            port = parts.port or (443 if encrypted else 80)
        except ValueError as error:
            raise Unreachable("address", f"{url} is no address: {error}") from error
        if not parts.hostname or parts.scheme not in {"http", "https"}:
            raise Unreachable("address", f"{url} is no http:// or https:// address")
        return cls(parts.hostname, port, encrypted)


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a connection is encrypted, and until when the server's certificate is good."""

    version: str
    good_until: datetime | None


async def resolve(place: Place) -> list[str]:
    """Return the addresses that a name stands for; raise Unreachable where there are none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_SECONDS):
            found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable("address", f"{place.host} cannot be resolved: {_reason(error)}") from error
    return list(dict.fromkeys(str(row[4][0]) for row in found))


async def connect(place: Place) -> Handshake | None:
    """Open a connection and close it; return how it was encrypted, None where it was not."""
    context = ssl.create_default_context() if place.encrypted else None
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        raise Unreachable("TLS", f"the certificate is not good: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise Unreachable("TLS", f"no encrypted connection comes about: {_reason(error)}") from error
    except OSError as error:
        raise Unreachable("connection", f"port {place.port} does not answer: {_reason(error)}") from error
    try:
        return _handshake(writer.get_extra_info("ssl_object"))
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


def _handshake(secured: Any) -> Handshake | None:
    if secured is None:
        return None
    certificate: dict[str, Any] = secured.getpeercert() or {}
    until = certificate.get("notAfter")
    moment = None if until is None else datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC)
    return Handshake(secured.version() or "TLS", moment)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
