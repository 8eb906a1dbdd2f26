"""Read what OpenAI's SDKs send, multipart or JSON, into one shape.

The SDKs write nested values as bracket fields, ``video[id]`` or ``characters[][id]``, and every value as
text; curl users send JSON. Handlers see the same mapping either way. Files are streamed to disk.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from litestar.exceptions import InternalServerException
from multipart import MultipartSegment, ParserError, ParserLimitReached, PushMultipartParser

from filmgate.api.bodies import JSON_TYPE, check_json
from filmgate.api.decoding import decode_object
from filmgate.api.errors import BodyTooLarge, MalformedBody, WrongContentType
from filmgate.api.face import face_of
from filmgate.api.openai.brackets import place, split
from filmgate.domain.asset import AssetTooLarge
from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.services.uploads import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from litestar import Request

    from filmgate.services.uploads import UploadService

__all__ = ["Form", "FormLimits", "Upload", "read_form"]

FORM_TYPE: Final = "multipart/form-data"
_MIB: Final = 1024**2
_MAX_PARTS: Final = 200
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class FormLimits:
    """How large a form may be, in bytes: its files together, and all of its text, or its JSON, together."""

    file: int = 20 * _MIB
    text: int = 32 * _MIB


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a request, nested as JSON would have them, and its files by field name.

    Values are text where a multipart form brought them, and typed where JSON did. Empty files and nulls
    count as left out.
    """

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    files: dict[str, Upload] = field(default_factory=dict[str, Upload])

    def value(self, name: str) -> Any:
        """Return a value by its name, ``video[id]`` for a nested one; None where it was left out."""
        found: Any = self.values
        for step in split(name):
            found = cast("dict[str, Any]", found).get(step) if isinstance(found, dict) else None
        return found

    def text(self, name: str) -> str | None:
        """Return a text by its name, None where it was left out; raise where it is something else."""
        found = self.value(name)
        if found is None or isinstance(found, str):
            return found
        message = f"{name} is not text."
        raise InvalidRequest([FieldProblem(name, message, "wrong_type", "Give text.")])

    def file(self, name: str) -> Upload | None:
        """Return a file by its field's name, None where there is none or it is empty."""
        return self.files.get(name)

    def names(self) -> set[str]:
        """Return the names of all top-level fields and files."""
        return {*self.values, *self.files}


@asynccontextmanager
async def read_form(
    request: Request[Any, Any, Any], limits: FormLimits | None = None
) -> AsyncGenerator[Form, None]:
    """Read a request's body; its files are removed at the end unless they were moved away.

    The handler must have ``request_max_body_size=None``: the limits are kept here.
    """
    limits = limits or FormLimits()
    form = Form()
    uploads = face_of(request).services.uploads
    content_type = request.headers.get("content-type") or ""
    try:
        if content_type.partition(";")[0].strip().lower() == FORM_TYPE:
            await _Reader(form, uploads, limits).read(_boundary(request), _stream(request))
        else:
            _check_type(content_type, request.headers.get("content-encoding"))
            body = await _whole(_stream(request), limits.text)
            given = decode_object(body)
            form.values.update((name, value) for name, value in given.items() if value is not None)
        yield form
    finally:
        for upload in form.files.values():
            await uploads.drop(upload)


class _Reader:
    """Read one multipart body part by part."""

    def __init__(self, form: Form, uploads: UploadService, limits: FormLimits) -> None:
        self._form = form
        self._uploads = uploads
        self._limits = limits
        self._text_left = limits.text
        self._files_left = limits.file

    async def read(self, boundary: str, stream: AsyncIterator[bytes]) -> None:
        try:
            events = _events(boundary, stream)
            async for event in events:
                if isinstance(event, MultipartSegment):
                    await self._part(event, events)
        except ParserLimitReached:
            raise BodyTooLarge(f"The form has more than {_MAX_PARTS} parts, or too long a header.") from None
        except ParserError as error:
            raise MalformedBody(f"The body is not a multipart form that can be read: {error}.") from None

    async def _part(self, segment: MultipartSegment, events: AsyncIterator[Any]) -> None:
        name = segment.name or ""
        if segment.filename is None:
            place(self._form.values, name, await self._text(name, events))
            return
        if name in self._form.files:
            raise _repeated(name)
        # All of a form together, or its many parts would fill the disk.
        try:
            upload = await self._uploads.receive(
                segment.filename or "upload", _chunks(events), self._files_left
            )
        except AssetTooLarge:
            limit = self._limits.file
            message = f"The file in {name[:_SHOWN]} is larger than {limit:,} bytes, the limit here."
            raise BodyTooLarge(message) from None
        self._files_left -= upload.size
        if upload.size:
            self._form.files[name] = upload
        else:
            await self._uploads.drop(upload)

    async def _text(self, name: str, events: AsyncIterator[Any]) -> str:
        data = bytearray()
        async for chunk in _chunks(events):
            self._text_left -= len(chunk)
            if self._text_left < 0:
                raise _too_large(self._limits.text)
            data += chunk
        try:
            text = data.decode()
        except UnicodeDecodeError:
            message = f"{name[:_SHOWN]} is not UTF-8."
            raise InvalidRequest([FieldProblem(name[:_SHOWN], message, suggestion="Send UTF-8.")]) from None
        if "\x00" in text:
            message = f"{name[:_SHOWN]} holds the control character U+0000."
            raise InvalidRequest([FieldProblem(name[:_SHOWN], message, suggestion="Remove it.")])
        return text


async def _events(boundary: str, stream: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """Yield each part's segment, then its bytes, then None."""
    with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
        async for chunk in stream:
            for event in parser.parse(chunk):
                yield event


async def _chunks(events: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    async for event in events:
        if not event:
            return
        yield event


async def _stream(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            if chunk:
                yield chunk
    except InternalServerException:
        # Litestar's way of saying that the client went away.
        raise MalformedBody("The connection ended before the body did.") from None


async def _whole(stream: AsyncIterator[bytes], limit: int) -> bytes:
    body = bytearray()
    async for chunk in stream:
        if len(body) + len(chunk) > limit:
            raise _too_large(limit)
        body += chunk
    return bytes(body)


def _boundary(request: Request[Any, Any, Any]) -> str:
    options: Mapping[str, str] = request.content_type[1]
    boundary = options.get("boundary", "")
    if not boundary:
        raise MalformedBody("The Content-Type header of this multipart form names no boundary.")
    return boundary


def _check_type(content_type: str, encoding: str | None) -> None:
    kind = content_type.partition(";")[0].strip()
    if kind.lower() != JSON_TYPE:
        said = f"not {kind[:100]}" if kind else "but it has no Content-Type"
        raise WrongContentType(f"This address takes {FORM_TYPE} or {JSON_TYPE}, {said}.")
    check_json(content_type, encoding)


def _repeated(name: str) -> InvalidRequest:
    message = f"There is more than one file in {name[:_SHOWN]}."
    return InvalidRequest([FieldProblem(name[:_SHOWN], message, "repeated", "Send one.")])


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit:,} bytes, the limit of this server.")
