"""Read the input file of a batch line by line, and find what makes it unusable as a whole."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from filmgate.domain.file_batch import ENDPOINT, MAX_LINES, FileFault

MAX_LINE_BYTES: Final = 32 * 1024**2
MAX_FAULTS: Final = 100
_MAX_CUSTOM_ID: Final = 512
_SHOWN: Final = 60
_BOM: Final = b"\xef\xbb\xbf"

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


class LineTooLong(Exception):
    """A line is longer than any request may be; ``number`` counts from 1."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"Line {number} is longer than {MAX_LINE_BYTES:,} bytes.")


@dataclass(frozen=True, slots=True)
class LineRequest:
    """The request in one line; ``number`` counts from 1, ``body`` is a JSON object, still closed."""

    number: int
    custom_id: str
    body: bytes


async def split_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the lines that are not blank with their numbers, or raise LineTooLong."""
    number, rest = 1, bytearray()
    async for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for part in whole:
            rest += part
            if line := _tidy(rest, number):
                yield number, line
            number, rest = number + 1, bytearray()
        rest += last
        if len(rest) > MAX_LINE_BYTES:
            raise LineTooLong(number)
    if line := _tidy(rest, number):
        yield number, line


def _tidy(line: bytearray, number: int) -> bytes:
    if len(line) > MAX_LINE_BYTES:
        raise LineTooLong(number)
    return bytes(line.removeprefix(_BOM) if number == 1 else line).strip()


class Inspector:
    """Look at one line after the other, and remember what is wrong with the file."""

    def __init__(self) -> None:
        self.faults: list[FileFault] = []
        self.count = 0
        self._first: dict[str, int] = {}

    @property
    def has_seen_enough(self) -> bool:
        """Whether looking on would tell nothing new."""
        return len(self.faults) >= MAX_FAULTS or self.count > MAX_LINES

    def look(self, number: int, line: bytes) -> None:
        """Look at one line."""
        self.count += 1
        read = read_line(number, line)
        if isinstance(read, FileFault):
            self.faults.append(read)
            return
        first = self._first.setdefault(read.custom_id, number)
        if first != number:
            message = f'custom_id "{read.custom_id[:_SHOWN]}" is on line {first} already.'
            self.faults.append(FileFault("duplicate_custom_id", message, number, "custom_id"))

    def verdict(self) -> tuple[FileFault, ...]:
        """Return everything that is wrong with the file, once all of it has been looked at."""
        if self.count == 0:
            return (FileFault("empty_file", "The input file holds no requests."),)
        if self.count > MAX_LINES:
            message = f"The input file has more than {MAX_LINES:,} lines. Split it into several batches."
            return (FileFault("too_many_lines", message), *self.faults[:MAX_FAULTS])
        if len(self.faults) >= MAX_FAULTS:
            message = f"Only the first {MAX_FAULTS} errors are listed; there may be more."
            return (*self.faults[:MAX_FAULTS], FileFault("too_many_errors", message))
        return tuple(self.faults)


def read_line(number: int, line: bytes) -> LineRequest | FileFault:
    """Return the request in a line, or the first thing that is wrong with it."""
    try:
        fields = _object.decode(line)
    except (ValueError, RecursionError) as error:
        message = f"The line is not a JSON object: {error}."
        return FileFault("invalid_json_line", message, number)
    for name in ("custom_id", "method", "url", "body"):
        if name not in fields:
            return FileFault("missing_required_parameter", f"{name} is missing.", number, name)
    return _read_fields(number, fields)


def _read_fields(number: int, fields: Mapping[str, msgspec.Raw]) -> LineRequest | FileFault:
    custom_id = _text_of(fields["custom_id"])
    if custom_id is None or not 0 < len(custom_id) <= _MAX_CUSTOM_ID or "\x00" in custom_id:
        message = f"custom_id is not text of 1 to {_MAX_CUSTOM_ID} characters."
        return FileFault("invalid_custom_id", message, number, "custom_id")
    if _text_of(fields["method"]) != "POST":
        return FileFault("invalid_method", "method is not POST.", number, "method")
    if _text_of(fields["url"]) != ENDPOINT:
        message = f"url is not {ENDPOINT}, the endpoint of this batch."
        return FileFault("invalid_url", message, number, "url")
    body = bytes(fields["body"])
    if not body.startswith(b"{"):
        return FileFault("invalid_body", "body is not a JSON object.", number, "body")
    return LineRequest(number, custom_id, body)


def _text_of(raw: msgspec.Raw) -> str | None:
    try:
        return _text.decode(raw)
    except ValueError:
        return None
