"""Answer on OpenAI's wire for videos made from other films: remixes, edits, extensions, characters."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final, cast

from litestar import Request, Response, get, post
from msgspec import Struct

from filmgate.api.answers import encode
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_response
from filmgate.api.face import face_of
from filmgate.api.openai.forms import Form, FormLimits, read_form
from filmgate.api.openai.videos import VIDEOS_PATH, created_answer, path_id
from filmgate.api.openai.words import unix_seconds
from filmgate.api.repeats import mark_of, replay_headers
from filmgate.api.trace import trace_of
from filmgate.domain.character import Character
from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.domain.file import MAX_FILE_BYTES
from filmgate.domain.key import Key
from filmgate.domain.origin import OriginKind
from filmgate.services.derivations import Change
from filmgate.services.idempotency import Created
from filmgate.services.sora import read_sora_video
from filmgate.services.sources import Source

HttpRequest = Request[Any, Any, Any]
CHARACTERS_PATH: Final = f"{VIDEOS_PATH}/characters"

_LIMITS: Final = FormLimits(file=MAX_FILE_BYTES, text=1024**2)
_VIDEO: Final = "video"
_SHOWN: Final = 60
# What a source decides: an extension has its size, a remix also its length and its model.
_DECIDED: Final = {
    OriginKind.REMIX: frozenset({_VIDEO, "model", "seconds", "size", "input_reference", "characters"}),
    OriginKind.EDIT: frozenset({"seconds", "size", "input_reference", "characters"}),
    OriginKind.EXTENSION: frozenset({"size", "input_reference", "characters"}),
}


class CharacterObject(Struct, kw_only=True):
    """One character as OpenAI's SDKs know it."""

    id: str
    name: str
    created_at: int


@post(f"{VIDEOS_PATH}/{{jobId:str}}/remix", status_code=200, request_max_body_size=None)
async def remix_openai_video(request: HttpRequest) -> Response[bytes]:
    """Make a video anew with another prompt."""
    key = await authenticate(request)
    source = Source(path_id(request))
    async with read_form(request, _LIMITS) as form:
        return await _make(request, key, _change(form, OriginKind.REMIX, source), f"{VIDEOS_PATH}/remix")


@post(f"{VIDEOS_PATH}/edits", status_code=200, request_max_body_size=None)
async def edit_openai_video(request: HttpRequest) -> Response[bytes]:
    """Make a video anew, of this server or from a file, with another prompt."""
    key = await authenticate(request)
    async with read_form(request, _LIMITS) as form:
        change = _change(form, OriginKind.EDIT, _source(form))
        return await _make(request, key, change, f"{VIDEOS_PATH}/edits")


@post(f"{VIDEOS_PATH}/extensions", status_code=200, request_max_body_size=None)
async def extend_openai_video(request: HttpRequest) -> Response[bytes]:
    """Continue a video, of this server or from a file."""
    key = await authenticate(request)
    async with read_form(request, _LIMITS) as form:
        change = _change(form, OriginKind.EXTENSION, _source(form))
        return await _make(request, key, change, f"{VIDEOS_PATH}/extensions")


@post(CHARACTERS_PATH, status_code=200, request_max_body_size=None)
async def create_openai_character(request: HttpRequest) -> Response[bytes]:
    """Take a character in."""
    services = face_of(request).services
    key = await authenticate(request)
    mark = mark_of(request.scope["headers"], f"POST {CHARACTERS_PATH}")
    async with read_form(request, _LIMITS) as form:
        _refuse_strays(form.names() - {"name", _VIDEO})
        name = form.text("name")
        if name is None:
            mend = "Give the name that prompts will mention."
            raise InvalidRequest([FieldProblem("name", "name is missing.", "required", mend)])
        creation = services.characters.creation(key, name, _source(form))
        if mark is None:
            created = Created(await services.characters.keep(await creation.accept()))
        else:
            created = await services.idempotency.create(key, mark, creation)
    trace_of(request.scope).receipt = created.receipt
    return json_response(encode(character_object(created.made)), 200, replay_headers(created))


@get(f"{CHARACTERS_PATH}/{{characterId:str}}")
async def retrieve_openai_character(request: HttpRequest) -> Response[bytes]:
    """Tell what is known of one character."""
    key = await authenticate(request)
    character_id: str = request.path_params["characterId"]
    character = await face_of(request).services.characters.get(key, character_id)
    return json_response(encode(character_object(character)))


DERIVATION_HANDLERS: Final = (
    remix_openai_video,
    edit_openai_video,
    extend_openai_video,
    create_openai_character,
    retrieve_openai_character,
)


def character_object(character: Character) -> CharacterObject:
    """Return a character as OpenAI's SDKs know it."""
    return CharacterObject(
        id=character.id, name=character.name, created_at=unix_seconds(character.created_at)
    )


async def _make(request: HttpRequest, key: Key, change: Change, route: str) -> Response[bytes]:
    services = face_of(request).services
    mark = mark_of(request.scope["headers"], f"POST {route}")
    creation = services.derivations.creation(key, change)
    if mark is None:
        created = Created(await services.videos.keep(await creation.accept()))
    else:
        created = await services.idempotency.create(key, mark, creation)
    return created_answer(request, created)


def _change(form: Form, kind: OriginKind, source: Source) -> Change:
    decided = _DECIDED[kind]
    _refuse_strays((form.names() & decided) | (form.files.keys() - {_VIDEO}))
    asked = read_sora_video({name: value for name, value in form.values.items() if name != _VIDEO}).asked
    model = asked.model if "model" in form.values else None
    return Change(kind, source, replace(asked, model=model))


def _source(form: Form) -> Source:
    """Return the video that a form names or brings along."""
    upload, named = form.file(_VIDEO), form.value(_VIDEO)
    video_id = cast("dict[str, Any]", named).get("id") if isinstance(named, dict) else named
    if upload is not None and video_id:
        message = "video is a file and an id at once."
        raise InvalidRequest([FieldProblem(_VIDEO, message, "repeated", "Send one of them.")])
    if upload is None and not (isinstance(video_id, str) and video_id):
        mend = 'Give {"video": {"id": "job_…"}}, or send a film as the file video of a multipart form.'
        raise InvalidRequest([FieldProblem(_VIDEO, "video is missing, or names none.", "required", mend)])
    return Source(None if upload is not None else video_id, upload)


def _refuse_strays(names: Collection[str]) -> None:
    problems = [
        FieldProblem(
            name[:_SHOWN],
            f"Unknown parameter: '{name[:_SHOWN]}'.",
            "unknown_parameter",
            "Leave it out: the source decides it." if name in _DECIDED[OriginKind.REMIX] else "Leave it out.",
        )
        for name in sorted(names)
    ]
    if problems:
        raise InvalidRequest(problems)
