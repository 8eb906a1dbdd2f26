"""Take in image references that come with a request."""

import base64
import binascii
import re
from dataclasses import dataclass

from filmgate.domain.errors import FieldProblem, InvalidRequest

MAX_IMAGE_BYTES = 20 * 1024**2
_FIELD = "inputReference"
# The four bytes after RIFF are the length of the file.
_MAGIC = {"png": rb"\x89PNG\r\n\x1a\n", "jpg": rb"\xff\xd8\xff", "webp": rb"(?s:RIFF.{4}WEBP)"}


@dataclass(frozen=True, slots=True)
class Reference:
    """The bytes of an image and the file suffix of its format."""

    data: bytes
    suffix: str


def read_reference(text: str, row: int | None = None) -> Reference:
    """Return the image that a ``data:`` URL holds, recognised by its first bytes."""

    def refuse(message: str, suggestion: str) -> InvalidRequest:
        return InvalidRequest([FieldProblem(_FIELD, message, "bad_reference", suggestion, row=row)])

    head, comma, body = text.partition(",")
    if not text.startswith("data:image/") or not comma or not head.endswith(";base64"):
        raise refuse(
            "The image must come in the request itself.",
            "Write it as data:image/png;base64,… (PNG, JPEG or WebP).",
        )
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise refuse("The image is not valid base64.", "Encode the file's bytes as base64.") from None
    if len(data) > MAX_IMAGE_BYTES:
        raise refuse(
            f"The image has {len(data):,} bytes; {MAX_IMAGE_BYTES:,} is the limit.", "Make the image smaller."
        )
    for suffix, magic in _MAGIC.items():
        if re.match(magic, data):
            return Reference(data, suffix)
    raise refuse("The bytes are neither PNG, JPEG nor WebP.", "Convert the image to one of these.")
