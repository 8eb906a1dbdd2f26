"""Read a video as OpenAI's API asks for it; errors name the fields as that API does."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, cast

import msgspec

from filmgate.domain.budget import read_amount
from filmgate.domain.errors import FieldProblem, InvalidRequest, UnknownModel
from filmgate.domain.money import Money
from filmgate.services.asked import AskedVideo

DEFAULT_MODEL: Final = "sora-2"
DEFAULT_SECONDS: Final = 4.0
DEFAULT_SIZE: Final = "720x1280"
MAX_CHARACTERS: Final = 2
MAX_PROMPT: Final = 32_000

_LARGEST_SEED: Final = 2**53 - 1
_MAX_PRIORITY: Final = 100
_MAX_PAIRS: Final = 16
_MAX_KEY: Final = 64
_MAX_VALUE: Final = 512
_MAX_URL: Final = 2048
_SHOWN: Final = 60
_FAR_TOO_LONG: Final = 10_000
_NUMBER: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")
_INTEGER: Final = re.compile(r"-?[0-9]{1,16}")
_MODEL_OF_TEXT: Final = 200

# OpenAI writes its fields with underscores; ours are taken with either spelling.
_ALIASES: Final = {
    "webhookUrl": "webhook_url",
    "negativePrompt": "negative_prompt",
    "maxCost": "max_cost",
    "inputReference": "input_reference",
}
_OUR_WORDS: Final = {"duration": "seconds", "resolution": "size", **_ALIASES}
_OUR_WORD: Final = re.compile(r"\b(" + "|".join(_OUR_WORDS) + r")\b")
# Says who the end user is; nothing here depends on it.
_IGNORED: Final = frozenset({"user", "safety_identifier"})


class _Wrong(ValueError):
    """A value that cannot be used: why, and what to give instead."""

    def __init__(self, why: str, mend: str, code: str = "invalid_value") -> None:
        self.why = why
        self.mend = mend
        self.code = code
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the image of a video comes from; one of the two is given.

    ``url`` is an https or ``data:`` address, ``file_id`` the name of an uploaded file.
    """

    url: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class SoraVideo:
    """One video as OpenAI's API asks for it; ``asked`` has no image yet, ``characters`` are ids."""

    asked: AskedVideo
    image: ImageSource | None = None
    characters: tuple[str, ...] = ()


def read_sora_video(values: Mapping[str, Any]) -> SoraVideo:
    """Return the video that the fields of a form, or a JSON object, ask for; raise with every problem."""
    read: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for given, value in values.items():
        name = _ALIASES.get(given, given)
        if value is None or name in _IGNORED:
            continue
        reader = _READERS.get(name)
        if reader is None:
            problems.append(_unknown(given))
            continue
        if name in read:
            problems.append(FieldProblem(name, f"{name} is given twice.", "repeated", "Give it once."))
            continue
        try:
            read[name] = reader(value)
        except _Wrong as wrong:
            problems.append(FieldProblem(name, f"{name} {wrong.why}.", wrong.code, wrong.mend))
    if "prompt" not in values:
        problems.append(FieldProblem("prompt", "prompt is missing.", "required", "Describe the video."))
    if problems:
        raise InvalidRequest(problems)
    return SoraVideo(
        AskedVideo(
            prompt=read["prompt"],
            model=read.get("model", DEFAULT_MODEL),
            duration=read.get("seconds", DEFAULT_SECONDS),
            resolution=read.get("size", DEFAULT_SIZE),
            seed=read.get("seed"),
            negative_prompt=read.get("negative_prompt"),
            audio=read.get("audio"),
            strict=read.get("strict", False),
            priority=read.get("priority", 0),
            max_cost=read.get("max_cost"),
            webhook_url=read.get("webhook_url"),
            metadata=read.get("metadata", {}),
            sora=True,
        ),
        read.get("input_reference"),
        read.get("characters", ()),
    )


def in_sora_words(error: InvalidRequest) -> InvalidRequest:
    """Return a refusal with its fields named as OpenAI's API names them."""
    if type(error) not in {InvalidRequest, UnknownModel}:
        return error
    problems = [
        FieldProblem(
            _OUR_WORDS.get(problem.field, problem.field),
            sora_words(problem.message),
            problem.code,
            None if problem.suggestion is None else sora_words(problem.suggestion),
            problem.allowed,
            problem.row,
        )
        for problem in error.problems
    ]
    said = str(error)
    return type(error)(problems, None if said == error.problems[0].message else sora_words(said))


def sora_words(text: str) -> str:
    """Return a sentence of ours with fields named as OpenAI's API names them."""
    text = text.replace("GET /api/v1/models", "GET /v1/models")
    return _OUR_WORD.sub(lambda match: _OUR_WORDS[match[1]], text)


def _unknown(name: str) -> FieldProblem:
    shown = name[:_SHOWN]
    near = get_close_matches(shown, _READERS, n=1, cutoff=0.6)
    mend = f"Did you mean {near[0]}?" if near else "Leave it out."
    return FieldProblem(shown, f"Unknown parameter: '{shown}'.", "unknown_parameter", mend)


def _text(limit: int) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise _Wrong("is not text", "Give text.", "wrong_type")
        if len(value) > limit:
            raise _Wrong(f"has more than {limit:,} characters", "Shorten it.", "too_long")
        return value

    return read


def _prompt(value: Any) -> str:
    prompt = _text(MAX_PROMPT)(value)
    if not prompt.strip():
        raise _Wrong("is empty", "Describe the video in words.", "required")
    return prompt


def _seconds(value: Any) -> float:
    text = value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _FAR_TOO_LONG:
        text = f"{value:g}"
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise _Wrong("is no length in seconds", 'Give a number or text such as "4", "8" or "12".')
    return float(text)


def _integer(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise _Wrong("is out of range or no whole number", f"Give one from {least} to {most}.")
        return number

    return read


def _flag(value: Any) -> bool:
    flag = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(flag, bool):
        raise _Wrong("is neither true nor false", "Give true or false.", "wrong_type")
    return flag


def _metadata(value: Any) -> Mapping[str, str]:
    mend = f"Give at most {_MAX_PAIRS} texts of {_MAX_VALUE} characters, under names of 1 to {_MAX_KEY}."
    pairs = cast("dict[Any, Any]", value) if isinstance(value, dict) else None
    if pairs is None or len(pairs) > _MAX_PAIRS:
        raise _Wrong(f"is no object of at most {_MAX_PAIRS} pairs", mend)
    for name, text in pairs.items():
        if not (isinstance(text, str) and 0 < len(name) <= _MAX_KEY and len(text) <= _MAX_VALUE):
            raise _Wrong("holds a pair that does not fit", mend)
    return cast("dict[str, str]", pairs)


def _amount(value: Any) -> Money:
    try:
        return read_amount(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    except ValueError as error:
        raise _Wrong(f"cannot be used: {error}", 'Give an amount of US dollars such as "0.50".') from None


def _characters(value: Any) -> tuple[str, ...]:
    mend = f'Give at most {MAX_CHARACTERS}, as [{{"id": "char_…"}}].'
    if not isinstance(value, list) or len(cast("list[Any]", value)) > MAX_CHARACTERS:
        raise _Wrong(f"is no list of at most {MAX_CHARACTERS}", mend)
    names = [_character(one) for one in cast("list[Any]", value)]
    if None in names:
        raise _Wrong("holds something that is no character", mend)
    return tuple(name for name in names if name is not None)


def _character(value: Any) -> str | None:
    name = cast("dict[str, Any]", value).get("id") if isinstance(value, dict) else None
    return name if isinstance(name, str) else None


def _image(value: Any) -> ImageSource:
    mend = 'Send a file, or {"image_url": "https://…"}, or {"file_id": "file_…"}: one of the two.'
    if isinstance(value, str):
        value = {"file_id" if value.startswith(("file_", "file-")) else "image_url": value}
    if not isinstance(value, dict):
        raise _Wrong("is no image", mend, "wrong_type")
    given = {name: one for name, one in cast("dict[str, Any]", value).items() if one is not None}
    if len(given) != 1 or not given.keys() <= {"image_url", "file_id"}:
        raise _Wrong("does not name one image", mend)
    ((name, one),) = given.items()
    if not isinstance(one, str) or not one:
        raise _Wrong(f"has a {name} that is no text", mend, "wrong_type")
    if name == "file_id":
        return ImageSource(file_id=one)
    if not one.startswith(("data:", "https://", "http://")):
        raise _Wrong("has an image_url that is neither https nor data:", mend)
    if len(one) > _MAX_URL and not one.startswith("data:"):
        raise _Wrong(f"has an address of more than {_MAX_URL:,} characters", "Give a shorter one.")
    return ImageSource(url=one)


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "prompt": _prompt,
    "model": _text(_MODEL_OF_TEXT),
    "seconds": _seconds,
    "size": _text(_SHOWN),
    "input_reference": _image,
    "characters": _characters,
    "seed": _integer(0, _LARGEST_SEED),
    "negative_prompt": _text(MAX_PROMPT),
    "audio": _flag,
    "strict": _flag,
    "metadata": _metadata,
    "priority": _integer(-_MAX_PRIORITY, _MAX_PRIORITY),
    "max_cost": _amount,
    "webhook_url": _text(_MAX_URL),
}
