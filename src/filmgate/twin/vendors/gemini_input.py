"""Read what an interaction asks for."""

import re
from typing import Any, Final, cast

from filmgate.twin.calls import Answer, Rejected

# shortest and longest film, in seconds
_LENGTHS: Final = {"gemini-omni-1.2-flash": (3.0, 15.0), "gemini-omni-1.1-flash": (3.0, 10.0)}
_USUAL: Final = 10.0
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)s")


def input_text(given: Any) -> str:
    """Return the text of an input: a string, a list of parts, or a list of steps with parts."""
    if isinstance(given, str):
        return given
    texts: list[str] = []
    for item in _objects(given):
        parts = _objects(item.get("content")) if "content" in item else [item]
        texts += [str(part.get("text", "")) for part in parts if part.get("type") == "text"]
    return "\n".join(texts)


def asked_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the format asked for; it may stand alone or in a list."""
    given: Any = fields.get("response_format")
    formats = _objects(given if isinstance(given, list) else [given])
    found = [form for form in formats if form.get("type", "video") == "video"]
    return found[0] if found else {}


def checked_length(asked: dict[str, Any], model: str) -> float:
    """Return the seconds asked for, which come as text with a unit."""
    stated = asked.get("duration")
    if stated is None:
        return _USUAL
    low, high = _LENGTHS[model]
    found = _DURATION.fullmatch(stated) if isinstance(stated, str) else None
    if found is None:
        raise Rejected(_refused(f"Illegal duration format {stated!r}; it must end with 's'."))
    seconds = float(found[1])
    if not low <= seconds <= high:
        raise Rejected(_refused(f"duration must be between {low:g}s and {high:g}s."))
    return seconds


def _objects(given: Any) -> list[dict[str, Any]]:
    items: list[Any] = cast("list[Any]", given) if isinstance(given, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _refused(message: str) -> Answer:
    return Answer({"error": {"message": message, "code": "invalid_request"}}, 400)
