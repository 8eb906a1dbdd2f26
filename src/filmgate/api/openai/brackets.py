"""Resolve the bracket names of form fields: ``video[id]``, ``characters[][id]``, ``metadata[shot]``."""

import re
from typing import Any, Final, cast

from filmgate.domain.errors import FieldProblem, InvalidRequest

# U+0000 fits into no column of text.
_NAME: Final = re.compile(r"([^\[\]\x00]+)((?:\[[^\[\]\x00]*\])*)")
_STEP: Final = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST: Final = 4
_SHOWN: Final = 60


def split(name: str) -> list[str]:
    """Return the steps that a name leads through, an empty one where an element is appended."""
    match = _NAME.fullmatch(name)
    steps = [] if match is None else [match[1], *_STEP.findall(match[2])]
    if not 0 < len(steps) <= _DEEPEST:
        message = f'"{name[:_SHOWN]}" is no name of a field.'
        mend = "Write nested fields as video[id]."
        raise InvalidRequest([FieldProblem(name[:_SHOWN], message, "unknown_field", mend)])
    return steps


def place(values: dict[str, Any], name: str, text: str) -> None:
    """Put a text where its name leads; raise where the names of a form contradict each other."""
    first, *steps = split(name)
    if not _put(values, first, steps, text):
        message = f"{name[:_SHOWN]} contradicts another field, or is given more than once."
        raise InvalidRequest([FieldProblem(name[:_SHOWN], message, "repeated", "Give it once.")])


def _put(holder: dict[str, Any], step: str, rest: list[str], text: str) -> bool:
    if not rest:
        return holder.setdefault(step, text) is text
    if rest[0]:
        inner = holder.setdefault(step, {})
        return isinstance(inner, dict) and _put(cast("dict[str, Any]", inner), rest[0], rest[1:], text)
    inner = holder.setdefault(step, [])
    return isinstance(inner, list) and _append(cast("list[Any]", inner), rest[1:], text)


def _append(elements: list[Any], rest: list[str], text: str) -> bool:
    """Put a text into the last element, or into a new one where that already has it."""
    if not rest:
        elements.append(text)
        return True
    if not rest[0]:
        return False
    last = elements[-1] if elements else None
    if not isinstance(last, dict) or rest[0] in last:
        last = dict[str, Any]()
        elements.append(last)
    return _put(cast("dict[str, Any]", last), rest[0], rest[1:], text)
