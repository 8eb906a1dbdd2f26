"""Check what is asked of OpenAI's videos API, and know its prices."""

import io
import re
from typing import Any, Final, cast

from PIL import Image, UnidentifiedImageError

from filmgate.twin.calls import Answer, Call, Rejected
from filmgate.twin.vendors.openai_objects import openai_error, refused

_MODEL: Final = re.compile(r"sora-2(-pro)?(-\d{4}-\d\d-\d\d)?")
_SECONDS: Final = ("4", "8", "12", "16", "20")
_SMALL: Final = {"720x1280", "1280x720"}
_LARGE: Final = {"1024x1792": 500_000, "1792x1024": 500_000, "1080x1920": 700_000, "1920x1080": 700_000}
_LONGEST_PROMPT: Final = 32_000


def check_prompt(prompt: str) -> None:
    """Reject a prompt that is missing or too long."""
    if not prompt:
        raise Rejected(
            refused("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
        )
    if len(prompt) > _LONGEST_PROMPT:
        raise Rejected(refused(f"prompt is longer than {_LONGEST_PROMPT} characters.", "prompt"))


def check_seconds(given: object) -> int:
    """Return the length; it has to be one of the known texts, never a number."""
    if not isinstance(given, str) or given not in _SECONDS:
        known = ", ".join(f"'{length}'" for length in _SECONDS)
        message = f"Invalid value: {given!r}. Supported values are: {known}."
        raise Rejected(refused(message, "seconds", "invalid_value"))
    return int(given)


def price_of(model: str, size: str) -> int:
    """Return the price of a second in micro-USD."""
    if not _MODEL.fullmatch(model):
        message = f"The model '{model}' does not exist or you do not have access to it."
        raise Rejected(Answer(openai_error(message, "invalid_request_error", code="model_not_found"), 404))
    known = _SMALL | set(_LARGE) if "pro" in model else _SMALL
    if size not in known:
        message = f"Invalid value: '{size}'. Supported values are: {', '.join(sorted(known))}."
        raise Rejected(refused(message, "size", "invalid_value"))
    return _LARGE.get(size, 300_000 if "pro" in model else 100_000)


def check_reference(call: Call, width: int, height: int) -> None:
    """Reject a reference that is no picture of the film's size, or names its picture twice or not at all."""
    file = call.body.files.get("input_reference")
    if file is not None and file.data:
        _check_picture(file.data, width, height)
    given: Any = call.fields.get("input_reference")
    if given is None:
        return
    named = set(cast("dict[str, Any]", given)) if isinstance(given, dict) else set[str]()
    if len(named & {"image_url", "file_id"}) != 1:
        message = "input_reference takes exactly one of image_url and file_id."
        raise Rejected(refused(message, "input_reference"))


def _check_picture(data: bytes, width: int, height: int) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            size = picture.size
    except UnidentifiedImageError:
        message = "input_reference must be an image/jpeg, image/png or image/webp file."
        raise Rejected(refused(message, "input_reference")) from None
    if size != (width, height):
        message = f"The reference image must be {width}x{height}, not {size[0]}x{size[1]}."
        raise Rejected(refused(message, "input_reference"))
