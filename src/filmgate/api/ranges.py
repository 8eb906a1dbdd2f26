"""Decide by RFC 9110 what part of a file a request gets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from filmgate.api.errors import RangeUnsatisfiable

_RANGE = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.IGNORECASE)
_ETAG: Final = re.compile(r'(?:W/)?"[^"]*"')


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes ``start`` up to, not including, ``stop``; ``partial`` when that was asked for."""

    start: int
    stop: int
    partial: bool


def http_date(moment: datetime) -> str:
    """Write a moment as HTTP does."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def unchanged(headers: Mapping[str, str], etag: str, modified_at: datetime) -> bool:
    """Tell whether the client already has this file."""
    known = headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or etag in (tag.removeprefix("W/") for tag in _ETAG.findall(known))
    since = _moment(headers.get("if-modified-since"))
    return since is not None and modified_at.replace(microsecond=0) <= since


def choose_slice(headers: Mapping[str, str], size: int, etag: str, modified_at: datetime) -> Slice:
    """Return what to send; raise RangeUnsatisfiable where nothing of it exists.

    Several ranges, other units and malformed ranges are answered with the whole file.
    """
    whole = Slice(0, size, partial=False)
    asked = _RANGE.fullmatch(headers.get("range", ""))
    if asked is None or not _still_the_same(headers.get("if-range"), etag, modified_at):
        return whole
    first, last = asked.groups()
    if first:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return whole
    elif last:
        start, stop = max(0, size - int(last)), size
    else:
        return whole
    if start >= size or start >= stop:
        raise RangeUnsatisfiable(size)
    return Slice(start, stop, partial=True)


def _still_the_same(condition: str | None, etag: str, modified_at: datetime) -> bool:
    if condition is None:
        return True
    if '"' in condition:
        return condition.strip() == etag
    return condition.strip() == http_date(modified_at)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
