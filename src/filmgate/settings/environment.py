"""Read environment variables and ``.env``: every value with the place where it was given."""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from filmgate.domain.errors import BadSettings

ENVIRONMENTS = ("development", "production", "test")
LEVELS = ("debug", "info", "warning", "error")
# The names that vendors use for their keys.
VENDOR_KEYS: Mapping[str, str] = {
    "FAL_KEY": "fal",
    "GEMINI_API_KEY": "gemini",
    "RUNWAYML_API_SECRET": "runway",
    "REPLICATE_API_TOKEN": "replicate",
    "ARK_API_KEY": "ark",
}
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
# Known from the plan of this API, read by no part of this release yet.
NOT_YET = (
    "OPENAI_API_KEY",
    "OPENAI_SORA_BASE_URL",
    "OPENAI_TIMEOUT",
    "OPENAI_MAX_RETRIES",
    "RATE_LIMIT_MAX",
    "RATE_LIMIT_WINDOW",
    "REDIS_URL",
    "CORS_ORIGINS",
    "SENTRY_DSN",
)


@dataclass(frozen=True, slots=True)
class Given:
    """One value and the place where it was given."""

    name: str
    value: str
    place: str

    def refuse(self, reason: str, mend: str) -> BadSettings:
        """Return the error that names this place."""
        return BadSettings(f"{self.name} ({self.place}): {reason} {mend}")


Parser = Callable[[Given], Any]


def gather(environment: Mapping[str, str], folder: Path, extra: AbstractSet[str]) -> dict[str, Given]:
    """Return every value we know the name of, secrets read from the files that NAME_FILE names."""
    found: dict[str, Given] = {}
    known = {*VARIABLES, *NOT_YET, *VENDOR_KEYS, *extra}
    for given in [*_read_dotenv(folder / ".env"), *_from_environment(environment)]:
        name = given.name.removesuffix("_FILE")
        if given.name in known:
            found[given.name] = given
        elif name in known and given.name.endswith("_FILE"):
            found[name] = _read_secret(given, name)
    return {name: given for name, given in found.items() if given.value.strip()}


def _from_environment(environment: Mapping[str, str]) -> list[Given]:
    return [Given(name, value, "in the environment") for name, value in environment.items()]


def _read_dotenv(path: Path) -> list[Given]:
    if not path.is_file():
        return []
    found: list[Given] = []
    for binding in parse_stream(StringIO(read_text(path))):
        # The parser counts blank lines to the binding that follows them.
        text = binding.original.string.lstrip()
        blank = binding.original.string.removesuffix(text).count("\n")
        place = f"{path.name}, line {binding.original.line + blank}"
        if binding.error:
            raise BadSettings(f"{place}: “{text.rstrip()[:60]}” cannot be read. Write it as NAME=value.")
        if binding.key is not None and binding.value is not None:
            found.append(Given(binding.key, binding.value, place))
    return found


def read_text(path: Path) -> str:
    """Return the text of a file; raise BadSettings where it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path.name}: this is not text in UTF-8. Save it as such.") from error


def _read_secret(given: Given, name: str) -> Given:
    path = Path(given.value)
    try:
        return Given(name, path.read_text(encoding="utf-8").strip(), f"from {path}")
    except OSError as error:
        raise given.refuse(
            f"the file {path} cannot be read: {error.strerror}.", "Name one that can."
        ) from error
    except UnicodeDecodeError as error:
        raise given.refuse(f"the file {path} is not text in UTF-8.", "Name one that is.") from error


def _text(given: Given) -> str:
    return given.value.strip()


def _number(low: int, high: int) -> Parser:
    def parse(given: Given) -> int:
        text = given.value.strip()
        if not re.fullmatch(r"-?\d{1,9}", text) or not low <= int(text) <= high:
            reason = f"“{text}” is not a whole number from {low} to {high}."
            raise given.refuse(reason, f"Write e.g. {given.name}={max(low, 1)}.")
        return int(text)

    return parse


def _flag(given: Given) -> bool:
    text = given.value.strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    reason = f"“{given.value}” is neither true nor false."
    raise given.refuse(reason, f"Write {given.name}=true or {given.name}=false.")


def _one_of(choices: tuple[str, ...], aliases: Mapping[str, str]) -> Parser:
    def parse(given: Given) -> str:
        text = given.value.strip().lower()
        text = aliases.get(text, text)
        if text not in choices:
            near = get_close_matches(text, choices, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Write one of {', '.join(choices)}."
            raise given.refuse(f"“{given.value}” is not one of {', '.join(choices)}.", hint)
        return text

    return parse


def _secret(given: Given) -> str:
    text = given.value.strip()
    if len(text) < 8 or text == "your-api-key-here":
        raise given.refuse(
            "this is too easy to guess.", "Use at least 8 characters; 32 random ones are better."
        )
    return text


def _url(*schemes: str) -> Parser:
    def parse(given: Given) -> str:
        text = given.value.strip()
        if not _is_address(text, schemes):
            raise given.refuse(f"this is no {schemes[0]}:// address.", f"Write it as {schemes[0]}://host….")
        return text.rstrip("/")

    return parse


def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    # A database on a local socket has a path and no host.
    return parts.scheme in schemes and bool(
        parts.hostname or (parts.scheme not in {"http", "https"} and parts.path)
    )


def _storage(given: Given) -> str:
    text = given.value.strip().lower()
    if text != "local":
        reason = f"this release stores on the local disk only, not on “{text}”."
        raise given.refuse(reason, "Write STORAGE_PROVIDER=local.")
    return text


def _networks(given: Given) -> tuple[str, ...]:
    names = tuple(name.strip() for name in given.value.split(",") if name.strip())
    for name in names:
        try:
            ip_network(name)
        except ValueError as error:
            raise given.refuse(
                f"“{name}” is no network.", "Write networks as 10.1.0.0/16, with commas."
            ) from error
    return names


def _ports(given: Given) -> tuple[int, ...]:
    names = [name.strip() for name in given.value.split(",") if name.strip()]
    for name in names:
        if not re.fullmatch(r"\d{1,5}", name) or not 0 < int(name) < 65_536:
            raise given.refuse(f"“{name}” is no port.", f"Write {given.name}=9443,10443.")
    return tuple(int(name) for name in names)


def _path(given: Given) -> Path:
    return Path(given.value.strip()).expanduser()


VARIABLES: Mapping[str, tuple[str | None, Parser]] = {
    "FILMGATE_DATA": ("data", _path),
    "HOST": ("host", _text),
    "PORT": ("port", _number(0, 65535)),
    "APP_ENV": ("environment", _one_of(ENVIRONMENTS, {"prod": "production", "dev": "development"})),
    "NODE_ENV": ("environment", _one_of(ENVIRONMENTS, {"prod": "production", "dev": "development"})),
    "API_KEY": ("api_key", _secret),
    "DATABASE_URL": ("database_url", _url("postgresql", "postgres")),
    "FILMGATE_PG_BIN": ("postgres_binaries", _path),
    "PUBLIC_URL": ("public_url", _url("https", "http")),
    "WEBHOOK_SECRET": ("webhook_secret", _secret),
    "WEBHOOK_ALLOW": ("webhook_allow", _networks),
    "WEBHOOK_PORTS": ("webhook_ports", _ports),
    "LOG_LEVEL": ("log_level", _one_of(LEVELS, {"warn": "warning", "trace": "debug", "fatal": "error"})),
    "LOG_PRETTY": ("log_pretty", _flag),
    "WORKER_CONCURRENCY": ("worker_concurrency", _number(2, 10_000)),
    "DRAIN_SECONDS": ("drain_seconds", _number(0, 3600)),
    "DATABASE_WAIT_SECONDS": ("database_wait_seconds", _number(0, 86_400)),
    "STORAGE_PROVIDER": (None, _storage),
}
