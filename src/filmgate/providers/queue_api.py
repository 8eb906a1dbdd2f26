"""Write orders in the fields of hosted models, and recognise our own among what a host lists.

A host of models has one queue and thousands of models, and every model names its inputs in its own way:
what differs from model to model is data here, not code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import log
from typing import Any, Literal, get_args

from filmgate.domain.errors import BadSettings, RefusalKind, Refused
from filmgate.domain.provider import CannotTell, Found, Lookup, NotThere, Order
from filmgate.domain.video import VideoRequest
from filmgate.providers.task_api import data_url

SecondsForm = Literal["int", "text", "text_s"]

# What a host's clock may differ from ours, and how far back doubt reaches.
_SKEW = timedelta(seconds=60)
_DOUBT = timedelta(hours=1)
_ASPECTS = ((16, 9), (9, 16), (1, 1), (4, 3), (3, 4), (21, 9), (9, 21), (3, 2), (2, 3))


@dataclass(frozen=True, slots=True)
class Fields:
    """Where one hosted model wants what; None where it takes no such thing.

    ``endpoint`` makes films from text, ``image_endpoint`` from an image where that is another one;
    ``seconds_as`` says whether a length is 8, "8" or "8s"; ``not_with_image`` are fields left out beside an
    image; ``fixed`` is sent as it is.
    """

    endpoint: str
    image_endpoint: str | None = None
    seconds: str | None = "duration"
    seconds_as: SecondsForm = "int"
    aspect: str | None = "aspect_ratio"
    resolution: str | None = "resolution"
    audio: str | None = "generate_audio"
    negative_prompt: str | None = "negative_prompt"
    seed: str | None = "seed"
    image: str | None = "image_url"
    not_with_image: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])


def has_image(order: Order) -> bool:
    """Tell whether a film is to be made from an image."""
    return order.image is not None or order.request.input_reference is not None


def endpoint_of(fields: Fields, order: Order) -> str:
    """Return which of a model's endpoints an order goes to."""
    return fields.image_endpoint or fields.endpoint if has_image(order) else fields.endpoint


def written(fields: Fields, order: Order) -> dict[str, Any]:
    """Return an order in a model's fields; raise Refused where it cannot be expressed."""
    body = without_image(fields, order)
    if has_image(order):
        if fields.image is None or order.image is None:
            raise Refused(RefusalKind.IMAGE, f"{order.model} was not given an image it can take.")
        body[fields.image] = data_url(order.image)
    return body


def without_image(fields: Fields, order: Order) -> dict[str, Any]:
    """Return all of an order but its image: this is what a listing is compared with."""
    asked = order.request
    named: dict[str | None, Any] = {
        fields.seconds: _seconds(asked.seconds, fields.seconds_as),
        fields.aspect: aspect_of(asked) if fields.aspect else None,
        fields.resolution: lines_of(asked) if fields.resolution else None,
        fields.audio: asked.audio,
        fields.negative_prompt: asked.negative_prompt,
        fields.seed: asked.seed,
    }
    dropped = fields.not_with_image if has_image(order) else ()
    kept = {
        name: value
        for name, value in named.items()
        if name is not None and value is not None and name not in dropped
    }
    return {**fields.fixed, "prompt": asked.prompt, **kept}


def aspect_of(asked: VideoRequest) -> str:
    """Return the aspect ratio of a request as ``16:9``; raise Refused where it has no usual name."""
    for wide, high in _ASPECTS:
        # Sizes are rounded to even numbers, so 854x480 counts as 16:9.
        if abs(log(asked.width / asked.height) - log(wide / high)) < 0.01:
            return f"{wide}:{high}"
    raise Refused(RefusalKind.REQUEST, f"{asked.size} is no aspect ratio that can be asked for.")


def lines_of(asked: VideoRequest) -> str:
    """Return the resolution of a request as ``720p`` or ``4k``."""
    short = min(asked.width, asked.height)
    return "4k" if short == 2160 else f"{short}p"


def _seconds(seconds: float, form: SecondsForm) -> int | str:
    whole = round(seconds)
    if abs(whole - seconds) > 1e-9:
        raise Refused(RefusalKind.REQUEST, f"Only whole seconds can be asked for, not {seconds:g}.")
    return whole if form == "int" else f"{whole}s" if form == "text_s" else str(whole)


def is_ours(fields: Fields, order: Order, listed: Mapping[str, Any]) -> bool:
    """Tell whether a listed input says everything that we asked for; a host may add its defaults."""
    wanted = without_image(fields, order)
    shown_image = fields.image is not None and listed.get(fields.image) is not None
    return shown_image == has_image(order) and all(
        name in listed and listed[name] == value for name, value in wanted.items()
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """One listed job that looks like ours, or may be, and when the vendor says that it was made."""

    job_id: str
    created_at: datetime
    sure: bool = True


def judge(
    candidates: Iterable[Candidate], sent_at: datetime, quiet_seconds: float, *, complete: bool
) -> Lookup:
    """Say what a listing proves of a send.

    Exactly one candidate of the time of the send is it. No candidate proves absence, where the listing was
    read whole and shows everything. All else proves nothing.
    """
    near = [one for one in candidates if one.created_at >= sent_at - _DOUBT]
    until = sent_at + timedelta(seconds=quiet_seconds)
    ours = {one.job_id: one for one in near if sent_at - _SKEW <= one.created_at <= until}
    if len(ours) == 1 and all(one.sure for one in ours.values()):
        return Found(next(iter(ours)))
    return NotThere() if complete and not near else CannotTell()


def reaches_back(moments: Iterable[datetime | None], sent_at: datetime) -> bool:
    """Tell whether a page of a listing, newest first, goes back before all that could be ours."""
    return any(moment is not None and moment < sent_at - _DOUBT for moment in moments)


def moment_of(stated: object) -> datetime | None:
    """Return a time that came as ISO 8601 or as unix seconds, None where it is neither."""
    try:
        if isinstance(stated, str):
            moment = datetime.fromisoformat(stated)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(stated, int | float) and stated > 0:
            return datetime.fromtimestamp(stated, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def fields_of(model: str, table: Mapping[str, Any]) -> Fields:
    """Return how a model wants its inputs, from a table such as ``filmgate.toml`` holds.

    ``false`` says that the model takes no such thing. Raises BadSettings over what cannot be understood.
    """
    known = set(Fields.__slots__)
    for name, value in table.items():
        if name not in known:
            raise BadSettings(f"fields of {model}: {name} is not known. Known: {', '.join(sorted(known))}.")
        if name == "seconds_as" and value not in get_args(SecondsForm):
            raise BadSettings(f"fields of {model}: seconds_as is one of {', '.join(get_args(SecondsForm))}.")
    read: dict[str, Any] = {name: None if value is False else value for name, value in table.items()}
    read["not_with_image"] = tuple(read.get("not_with_image", ()))
    read.setdefault("endpoint", model)
    return Fields(**read)
