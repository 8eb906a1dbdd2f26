"""Put into words what a field takes, what it was given, and what may have been meant."""

import difflib
from collections.abc import Iterable
from typing import Any, Final, cast

from msgspec import inspect, json

# Names other video APIs use for the same thing.
_SYNONYMS: Final = {
    "seconds": "duration",
    "length": "duration",
    "durationseconds": "duration",
    "size": "resolution",
    "ratio": "aspect_ratio",
    "image": "inputReference",
    "imageurl": "inputReference",
    "firstframe": "inputReference",
    "reference": "inputReference",
    "webhook": "webhookUrl",
    "callback": "webhookUrl",
    "callbackurl": "webhookUrl",
    "text": "prompt",
    "description": "prompt",
    "sound": "audio",
    "requests": "videos",
    "items": "videos",
    "rows": "videos",
    "offset": "cursor",
    "after": "cursor",
    "pagesize": "limit",
    "search": "q",
    "budget": "maxCost",
    "maxprice": "maxCost",
}
_FOUND: Final = {"{": "an object", "[": "a list", '"': "text", "t": "true", "f": "false", "n": "null"}


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to an unknown one, None when nothing is near."""
    plain = {_plain(candidate): candidate for candidate in known}
    wanted = _plain(name)
    synonym = _SYNONYMS.get(wanted)
    if synonym in plain.values():
        return synonym
    nearest = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.6)
    return plain[nearest[0]] if nearest else None


def is_written_out(kind: Any) -> bool:
    """Tell whether a field of this type is text in a query as it is in JSON, and no number or flag."""
    written = (inspect.StrType, inspect.LiteralType, inspect.DateTimeType)
    return isinstance(_bare(inspect.type_info(kind)), written)


def found(raw: bytes) -> str:
    """Say what kind of JSON value this is."""
    return _FOUND.get(raw[:1].decode("latin-1"), "a number")


def reason(complaint: str, given: str) -> tuple[str, str]:
    """Return what msgspec's complaint means for the reader, and a code: ``("is text", "wrong_type")``."""
    if "[...]" in complaint or "`key`" in complaint:
        return "holds something that does not fit", "invalid_value"
    if "got `" in complaint:
        return f"is {given}", "wrong_type"
    if "length" in complaint:
        return ("is too short" if ">=" in complaint else "is too long"), "invalid_length"
    if ">=" in complaint or "<=" in complaint or "out of range" in complaint:
        return "is out of range", "out_of_range"
    if "enum" in complaint:
        return "is none of its values", "invalid_value"
    return "cannot be used as it is", "invalid_value"


def mend(kind: Any) -> str:
    """Say what to give for a field of this type: ``Give a number, for example 5.``."""
    info = inspect.type_info(kind)
    example = _example(info)
    tail = "" if example is None else f", for example {example}"
    return f"Give {_expected(_bare(info))}{tail}."


def allowed(kind: Any) -> tuple[str, ...] | None:
    """Return the values of a field that takes only some, else None."""
    info = _bare(inspect.type_info(kind))
    return tuple(str(value) for value in info.values) if isinstance(info, inspect.LiteralType) else None


def _bare(info: inspect.Type) -> inspect.Type:
    if isinstance(info, inspect.Metadata):
        return _bare(info.type)
    if isinstance(info, inspect.UnionType):
        return next(_bare(member) for member in info.types if not isinstance(member, inspect.NoneType))
    return info


def _example(info: inspect.Type) -> str | None:
    if isinstance(info, inspect.Metadata):
        extra = cast("dict[str, Any]", info.extra_json_schema or {})
        examples = extra.get("examples", [])
        return json.encode(examples[0]).decode() if examples else None
    if isinstance(info, inspect.UnionType):
        return next((text for text in map(_example, info.types) if text is not None), None)
    return None


def _expected(info: inspect.Type) -> str:  # noqa: PLR0911 - one line per kind reads best
    match info:
        case inspect.StrType():
            return "text" + _length(info.min_length, info.max_length, "characters")
        case inspect.IntType():
            return "a whole number" + _between(info.ge, info.le)
        case inspect.FloatType():
            return "a number" + _between(info.ge, info.le)
        case inspect.DecimalType():
            return "an amount of US dollars"
        case inspect.BoolType():
            return "true or false"
        case inspect.DateTimeType():
            return "a moment such as 2025-10-16T10:00:00Z"
        case inspect.LiteralType():
            return "one of " + ", ".join(str(value) for value in info.values)
        case inspect.DictType():
            keys, values = _expected(_bare(info.key_type)), _expected(_bare(info.value_type))
            many = _length(info.min_length, info.max_length, "pairs")
            return f"an object{many}, its keys {keys}, its values {values}"
        case inspect.ListType():
            return "a list" + _length(info.min_length, info.max_length, "rows")
        case _:
            return "an object"


def _length(least: int | None, most: int | None, unit: str) -> str:
    if least and most:
        return f" of {least} to {most} {unit}"
    return f" of at most {most} {unit}" if most else ""


def _between(least: float | None, most: float | None) -> str:
    return f" from {least} to {most}" if least is not None and most is not None else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
