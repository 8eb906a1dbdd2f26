"""Set up the vendors that the settings name, and say what their models can do."""

from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from filmgate.domain.errors import BadSettings
from filmgate.domain.provider import Provider
from filmgate.domain.routing import Capability
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.providers import PROVIDERS
from filmgate.providers.catalogue import added_fields, added_models, read_catalogue
from filmgate.providers.task_api import Account, is_sealed
from filmgate.settings import ProviderSettings, Settings

# A vendor that the operator has put on a private address may keep its films there too.
_PRIVATE = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")


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

    def connect(self) -> dict[str, Provider]:
        """Return the vendors that are set up, by name."""
        return {name: self._connect(given) for name, given in self._settings.providers.items()}

    def _connect(self, given: ProviderSettings) -> Provider:
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
        provider: Any = getattr(module, path.partition(":")[2])(account, _guard(account.base_url))
        self._stack.push_async_callback(provider.close)
        return provider


def _guard(base_url: str) -> AddressGuard:
    """Let films come from public addresses, and from private ones where the vendor itself is on one."""
    parts = urlsplit(base_url)
    private = parts.scheme == "http"
    return AddressGuard.allowing(_PRIVATE if private else (), plain_http=private)
