"""Read ``filmgate.toml``: lanes, routes and providers; what cannot be used is refused with its line."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from filmgate.domain.errors import BadSettings
from filmgate.settings.environment import read_text

_TOP = ("default_model", "lanes", "routes", "providers")
_LANE = ("max_in_flight", "per_minute")
_PROVIDER = ("wire", "base_url", "key_env", "models")


@dataclass(frozen=True, slots=True)
class ProviderTable:
    """One provider as the file has it; None means the vendor's usual.

    ``key_env`` names the environment variable that holds the key; ``models`` are rows of the catalogue.
    """

    name: str
    wire: str | None = None
    base_url: str | None = None
    key_env: str | None = None
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What the file says; ``routes`` are lists of ``provider/model``, best first."""

    default_model: str | None = None
    lanes: Mapping[str, int] = field(default_factory=dict[str, int])
    per_minute: Mapping[str, int] = field(default_factory=dict[str, int])
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    providers: Mapping[str, ProviderTable] = field(default_factory=dict[str, ProviderTable])


def read_file(path: Path) -> FileSettings:
    """Return what the file says; a file that is not there says nothing."""
    if not path.is_file():
        return FileSettings()
    text = read_text(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path.name}: {error}. Mend that line.") from error
    return _Reader(path.name, text).read(tables)


class _Reader:
    """Turn tables into settings, knowing the text for the lines of complaints."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._lines = text.splitlines()

    def read(self, tables: Mapping[str, object]) -> FileSettings:
        self._refuse_unknown(tables, _TOP, 1)
        default = tables.get("default_model")
        if default is not None and not isinstance(default, str):
            raise self._refuse(
                "default_model", 1, "default_model must be text.", 'Write default_model = "…".'
            )
        lanes = self._tables(tables, "lanes", "max_in_flight = 5")
        return FileSettings(
            default_model=default,
            lanes=self._limits(lanes, "max_in_flight", required=True),
            per_minute=self._limits(lanes, "per_minute", required=False),
            routes=self._routes(tables.get("routes", {})),
            providers={
                name: self._provider(name, table)
                for name, table in self._tables(tables, "providers", 'base_url = "https://…"').items()
            },
        )

    def _tables(self, tables: Mapping[str, object], name: str, example: str) -> dict[str, dict[str, object]]:
        """Return the tables below a name, each known to be a table."""
        group = tables.get(name, {})
        if not isinstance(group, dict):
            raise self._refuse(name, 1, f"{name} must be tables.", f"Write [{name}.NAME].")
        for inner, table in cast("dict[str, object]", group).items():
            if not isinstance(table, dict):
                mend = f"Write [{name}.{inner}], and below it {example}."
                raise self._refuse(inner, 1, f"{name}.{inner} must be a table.", mend)
        return cast("dict[str, dict[str, object]]", group)

    def _limits(
        self, lanes: Mapping[str, Mapping[str, object]], limit: str, *, required: bool
    ) -> dict[str, int]:
        found: dict[str, int] = {}
        for name, table in lanes.items():
            header = self._line_of(name)
            self._refuse_unknown(table, _LANE, header)
            value = table.get(limit)
            if value is None and not required:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                reason = f"lanes.{name}.{limit} must be a whole number from 1."
                raise self._refuse(limit, header, reason, f"Write e.g. {limit} = 5.")
            found[name] = value
        return found

    def _routes(self, group: object) -> dict[str, tuple[str, ...]]:
        example = 'Write "sora-2" = ["fal/MODEL", "embedded/procedural-1"] below [routes].'
        if not isinstance(group, dict):
            raise self._refuse("routes", 1, "routes must be a table.", example)
        routes: dict[str, tuple[str, ...]] = {}
        for name, targets in cast("dict[str, object]", group).items():
            listed = cast("list[object]", targets) if isinstance(targets, list) else []
            if not listed or not all(isinstance(one, str) and "/" in one for one in listed):
                raise self._refuse(name, 1, f"routes.{name} must list provider/model.", example)
            routes[name] = tuple(str(one) for one in listed)
        return routes

    def _provider(self, name: str, table: Mapping[str, object]) -> ProviderTable:
        header = self._line_of(name)
        self._refuse_unknown(table, _PROVIDER, header)
        texts: dict[str, str | None] = {}
        for entry in ("wire", "base_url", "key_env"):
            value = table.get(entry)
            if value is not None and not isinstance(value, str):
                reason = f"providers.{name}.{entry} must be text."
                raise self._refuse(entry, header, reason, f'Write {entry} = "…".')
            texts[entry] = value
        models = self._tables(table, "models", 'sizes = ["1280x720"]')
        return ProviderTable(name, texts["wire"], texts["base_url"], texts["key_env"], models)

    def _refuse_unknown(self, table: Mapping[str, object], known: tuple[str, ...], after: int) -> None:
        for name in table:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
                raise self._refuse(name, after, f"{name} is not known.", hint)

    def _refuse(self, name: str, after: int, reason: str, mend: str) -> BadSettings:
        return BadSettings(f"{self._file}, line {self._line_of(name, after)}: {reason} {mend}")

    def _line_of(self, name: str, after: int = 1) -> int:
        """Return the first line from ``after`` on that holds the name, or ``after`` itself."""
        pattern = re.compile(rf"(^|[\[.\s\"]){re.escape(name)}\b")
        for number, line in enumerate(self._lines, start=1):
            if number >= after and pattern.search(line):
                return number
        return after
