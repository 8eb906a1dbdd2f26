"""Answer for videos on OpenAI's wire: create, list, retrieve, content, delete."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from litestar import Request, Response, delete, get, post
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from filmgate.api.answers import encode
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_response
from filmgate.api.content import ContentAnswer
from filmgate.api.decoding import decode_query
from filmgate.api.face import face_of
from filmgate.api.openai.forms import Form, FormLimits, read_form
from filmgate.api.openai.shapes import VideoDeleted, video_list, video_object
from filmgate.api.openai.words import poll_after
from filmgate.api.repeats import TRIES_HEADER, mark_of, replay_headers
from filmgate.api.schemas import VariantWord
from filmgate.api.trace import trace_of
from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound
from filmgate.domain.ids import is_id
from filmgate.domain.key import Key
from filmgate.domain.video import Variant, Video
from filmgate.services.idempotency import Created
from filmgate.services.sora import read_sora_video, sora_words
from filmgate.services.sora_videos import SoraOrder

HttpRequest = Request[Any, Any, Any]
VIDEOS_PATH: Final = "/v1/videos"
POLL_HEADER: Final = "openai-poll-after-ms"
ADJUSTED_HEADER: Final = "x-filmgate-adjustments"
MADE_BY_HEADER: Final = "x-filmgate-provider"

_LIMITS: Final = FormLimits()
_IMAGE: Final = "input_reference"
_SHOWN: Final = 64


class PageQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which videos to list."""

    after: Annotated[str, Meta(max_length=64, description="`last_id` of the page before.")] | None = None
    limit: Annotated[int, Meta(ge=0, le=100, description="How many to return, 0 to 100.")] = 20
    order: Annotated[Literal["asc", "desc"], Meta(description="`desc`: newest first.")] = "desc"


class VariantQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which file to send."""

    variant: Annotated[VariantWord, Meta(description="Which file.")] = "video"


@post(VIDEOS_PATH, status_code=200, request_max_body_size=None)
async def create_openai_video(request: HttpRequest) -> Response[bytes]:
    """Accept one video."""
    services = face_of(request).services
    key = await authenticate(request)
    mark = mark_of(request.scope["headers"], f"POST {VIDEOS_PATH}")
    async with read_form(request, _LIMITS) as form:
        order = _order(form)
        if mark is None:
            created = Created(await services.sora.create(key, order))
        else:
            created = await services.idempotency.create(key, mark, services.sora.creation(key, order))
    return created_answer(request, created)


@get(VIDEOS_PATH)
async def list_openai_videos(request: HttpRequest) -> Response[bytes]:
    """List videos that are not deleted."""
    key = await authenticate(request)
    asked = decode_query(request.scope["query_string"], PageQuery)
    if asked.after is not None and not is_id(asked.after, "job"):
        problem = FieldProblem(
            "after", "after is no id of a video.", suggestion="Give the last_id of a page."
        )
        raise InvalidRequest([problem])
    page = await face_of(request).services.deletions.page(
        key, asked.after, asked.limit, oldest_first=asked.order == "asc"
    )
    return json_response(encode(video_list(page.items, more=page.next_cursor is not None)))


@get(f"{VIDEOS_PATH}/{{jobId:str}}")
async def retrieve_openai_video(request: HttpRequest) -> Response[bytes]:
    """Tell how one video stands."""
    key = await authenticate(request)
    video = await existing_video(request, key)
    return json_response(encode(video_object(video)), 200, video_headers(video))


@get(f"{VIDEOS_PATH}/{{jobId:str}}/content")
async def retrieve_openai_content(request: HttpRequest) -> ASGIApp:
    """Send one file of a finished video, whole or in part."""
    videos = face_of(request).services.videos
    key = await authenticate(request)
    variant = Variant(decode_query(request.scope["query_string"], VariantQuery).variant)
    content = await videos.content(key, path_id(request), variant)
    return ContentAnswer(videos, content, request.headers, download=True)


@delete(f"{VIDEOS_PATH}/{{jobId:str}}", status_code=200)
async def delete_openai_video(request: HttpRequest) -> Response[bytes]:
    """Delete one video and its files."""
    key = await authenticate(request)
    video_id = path_id(request)
    # The SDK sends it again by itself where the answer was lost.
    again = request.headers.get(TRIES_HEADER.decode(), "0") != "0"
    await face_of(request).services.deletions.delete(key, video_id, again=again)
    return json_response(encode(VideoDeleted(id=video_id)))


def created_answer(request: HttpRequest, created: Created[Video]) -> Response[bytes]:
    """Return the answer to any create of a video."""
    video, trace = created.made, trace_of(request.scope)
    trace.job_id, trace.receipt = video.id, created.receipt
    headers = {**video_headers(video), **replay_headers(created)}
    return json_response(encode(video_object(video)), 200, headers)


def video_headers(video: Video) -> Mapping[str, str]:
    """Return what OpenAI's object has no place for: when to ask again, who makes it, what was changed."""
    headers = {MADE_BY_HEADER: quote(f"{video.provider}/{video.provider_model}")}
    if not video.status.final:
        headers[POLL_HEADER] = str(round(poll_after(video, datetime.now(UTC)).total_seconds() * 1000))
    if video.told:
        headers[ADJUSTED_HEADER] = json.dumps([sora_words(text) for text in video.told])
    return headers


async def existing_video(request: HttpRequest, key: Key) -> Video:
    """Return the video that the address names, unless it is another project's or was deleted."""
    video_id = path_id(request)
    video = await face_of(request).services.videos.get(key, video_id)
    if video.deleted_at is not None:
        raise NotFound("video", video_id)
    return video


def path_id(request: HttpRequest) -> str:
    """Return the id in the address, if it is one that we could have made."""
    video_id: str = request.path_params["jobId"]
    if not is_id(video_id, "job"):
        raise NotFound("video", video_id[:_SHOWN])
    trace_of(request.scope).job_id = video_id
    return video_id


def _order(form: Form) -> SoraOrder:
    stray = sorted(form.files.keys() - {_IMAGE})
    if stray:
        problem = FieldProblem(
            stray[0], f"There is no file {stray[0]} here.", "unknown_parameter", f"Send it as {_IMAGE}."
        )
        raise InvalidRequest([problem])
    return SoraOrder(read_sora_video(form.values), form.file(_IMAGE))
