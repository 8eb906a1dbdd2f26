"""Answer for batches: create, list, retrieve, cancel."""

from typing import Any, Final

from litestar import Request, Response, delete, get, post

from filmgate.api.answers import batch_accepted, batch_body, batch_page, encode
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_body, json_response
from filmgate.api.decoding import decode_envelope, decode_query, decode_rows, read_max_cost
from filmgate.api.face import BATCHES_PATH, VIDEOS_PATH, Services, face_of
from filmgate.api.inputs import BatchEnvelope, BatchQuery
from filmgate.api.repeats import mark_of, replay_headers
from filmgate.api.trace import trace_of
from filmgate.domain.errors import InvalidRequest, NotFound
from filmgate.domain.idempotency import Mark
from filmgate.domain.ids import is_id
from filmgate.domain.key import Key
from filmgate.services.asked import AskedVideo
from filmgate.services.batches import AcceptedBatch, AskedBatch
from filmgate.services.idempotency import Created

HttpRequest = Request[Any, Any, Any]
_CREATE_PATH: Final = f"{VIDEOS_PATH}/batch"
_UNREADABLE: Final = AskedVideo(prompt="")


@post(_CREATE_PATH, status_code=202)
async def create_batch(request: HttpRequest) -> Response[bytes]:
    """Accept many videos, all or none."""
    services = face_of(request).services
    key = await authenticate(request)
    mark = mark_of(request.scope["headers"], f"POST {_CREATE_PATH}")
    envelope = decode_envelope(await json_body(request))
    created = await _accept(services, key, envelope, mark)
    trace_of(request.scope).receipt = created.receipt
    accepted = created.made
    headers = {"location": f"{BATCHES_PATH}/{accepted.batch.id}", **replay_headers(created)}
    return json_response(encode(batch_accepted(accepted.batch, accepted.jobs)), 202, headers)


@get(BATCHES_PATH)
async def list_batches(request: HttpRequest) -> Response[bytes]:
    """List batches, newest first."""
    face = face_of(request)
    key = await authenticate(request)
    asked = decode_query(request.scope["query_string"], BatchQuery)
    page = await face.services.batches.list(key, asked.limit, asked.cursor)
    return json_response(encode(batch_page(page)))


@get(f"{BATCHES_PATH}/{{batchId:str}}")
async def retrieve_batch(request: HttpRequest) -> Response[bytes]:
    """Tell how one batch stands."""
    key = await authenticate(request)
    batch = await face_of(request).services.batches.get(key, _existing_id(request))
    return json_response(encode(batch_body(batch)))


@delete(f"{BATCHES_PATH}/{{batchId:str}}", status_code=200)
async def cancel_batch(request: HttpRequest) -> Response[bytes]:
    """Cancel what can still be cancelled of a batch."""
    key = await authenticate(request)
    batch = await face_of(request).services.batches.cancel(key, _existing_id(request))
    return json_response(encode(batch_body(batch)))


async def _accept(
    services: Services, key: Key, envelope: BatchEnvelope, mark: Mark | None
) -> Created[AcceptedBatch]:
    rows, problems = decode_rows(envelope)
    # A row that cannot be read stands in as an empty one: that is refused too, so nothing is
    # accepted, and the service still says what is wrong with the other rows.
    whole = [_UNREADABLE if row is None else row for row in rows]
    limit = read_max_cost(envelope.max_cost)
    asked = AskedBatch(whole, envelope.name, envelope.webhook_url, envelope.priority or 0, limit)
    try:
        if mark is None or problems:
            return Created(await services.batches.accept(key, asked))
        return await services.idempotency.create(key, mark, services.batches.creation(key, asked))
    except InvalidRequest as refused:
        if not problems:
            raise
        unreadable = {problem.row for problem in problems}
        problems.extend(problem for problem in refused.problems if problem.row not in unreadable)
        problems.sort(key=lambda problem: -1 if problem.row is None else problem.row)
        wrong = len({problem.row for problem in problems} - {None})
        message = f"{wrong} of {len(rows)} rows cannot be used; nothing was accepted and nothing was spent."
        raise InvalidRequest(problems, message) from None


def _existing_id(request: HttpRequest) -> str:
    # Only what we could have made goes to the database: nothing else can be there.
    batch_id: str = request.path_params["batchId"]
    if not is_id(batch_id, "batch"):
        raise NotFound("batch", batch_id[:64])
    return batch_id
