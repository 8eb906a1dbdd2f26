"""Read ``filmgate.toml``: lanes, routes and providers; what cannot be used is refused with its line."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from filmgate.domain.errors import BadSettings, RefusalKind
from filmgate.domain.refusals import USUAL, Reaction, RefusalPolicy, possible
from filmgate.settings.environment import read_text

_TOP = ("default_model", "lanes", "routes", "providers", "on_refusal")
_ROUTE = ("targets", "on_refusal")
_LANE = ("max_in_flight", "per_minute")
_PROVIDER = ("wire", "base_url", "key_env", "models", "film_hosts")


@dataclass(frozen=True, slots=True)
class ProviderTable:
    """One provider as the file has it; None means the vendor's usual.

    ``key_env`` names the environment variable that holds the key; ``models`` are rows of the catalogue;
    ``film_hosts`` are other hosts of the operator's that its films may come from.
    """

    name: str
    wire: str | None = None
    base_url: str | None = None
    key_env: str | None = None
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    film_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What the file says; ``routes`` are lists of ``provider/model``, best first."""

    default_model: str | None = None
    lanes: Mapping[str, int] = field(default_factory=dict[str, int])
    per_minute: Mapping[str, int] = field(default_factory=dict[str, int])
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    refusals: RefusalPolicy = field(default_factory=RefusalPolicy)
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
            refusals=self._refusals(tables),
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
        for name, given in cast("dict[str, object]", group).items():
            targets = given
            if isinstance(given, dict):
                table = cast("dict[str, object]", given)
                self._refuse_unknown(table, _ROUTE, self._line_of(name))
                targets = table.get("targets")
            listed = cast("list[object]", targets) if isinstance(targets, list) else []
            if not listed or not all(isinstance(one, str) and "/" in one for one in listed):
                raise self._refuse(name, 1, f"routes.{name} must list provider/model.", example)
            routes[name] = tuple(str(one) for one in listed)
        return routes

    def _refusals(self, tables: Mapping[str, object]) -> RefusalPolicy:
        """Return what follows refusals, everywhere and on those routes that are written as tables."""
        routes = cast("dict[str, object]", tables.get("routes", {}))
        found = {
            name: self._reactions(cast("dict[str, object]", table)["on_refusal"], self._line_of(name))
            for name, table in routes.items()
            if isinstance(table, dict) and "on_refusal" in table
        }
        return RefusalPolicy(self._reactions(tables.get("on_refusal", {}), 1), found)

    def _reactions(self, group: object, after: int) -> dict[RefusalKind, Reaction]:
        example = 'Write e.g. on_refusal = { quota = "wait", prompt = "fail" }.'
        if not isinstance(group, dict):
            raise self._refuse("on_refusal", after, "on_refusal must be a table.", example)
        header = self._line_of("on_refusal", after)
        table = cast("dict[str, object]", group)
        self._refuse_unknown(table, tuple(kind.value for kind in RefusalKind), header)
        found: dict[RefusalKind, Reaction] = {}
        for name, value in table.items():
            words = [reaction.value for reaction in possible(RefusalKind(name))]
            if value not in words:
                why = " Waiting mends nothing about it." if value == Reaction.WAIT else ""
                reason = f"on_refusal.{name} is {_one_of(words)}, not {value!r}.{why}"
                raise self._refuse(name, header, reason, f'Write {name} = "{USUAL[RefusalKind(name)]}".')
            found[RefusalKind(name)] = Reaction(str(value))
        return found

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
        return ProviderTable(
            name,
            texts["wire"],
            texts["base_url"],
            texts["key_env"],
            models,
            self._hosts(name, table.get("film_hosts", []), header),
        )

    def _hosts(self, provider: str, given: object, after: int) -> tuple[str, ...]:
        hosts = cast("list[object]", given) if isinstance(given, list) else [given]
        if not all(isinstance(host, str) and re.fullmatch(r"[\w.:-]+", host) for host in hosts):
            reason = f"providers.{provider}.film_hosts must list names of hosts, without http:// and port."
            raise self._refuse("film_hosts", after, reason, 'Write film_hosts = ["minio.lan"].')
        return tuple(str(host) for host in hosts)

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


def _one_of(words: Sequence[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)
