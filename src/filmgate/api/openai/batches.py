"""Answer for OpenAI's batches, which come as files: create, list, retrieve, cancel."""

from typing import Any, Final

from litestar import Request, Response, get, post

from filmgate.api.answers import encode
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_body, json_response
from filmgate.api.decoding import decode_query, decode_struct
from filmgate.api.face import face_of
from filmgate.api.openai.batch_shapes import (
    FileBatchCreate,
    FileBatchQuery,
    asked_batch,
    batch_list,
    batch_object,
)
from filmgate.api.repeats import mark_of, replay_headers
from filmgate.api.trace import trace_of
from filmgate.services.idempotency import Created

HttpRequest = Request[Any, Any, Any]
FILE_BATCHES_PATH: Final = "/v1/batches"


@post(FILE_BATCHES_PATH, status_code=200)
async def create_file_batch(request: HttpRequest) -> Response[bytes]:
    """Accept a batch; its file is looked through afterwards."""
    services = face_of(request).services
    key = await authenticate(request)
    mark = mark_of(request.scope["headers"], f"POST {FILE_BATCHES_PATH}")
    asked = asked_batch(decode_struct(await json_body(request), FileBatchCreate))
    if mark is None:
        created = Created(await services.file_batches.create(key, asked))
    else:
        creation = services.file_batches.creation(key, asked)
        created = await services.idempotency.create(key, mark, creation)
    trace_of(request.scope).receipt = created.receipt
    return json_response(encode(batch_object(created.made)), 200, replay_headers(created))


@get(FILE_BATCHES_PATH)
async def list_file_batches(request: HttpRequest) -> Response[bytes]:
    """List batches, newest first."""
    key = await authenticate(request)
    asked = decode_query(request.scope["query_string"], FileBatchQuery)
    page = await face_of(request).services.file_batches.list(key, asked.after, asked.limit)
    return json_response(encode(batch_list(page)))


@get(f"{FILE_BATCHES_PATH}/{{batchId:str}}")
async def retrieve_file_batch(request: HttpRequest) -> Response[bytes]:
    """Tell how one batch stands."""
    key = await authenticate(request)
    batch = await face_of(request).services.file_batches.get(key, request.path_params["batchId"])
    return json_response(encode(batch_object(batch)))


@post(f"{FILE_BATCHES_PATH}/{{batchId:str}}/cancel", status_code=200)
async def cancel_file_batch(request: HttpRequest) -> Response[bytes]:
    """Have a batch cancelled."""
    key = await authenticate(request)
    batch = await face_of(request).services.file_batches.cancel(key, request.path_params["batchId"])
    return json_response(encode(batch_object(batch)))
