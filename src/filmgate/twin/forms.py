"""Read request bodies as vendors do: JSON, forms with bracket fields, and files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import parse_qsl

import msgspec

_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_PARAMETER: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"|(\w+)=([^;\s]+)')


class BodyUnreadable(ValueError):
    """The body is not what its content type says."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Hold one file of a form."""

    name: str
    content_type: str
    data: bytes


@dataclass(slots=True)
class Body:
    """Hold what a body says: nested fields, files by name, and how it was encoded."""

    encoding: str
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    files: dict[str, Upload] = field(default_factory=dict[str, Upload])


def read_body(content_type: str, data: bytes) -> Body:
    """Read a body; an empty one has no fields."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _form(content_type, data)
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True)
        return Body("form", nested(pairs))
    if not data.strip():
        return Body("empty")
    if kind and not kind.endswith("json"):
        return Body("raw")
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyUnreadable(f"could not parse the JSON body: {error}") from error
    if not isinstance(fields, dict):
        raise BodyUnreadable("the JSON body is not an object")
    return Body("json", cast("dict[str, Any]", fields))


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Turn `a[b]` and `a[][c]` into objects and lists, as the official clients write them."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        head, _, _ = name.partition("[")
        keys = [head, *_PART.findall(name[len(head) :])]
        _place(result, keys, value)
    return result


def plain(body: Body) -> dict[str, Any]:
    """Return the fields with each file as its size, to compare requests with."""
    return body.fields | {name: f"{len(file.data)} bytes" for name, file in body.files.items() if file.data}


def _place(target: dict[str, Any], keys: list[str], value: str) -> None:
    key, rest = keys[0], keys[1:]
    if not rest:
        target[key] = value
    elif rest[0] == "":
        items: list[Any] = target.setdefault(key, [])
        if len(rest) == 1:
            items.append(value)
            return
        if not items or rest[1] in items[-1]:
            items.append({})
        _place(items[-1], rest[1:], value)
    else:
        inner = target.setdefault(key, {})
        if isinstance(inner, dict):
            _place(cast("dict[str, Any]", inner), rest, value)


def _form(content_type: str, data: bytes) -> Body:
    boundary = _parameters(content_type).get("boundary")
    if not boundary:
        raise BodyUnreadable("the form has no boundary")
    pairs: list[tuple[str, str]] = []
    body = Body("multipart")
    for headers, content in _parts(data, b"--" + boundary.encode()):
        stated = _parameters(headers.get("content-disposition", ""))
        name = stated.get("name", "")
        if "filename" in stated:
            kind = headers.get("content-type", "application/octet-stream")
            body.files[name] = Upload(stated["filename"], kind, content)
        else:
            pairs.append((name, content.decode("utf-8", "replace")))
    body.fields = nested(pairs)
    return body


def _parts(data: bytes, boundary: bytes) -> Iterator[tuple[Mapping[str, str], bytes]]:
    for chunk in (b"\r\n" + data).split(b"\r\n" + boundary)[1:]:
        head, separator, content = chunk.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if separator and not chunk.startswith(b"--"):
            lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
            yield {name.strip().lower(): value.strip() for name, _, value in lines}, content


def _parameters(header: str) -> dict[str, str]:
    found = _PARAMETER.finditer(header)
    return {hit[1] or hit[3]: hit[2] if hit[1] else hit[4] for hit in found}
