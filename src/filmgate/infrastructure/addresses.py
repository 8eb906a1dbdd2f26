"""Keep outgoing calls away from addresses that others must not reach through us (SSRF).

What is checked is the address that is connected to, not the text: names, decimal, octal and mapped forms
all end in one address, and a name that changes its mind in between has nothing to gain.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

_DENIED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Of IPv6 only global unicast is allowed, less what embeds or documents other addresses.
_GLOBAL_V6 = IPv6Network("2000::/3")
_DENIED_V6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_MAX_HOST = 253
# Where web servers listen; whoever else listens somewhere is not meant to be called through us.
WEB_PORTS = frozenset({80, 443, 8080, 8443})


class AddressDenied(Exception):
    """An address must not be called."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is one of the open internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        return address in _GLOBAL_V6 and not any(address in network for network in _DENIED_V6)
    return not any(address in network for network in _DENIED_V4)


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Allow public addresses, and the networks and hosts that the operator has named.

    ``ports`` are those that may be called, None where any may be; ``hosts`` are names that the operator
    trusts, wherever they lead and whichever port they name.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    plain_http: bool = False
    ports: frozenset[int] | None = None
    hosts: frozenset[str] = frozenset()

    @classmethod
    def allowing(
        cls,
        networks: Iterable[str],
        *,
        plain_http: bool = False,
        ports: frozenset[int] | None = None,
        hosts: Iterable[str] = (),
    ) -> "AddressGuard":
        """Return a guard that also allows these networks, written as ``10.1.0.0/16``, and these hosts."""
        named = frozenset(host.lower() for host in hosts)
        return cls(tuple(ip_network(text) for text in networks), plain_http, ports, named)

    def trusts(self, url: str) -> bool:
        """Tell whether the operator has named the host of an address."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and parts.hostname in self.hosts

    def allows(self, text: str) -> bool:
        """Tell whether an address may be called."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return is_public(address) or any(
            address.version == network.version and address in network for network in self.networks
        )

    def check_url(self, url: str) -> None:
        """Refuse an address whose text already says that it must not be called."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise AddressDenied("this is no address") from error
        if parts.scheme != "https" and not (parts.scheme == "http" and self.plain_http):
            raise AddressDenied(f"{parts.scheme or 'no'}: is not a scheme that may be called")
        if not host or len(host) > _MAX_HOST or parts.username is not None or parts.password is not None:
            raise AddressDenied("the address names no host, or holds a user name")
        if not self._opens(port or (443 if parts.scheme == "https" else 80)):
            raise AddressDenied(f"port {port} may not be called, only {_listed(self.ports)}")
        if "\\" in url or any(sign.isspace() or not sign.isprintable() for sign in url):
            raise AddressDenied("the address holds characters that parsers disagree on")
        if _is_literal(host) and not self.allows(host):
            raise AddressDenied(f"{host} is not on the open internet")

    def socket(self, info: Any) -> socket.socket:
        """Open a socket for one resolved address, as aiohttp's ``socket_factory``, or refuse it."""
        family, kind, protocol, _, sockaddr = info
        if not self.allows(str(sockaddr[0])) or not self._opens(int(sockaddr[1])):
            raise PermissionError(f"{sockaddr[0]} must not be called")
        return socket.socket(family, kind, protocol)

    def _opens(self, port: int) -> bool:
        return self.ports is None or port in self.ports


def _listed(ports: frozenset[int] | None) -> str:
    return ", ".join(str(port) for port in sorted(ports or ()))


def _is_literal(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
