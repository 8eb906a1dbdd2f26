"""Read the settings once, at start, from the environment, ``.env`` and ``filmgate.toml``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from filmgate.domain.errors import BadSettings
from filmgate.domain.refusals import RefusalPolicy
from filmgate.settings.environment import NOT_YET, VARIABLES, VENDOR_KEYS, Given, gather
from filmgate.settings.file import FileSettings, ProviderTable, read_file

__all__ = ["VENDOR_KEYS", "ProviderSettings", "Settings", "default_data", "read_settings"]

_USUAL_VARIABLES = {vendor: variable for variable, vendor in VENDOR_KEYS.items()}
_NO_VARIABLE = "the variable that key_env names in filmgate.toml"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One provider that is to be set up: how it is spoken to, where it is, and what opens it.

    ``key_env`` names the variable that its key is read from; ``film_hosts`` are hosts that its films may come
    from although they are on a private address.
    """

    name: str
    wire: str
    key: str | None = None
    base_url: str | None = None
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    key_env: str = _NO_VARIABLE
    film_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What this process was told; ``unused`` names settings that are given but have no effect yet.

    ``lanes`` holds how many videos each lane may have under way, ``per_minute`` how many it may send in a
    minute; ``routes`` are lists of ``provider/model``, best first, and ``refusals`` says what follows a
    refusal; ``drain_seconds`` is how long a stopping process may take to finish what it has begun, and
    ``database_wait_seconds`` how long a starting one waits for its database.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    environment: str = "development"
    api_key: str | None = None
    database_url: str | None = None
    postgres_binaries: Path | None = None
    public_url: str | None = None
    webhook_secret: str | None = None
    webhook_allow: tuple[str, ...] = ()
    webhook_ports: tuple[int, ...] = ()
    log_level: str = "info"
    log_pretty: bool = False
    default_model: str = "sora-2"
    worker_concurrency: int = 100
    drain_seconds: float = 20.0
    database_wait_seconds: float = 60.0
    lanes: Mapping[str, int] = field(default_factory=dict[str, int])
    per_minute: Mapping[str, int] = field(default_factory=dict[str, int])
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    refusals: RefusalPolicy = field(default_factory=RefusalPolicy)
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict[str, ProviderSettings])
    unused: tuple[str, ...] = ()

    @property
    def production(self) -> bool:
        """Whether real users depend on this process."""
        return self.environment == "production"


def default_data() -> Path:
    """Return where data is kept when nothing else is said."""
    base = os.environ.get("XDG_DATA_HOME")
    home = Path(base) if base else Path.home() / ".local" / "share"
    return home / "filmgate"


def read_settings(
    environment: Mapping[str, str], folder: Path, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Return the settings: ``overrides`` (the command line) win, then the environment, then the files."""
    file = read_file(folder / "filmgate.toml")
    named = {table.key_env for table in file.providers.values() if table.key_env is not None}
    given = gather(environment, folder, named)
    values: dict[str, object] = {}
    for name, (attribute, parse) in VARIABLES.items():
        if name in given:
            value = parse(given[name])
            if attribute is not None:
                values.setdefault(attribute, value)
    values.update(_of_file(file))
    values.update({name: value for name, value in (overrides or {}).items() if value is not None})
    values.setdefault("data", default_data())
    values["providers"] = _providers(file.providers, given)
    values["unused"] = tuple(name for name in NOT_YET if name in given)
    settings = Settings(**cast("dict[str, Any]", values))
    return _checked(settings)


def _of_file(file: FileSettings) -> dict[str, object]:
    values: dict[str, object] = {
        "lanes": file.lanes,
        "per_minute": file.per_minute,
        "routes": file.routes,
        "refusals": file.refusals,
    }
    if file.default_model is not None:
        values["default_model"] = file.default_model
    return values


def _providers(
    tables: Mapping[str, ProviderTable], given: Mapping[str, Given]
) -> dict[str, ProviderSettings]:
    """Return the providers to set up: every vendor with a key, and every server that the file names."""
    found = {
        vendor: ProviderSettings(vendor, vendor, given[variable].value.strip(), key_env=variable)
        for variable, vendor in VENDOR_KEYS.items()
        if variable in given
    }
    for name, table in tables.items():
        usual = found.get(name)
        key = usual.key if usual is not None else None
        if table.key_env is not None and table.key_env in given:
            key = given[table.key_env].value.strip()
        variable = table.key_env or _USUAL_VARIABLES.get(name, _NO_VARIABLE)
        found[name] = ProviderSettings(
            name, table.wire or name, key, table.base_url, table.models, variable, table.film_hosts
        )
    return found


def _checked(settings: Settings) -> Settings:
    if settings.production and settings.database_url is None:
        raise BadSettings(
            "DATABASE_URL is not set, and in production filmgate does not choose a database by itself. "
            "Set DATABASE_URL=postgresql://user:password@host:5432/name, or APP_ENV=development."
        )
    return settings
