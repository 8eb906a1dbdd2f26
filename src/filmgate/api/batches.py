"""Answer for batches: create, list, retrieve, cancel."""

from collections.abc import Sequence
from typing import Any, Final

from litestar import Request, Response, delete, get, post

from filmgate.api.answers import batch_accepted, batch_body, batch_page, encode
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_body, json_response
from filmgate.api.decoding import decode_envelope, decode_query, decode_rows
from filmgate.api.face import BATCHES_PATH, VIDEOS_PATH, Services, face_of
from filmgate.api.inputs import BatchEnvelope, BatchQuery
from filmgate.domain.batch import Batch
from filmgate.domain.errors import InvalidRequest, NotFound
from filmgate.domain.ids import is_id
from filmgate.domain.key import Key
from filmgate.domain.video import VideoStatus
from filmgate.services.asked import AskedVideo

HttpRequest = Request[Any, Any, Any]
_UNREADABLE: Final = AskedVideo(prompt="")


@post(f"{VIDEOS_PATH}/batch", status_code=202)
async def create_batch(request: HttpRequest) -> Response[bytes]:
    """Accept many videos, all or none."""
    face = face_of(request)
    key = await authenticate(request)
    envelope = decode_envelope(await json_body(request))
    batch, jobs = await _accept(face.services, key, envelope)
    return json_response(
        encode(batch_accepted(batch, jobs)), 202, headers={"location": f"{BATCHES_PATH}/{batch.id}"}
    )


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
    services: Services, key: Key, envelope: BatchEnvelope
) -> tuple[Batch, Sequence[tuple[str, VideoStatus]]]:
    rows, problems = decode_rows(envelope)
    # A row that cannot be read stands in as an empty one: that is refused too, so nothing is
    # accepted, and the service still says what is wrong with the other rows.
    whole = [_UNREADABLE if row is None else row for row in rows]
    try:
        accepted = await services.batches.create(
            key, whole, envelope.name, envelope.webhook_url, envelope.priority or 0
        )
    except InvalidRequest as refused:
        if not problems:
            raise
        unreadable = {problem.row for problem in problems}
        problems.extend(problem for problem in refused.problems if problem.row not in unreadable)
        problems.sort(key=lambda problem: -1 if problem.row is None else problem.row)
        wrong = len({problem.row for problem in problems} - {None})
        message = f"{wrong} of {len(rows)} rows cannot be used; nothing was accepted and nothing was spent."
        raise InvalidRequest(problems, message) from None
    return accepted


def _existing_id(request: HttpRequest) -> str:
    # Only what we could have made goes to the database: nothing else can be there.
    batch_id: str = request.path_params["batchId"]
    if not is_id(batch_id, "batch"):
        raise NotFound("batch", batch_id[:64])
    return batch_id
