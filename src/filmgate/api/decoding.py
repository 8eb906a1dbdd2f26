"""Read request bodies and queries; where they are wrong, say for every field why and how to mend it.

The straight way is one pass of msgspec. Only when that fails is the same input taken apart field by
field, so that a client learns everything that is wrong at once.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from filmgate.api.errors import MalformedBody
from filmgate.api.inputs import BatchEnvelope, MaxCost, VideoCreate
from filmgate.api.wording import allowed, did_you_mean, found, is_written_out, mend, reason
from filmgate.domain.batch import MAX_BATCH_ROWS
from filmgate.domain.budget import read_amount
from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.domain.money import Money
from filmgate.services.asked import AskedVideo

S = TypeVar("S", bound=msgspec.Struct)
G = TypeVar("G")

_MAX_QUERY_FIELDS = 50
_SHOWN = 60
_NUL_ESCAPE: Final = b"\\u0000"
_LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_REASON = re.compile(r"(?:JSON is malformed: )?(?P<reason>.*?)(?: \(byte (?P<byte>\d+)\))?")

_video = msgspec.json.Decoder(VideoCreate)
_envelope = msgspec.json.Decoder(BatchEnvelope)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any_object = msgspec.json.Decoder(dict[str, Any])


def decode_video(body: bytes) -> AskedVideo:
    """Return the video a body asks for."""
    return _asked_from(_read(body, _video, VideoCreate))


def decode_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds, whatever is in it."""
    try:
        values = _any_object.decode(body)
    except msgspec.ValidationError:
        message = f"The body is {found(body.lstrip())}."
        raise InvalidRequest([FieldProblem("body", message, "wrong_type", "Send a JSON object.")]) from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply to be read.") from None
    except ValueError as error:
        empty = "The body is empty; send a JSON object."
        raise MalformedBody(_where(body, error) if body.strip() else empty) from None
    if _NUL_ESCAPE in body:
        problems = [
            FieldProblem(name[:_SHOWN], f"{name[:_SHOWN]} holds the control character U+0000.")
            for name, value in values.items()
            if "\x00" in name or _holds_nul_anywhere(value)
        ]
        if problems:
            raise InvalidRequest(problems)
    return values


def decode_struct(body: bytes, kind: type[S]) -> S:
    """Return the struct that a body holds."""
    return _read(body, msgspec.json.Decoder(kind), kind)


def decode_envelope(body: bytes) -> BatchEnvelope:
    """Return a batch with its rows still closed."""
    envelope = _read(body, _envelope, BatchEnvelope)
    if not envelope.videos:
        raise InvalidRequest(
            [FieldProblem("videos", "The batch is empty.", "required", "Give at least one video.")]
        )
    if len(envelope.videos) > MAX_BATCH_ROWS:
        message = f"The batch has {len(envelope.videos):,} rows; {MAX_BATCH_ROWS:,} is the limit."
        raise InvalidRequest([FieldProblem("videos", message, "too_many", "Send several batches.")])
    return envelope


def decode_rows(envelope: BatchEnvelope) -> tuple[list[AskedVideo | None], list[FieldProblem]]:
    """Open the rows of a batch one by one; a row that cannot be read is None and has problems."""
    rows: list[AskedVideo | None] = []
    problems: list[FieldProblem] = []
    for index, raw in enumerate(envelope.videos):
        try:
            rows.append(_asked_from(_read(bytes(raw), _video, VideoCreate)))
        except InvalidRequest as refused:
            rows.append(None)
            problems.extend(replace(problem, row=index) for problem in refused.problems)
    return rows, problems


def decode_query(query: bytes, kind: type[S]) -> S:
    """Return the parameters of an address; an empty one counts as left out."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError:
        message = f"The address has more than {_MAX_QUERY_FIELDS} parameters."
        raise InvalidRequest([FieldProblem("query", message, "too_many")]) from None
    values, problems = _examine(dict(pairs), kind, _from_text, lambda _: "something else")
    names = [name for name, _ in pairs]
    problems.extend(
        FieldProblem(name[:_SHOWN], f"{name[:_SHOWN]} is given more than once.", "repeated", "Give it once.")
        for name in dict.fromkeys(name for name in names if names.count(name) > 1)
    )
    if problems:
        raise InvalidRequest(problems)
    return kind(**values)


def _asked_from(video: VideoCreate) -> AskedVideo:
    ratio, same_ratio = video.aspect_ratio, video.aspect_ratio_camel
    if ratio is not None and same_ratio is not None and ratio != same_ratio:
        message = "aspect_ratio and aspectRatio contradict each other."
        raise InvalidRequest([FieldProblem("aspect_ratio", message, suggestion="Send one of them.")])
    return AskedVideo(
        prompt=video.prompt,
        model=video.model,
        duration=video.duration,
        resolution=video.resolution,
        aspect_ratio=same_ratio if ratio is None else ratio,
        seed=video.seed,
        negative_prompt=video.negative_prompt,
        audio=video.audio,
        input_reference=video.input_reference,
        strict=video.strict or False,
        priority=video.priority or 0,
        max_cost=read_max_cost(video.max_cost),
        webhook_url=video.webhook_url,
        metadata=video.metadata or {},
    )


def read_max_cost(dollars: Decimal | None) -> Money | None:
    """Return the limit that a client has set, None where it has set none."""
    if dollars is None:
        return None
    try:
        return read_amount(str(dollars))
    except ValueError as error:
        message = f"maxCost: {error}."
        raise InvalidRequest([FieldProblem("maxCost", message, "out_of_range", mend(MaxCost))]) from None


def _read(body: bytes, decoder: msgspec.json.Decoder[S], kind: type[S]) -> S:
    # PostgreSQL's text cannot hold U+0000, and only this escape can bring one in.
    if _NUL_ESCAPE not in body:
        try:
            return decoder.decode(body)
        except (ValueError, RecursionError):
            pass
    try:
        given = _object.decode(body)
        values, problems = _examine(given, kind, _from_json, lambda raw: found(bytes(raw)))
    except msgspec.ValidationError:
        message = f"The body is {found(body.lstrip())}."
        raise InvalidRequest([FieldProblem("body", message, "wrong_type", "Send a JSON object.")]) from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply to be read.") from None
    except ValueError as error:
        empty = "The body is empty; send a JSON object."
        raise MalformedBody(_where(body, error) if body.strip() else empty) from None
    if problems:
        raise InvalidRequest(problems)
    return kind(**values)


def _examine(
    given: Mapping[str, G], kind: type[S], read: Callable[[G, Any], Any], words: Callable[[G], str]
) -> tuple[dict[str, Any], list[FieldProblem]]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, field in fields.items():
        if name not in given:
            if field.required:
                problems.append(FieldProblem(name, f"{name} is missing.", "required", mend(field.type)))
            continue
        try:
            value = read(given[name], field.type)
        except msgspec.ValidationError as error:
            problems.append(_wrong(name, field.type, reason(str(error), words(given[name]))))
            continue
        values[field.name] = value
        if _holds_nul(value):
            message = f"{name} holds the control character U+0000."
            problems.append(FieldProblem(name, message, suggestion="Remove it."))
    if kind.__struct_config__.forbid_unknown_fields:
        problems.extend(_unknown(name, fields) for name in given if name not in fields)
    return values, problems


def _wrong(name: str, kind: Any, why: tuple[str, str]) -> FieldProblem:
    return FieldProblem(name, f"{name} {why[0]}.", why[1], mend(kind), allowed(kind))


def _unknown(name: str, fields: Mapping[str, Any]) -> FieldProblem:
    shown = name[:_SHOWN]
    nearest = did_you_mean(shown, fields)
    suggestion = f"Did you mean {nearest}?" if nearest else "Leave it out."
    return FieldProblem(shown, f'There is no field "{shown}" here.', "unknown_field", suggestion)


def _from_json(raw: msgspec.Raw, kind: Any) -> Any:
    return msgspec.json.decode(raw, type=kind)


def _from_text(text: str, kind: Any) -> Any:
    # Lax reading makes numbers and flags of text, but would take 2025 for a moment and null for nothing.
    value = msgspec.convert(text, kind, strict=is_written_out(kind))
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        pairs = cast("dict[str, str]", value).items()
        return any("\x00" in key or "\x00" in text for key, text in pairs)
    return False


def _holds_nul_anywhere(value: Any) -> bool:
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return any("\x00" in key or _holds_nul_anywhere(inner) for key, inner in pairs)
    if isinstance(value, list):
        return any(map(_holds_nul_anywhere, cast("list[Any]", value)))
    return isinstance(value, str) and "\x00" in value


def _where(body: bytes, error: ValueError) -> str:
    reason, position = _locate(body, error)
    before = body[:position]
    line = before.count(b"\n") + 1
    column = position - (before.rfind(b"\n") + 1) + 1
    return f"The body is not valid JSON: {reason} at line {line}, column {column} (byte {position})."


def _locate(body: bytes, error: ValueError) -> tuple[str, int]:
    try:
        body.decode()
    except UnicodeDecodeError as broken:
        return "bytes that are not UTF-8", broken.start
    lone = _LONE_SURROGATE.search(body)
    if lone:
        return "half of a surrogate pair", lone.start()
    parts = _REASON.fullmatch(str(error))
    if parts and parts["byte"]:
        # msgspec has already stepped over the first byte that is too many
        late = parts["reason"] == "trailing characters"
        return parts["reason"], int(parts["byte"]) - late
    return "the end comes too early", len(body)
