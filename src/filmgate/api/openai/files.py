"""Answer for OpenAI's files: upload, list, retrieve, content, delete."""

from typing import Any, Final

from litestar import Request, Response, delete, get, post
from litestar.types import ASGIApp

from filmgate.api.answers import encode
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_response
from filmgate.api.content import ContentAnswer
from filmgate.api.decoding import decode_query
from filmgate.api.face import face_of
from filmgate.api.openai.file_shapes import FileDeleted, FileQuery, file_list, file_object
from filmgate.api.openai.forms import Form, FormLimits, read_form
from filmgate.api.repeats import mark_of, replay_headers
from filmgate.api.trace import trace_of
from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.domain.file import MAX_FILE_BYTES, UPLOADABLE, life_of, read_purpose
from filmgate.services.files import AskedFile
from filmgate.services.idempotency import Created

HttpRequest = Request[Any, Any, Any]
FILES_PATH: Final = "/v1/files"

_LIMITS: Final = FormLimits(file=MAX_FILE_BYTES, text=1024**2)
_FIELDS: Final = frozenset({"file", "purpose", "expires_after"})


@post(FILES_PATH, status_code=200, request_max_body_size=None)
async def create_file(request: HttpRequest) -> Response[bytes]:
    """Take a file in."""
    services = face_of(request).services
    key = await authenticate(request)
    mark = mark_of(request.scope["headers"], f"POST {FILES_PATH}")
    async with read_form(request, _LIMITS) as form:
        asked = _asked_from(form)
        if mark is None:
            created = Created(await services.files.create(key, asked))
        else:
            created = await services.idempotency.create(key, mark, services.files.creation(key, asked))
    trace_of(request.scope).receipt = created.receipt
    return json_response(encode(file_object(created.made)), 200, replay_headers(created))


@get(FILES_PATH)
async def list_files(request: HttpRequest) -> Response[bytes]:
    """List files."""
    key = await authenticate(request)
    asked = decode_query(request.scope["query_string"], FileQuery)
    page = await face_of(request).services.files.list(
        key, asked.purpose, asked.after, asked.limit, oldest_first=asked.order == "asc"
    )
    return json_response(encode(file_list(page)))


@get(f"{FILES_PATH}/{{fileId:str}}")
async def retrieve_file(request: HttpRequest) -> Response[bytes]:
    """Tell what is known of one file."""
    key = await authenticate(request)
    file = await face_of(request).services.files.get(key, request.path_params["fileId"])
    return json_response(encode(file_object(file)))


@get(f"{FILES_PATH}/{{fileId:str}}/content")
async def retrieve_file_content(request: HttpRequest) -> ASGIApp:
    """Send the bytes of one file, whole or in part."""
    key = await authenticate(request)
    files = face_of(request).services.files
    content = await files.content(key, request.path_params["fileId"])
    return ContentAnswer(files, content, request.headers, download=True)


@delete(f"{FILES_PATH}/{{fileId:str}}", status_code=200)
async def delete_file(request: HttpRequest) -> Response[bytes]:
    """Remove one file."""
    key = await authenticate(request)
    file_id: str = request.path_params["fileId"]
    await face_of(request).services.files.delete(key, file_id)
    return json_response(encode(FileDeleted(id=file_id)))


def _asked_from(form: Form) -> AskedFile:
    problems = [_unknown(name) for name in sorted(form.names() - _FIELDS)]
    upload, purpose = form.file("file"), form.text("purpose")
    if upload is None:
        message = "file is missing, or it is empty."
        problems.append(FieldProblem("file", message, "required", "Send it as a file of a multipart form."))
    if purpose is None:
        mend = f"Give one of {', '.join(UPLOADABLE)}."
        problems.append(FieldProblem("purpose", "purpose is missing.", "required", mend, UPLOADABLE))
    life = None
    try:
        if purpose is not None:
            read_purpose(purpose)
        if form.value("expires_after") is not None:
            life = life_of(
                "expires_after", form.value("expires_after[anchor]"), form.value("expires_after[seconds]")
            )
    except InvalidRequest as error:
        problems.extend(error.problems)
    if problems or upload is None or purpose is None:
        raise InvalidRequest(problems)
    return AskedFile(upload, purpose, life)


def _unknown(name: str) -> FieldProblem:
    return FieldProblem(name[:60], f'There is no field "{name[:60]}" here.', "unknown_field", "Leave it out.")
