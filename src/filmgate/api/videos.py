"""Answer for videos: create, list, retrieve, result, content, cancel."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.types import ASGIApp

from filmgate.api.answers import (
    STATUS_OF_WORD,
    encode,
    video_accepted,
    video_body,
    video_cancelled,
    video_page,
    video_result,
)
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_body, json_response
from filmgate.api.content import ContentAnswer
from filmgate.api.decoding import decode_query, decode_video
from filmgate.api.face import VIDEOS_PATH, Links, Services, face_of
from filmgate.api.inputs import ContentQuery, VideoQuery
from filmgate.api.repeats import mark_of, replay_headers
from filmgate.api.trace import trace_of
from filmgate.domain.errors import NotFound, Unauthenticated
from filmgate.domain.ids import is_id
from filmgate.domain.key import Key
from filmgate.domain.video import Variant, Video, VideoFilter
from filmgate.services.idempotency import Created

HttpRequest = Request[Any, Any, Any]
_SHOWN = 64


async def accept_video(services: Services, key: Key, body: bytes) -> Video:
    """Read one video from a body and have it made; the hot lane and the handler share this."""
    return await services.videos.create(key, decode_video(body))


async def video_as_json(services: Services, key: Key, video_id: str, links: Links) -> bytes:
    """Return the body of one video; the hot lane and the handler share this."""
    if not is_id(video_id, "job"):
        raise NotFound("video", video_id[:_SHOWN])
    return encode(video_body(await services.videos.get(key, video_id), links))


@post(VIDEOS_PATH, status_code=202)
async def create_video(request: HttpRequest) -> Response[bytes]:
    """Accept one video."""
    services = face_of(request).services
    key = await authenticate(request)
    mark = mark_of(request.scope["headers"], f"POST {VIDEOS_PATH}")
    body = await json_body(request)
    if mark is None:
        created = Created(await accept_video(services, key, body))
    else:
        creation = services.videos.creation(key, decode_video(body))
        created = await services.idempotency.create(key, mark, creation)
    video, trace = created.made, trace_of(request.scope)
    trace.job_id, trace.receipt = video.id, created.receipt
    headers = {"location": f"{VIDEOS_PATH}/{video.id}", **replay_headers(created)}
    return json_response(encode(video_accepted(video)), 202, headers)


@get(VIDEOS_PATH)
async def list_videos(request: HttpRequest) -> Response[bytes]:
    """List videos, newest first."""
    face = face_of(request)
    key = await authenticate(request)
    asked = decode_query(request.scope["query_string"], VideoQuery)
    wanted = VideoFilter(
        status=STATUS_OF_WORD[asked.status] if asked.status else None,
        batch_id=asked.batch_id,
        model=asked.model,
        provider=asked.provider,
        text=asked.q,
        created_after=asked.created_after,
        created_before=asked.created_before,
    )
    page = await face.services.videos.list(key, wanted, asked.limit, asked.cursor)
    return json_response(encode(video_page(page, face.links(request.scope))))


@get(f"{VIDEOS_PATH}/{{jobId:str}}")
async def retrieve_video(request: HttpRequest) -> Response[bytes]:
    """Tell how one video stands."""
    face = face_of(request)
    key = await authenticate(request)
    video_id = _path_id(request)
    return json_response(await video_as_json(face.services, key, video_id, face.links(request.scope)))


@get(f"{VIDEOS_PATH}/{{jobId:str}}/result")
async def retrieve_result(request: HttpRequest) -> Response[bytes]:
    """Give the finished film of a video."""
    face = face_of(request)
    key = await authenticate(request)
    video = await face.services.videos.result(key, _existing_id(request))
    return json_response(encode(video_result(video, face.links(request.scope))))


@get(f"{VIDEOS_PATH}/{{jobId:str}}/content")
async def retrieve_content(request: HttpRequest) -> ASGIApp:
    """Send one file of a finished video, whole or in part."""
    face = face_of(request)
    asked = decode_query(request.scope["query_string"], ContentQuery)
    variant = Variant(asked.variant)
    key = await _key_or_signature(request, variant, asked)
    video_id = _existing_id(request)
    content = await face.services.videos.content(key, video_id, variant)
    return ContentAnswer(face.services.videos, content, request.headers, asked.download)


@delete(f"{VIDEOS_PATH}/{{jobId:str}}", status_code=200)
async def cancel_video(request: HttpRequest) -> Response[bytes]:
    """Cancel one video."""
    face = face_of(request)
    key = await authenticate(request)
    cancelled = await face.services.videos.cancel(key, _existing_id(request))
    return json_response(encode(video_cancelled(cancelled)))


async def _key_or_signature(request: HttpRequest, variant: Variant, asked: ContentQuery) -> Key | None:
    if asked.signature is None or "authorization" in request.headers:
        return await authenticate(request)
    links = face_of(request).services.links
    if links.verify(_path_id(request), variant, asked.expires or "", asked.signature):
        return None
    raise Unauthenticated("This link has expired or was changed; ask for the video again to get a new one.")


def _path_id(request: HttpRequest) -> str:
    video_id: str = request.path_params["jobId"]
    trace_of(request.scope).job_id = video_id if is_id(video_id, "job") else None
    return video_id


def _existing_id(request: HttpRequest) -> str:
    # Only what we could have made goes to the database: nothing else can be there.
    video_id = _path_id(request)
    if not is_id(video_id, "job"):
        raise NotFound("video", video_id[:_SHOWN])
    return video_id
