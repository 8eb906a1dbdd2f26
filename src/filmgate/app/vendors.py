"""Set up the vendors that the settings name, and say what their models can do."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from ipaddress import ip_address
from urllib.parse import urlsplit

from filmgate.domain.errors import BadSettings
from filmgate.domain.routing import Capability
from filmgate.infrastructure.addresses import WEB_PORTS, AddressGuard
from filmgate.providers import PROVIDERS
from filmgate.providers.catalogue import added_fields, added_models, read_catalogue
from filmgate.providers.task_api import Account, TaskApi, is_sealed
from filmgate.settings import ProviderSettings, Settings

# All of them are this very machine.
_LOOPBACK = ("127.0.0.0/8", "::1/128")


# How many videos a vendor's lane has under way where nothing is said.
VENDOR_SLOTS = 5


class Vendors:
    """Connect the vendors of one process."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._accounts: dict[str, Account] = {}

    def capabilities(self) -> dict[tuple[str, str], Capability]:
        """Return what every known model can do, by provider and model."""
        known = read_catalogue()
        for given in self._settings.providers.values():
            known |= added_models(given.name, given.wire, given.models)
        return known

    def is_sealed(self, name: str, reference: str, seal: str) -> bool:
        """Tell whether a callback's address was made by this installation for that reference."""
        account = self._accounts.get(name)
        return account is not None and is_sealed(account, reference, seal)

    def address_of(self, name: str) -> str:
        """Return where a vendor that was connected is."""
        return self._accounts[name].base_url

    def connect(self) -> dict[str, TaskApi]:
        """Return the vendors that are set up, by name."""
        return {name: self._connect(given) for name, given in self._settings.providers.items()}

    def _connect(self, given: ProviderSettings) -> TaskApi:
        path = PROVIDERS.get(given.wire)
        if path is None or given.wire == "embedded":
            known = ", ".join(name for name in PROVIDERS if name != "embedded")
            raise BadSettings(f"providers.{given.name}.wire: {given.wire} is not known. Known: {known}.")
        module = import_module(path.partition(":")[0])
        account = Account(
            base_url=(given.base_url or getattr(module, "BASE_URL", "")).rstrip("/"),
            key=given.key,
            callback_url=self._settings.public_url,
            name=given.name,
            dialect=given.wire,
            fields=added_fields(given.models),
        )
        if not account.base_url:
            raise BadSettings(f"providers.{given.name}.base_url is missing. Write where the server is.")
        self._accounts[given.name] = account
        provider: TaskApi = getattr(module, path.partition(":")[2])(
            account, film_guard(account.base_url, given.film_hosts)
        )
        self._stack.push_async_callback(provider.close)
        return provider


def film_guard(base_url: str, film_hosts: Sequence[str] = ()) -> AddressGuard:
    """Say where a vendor's films may come from.

    From the open internet, and from hosts that the operator has named: by ``film_hosts``, or because the
    vendor itself is there and is called without TLS, as one's own servers are.
    """
    parts = urlsplit(base_url)
    own = parts.scheme == "http" and parts.hostname is not None
    hosts = (*film_hosts, parts.hostname) if own and parts.hostname else film_hosts
    return AddressGuard.allowing(
        _LOOPBACK if own and _is_loopback(parts.hostname or "") else (),
        plain_http=own,
        ports=None if own else WEB_PORTS,
        hosts=hosts,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
