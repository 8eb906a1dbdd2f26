"""Describe the operations on OpenAI's wire that make videos from other films."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from filmgate.api.openai import inputs, shapes
from filmgate.api.openai.derivations import CHARACTERS_PATH, CharacterObject
from filmgate.api.openai.operations import TAG, TOLD
from filmgate.api.openai.videos import VIDEOS_PATH
from filmgate.api.operation import REPEATABLE, REPLAYED, Answer, Operation

_BODY_ERRORS: Final = (400, 404, 409, 413, 415, 429)
_SOURCE: Final = {"id": "job_01k7m3z9f4t8q2v6x0c5b1n7dh"}


class VideoReference(Struct, kw_only=True):
    """A finished video of yours; in a form `video[id]`, or a film itself as the file `video`."""

    id: str


class VideoRemix(Struct, kw_only=True):
    """What is to change; everything else stays as it was asked for."""

    prompt: Annotated[str, Meta(max_length=32_000, description="What is to be seen instead.")]


class VideoEdit(VideoRemix, kw_only=True):
    """What is to change, and of which film."""

    video: VideoReference
    model: Annotated[str, Meta(description="Left out, the one that made the source.")] | None = None


class VideoExtend(VideoEdit, kw_only=True):
    """How a film is to go on."""

    seconds: Annotated[
        str | float, Meta(description="How much is added: 20 at most, and the whole film 120 at most.")
    ] = "4"


class CharacterCreate(Struct, kw_only=True):
    """Whoever or whatever is to be seen again."""

    name: Annotated[str, Meta(min_length=1, max_length=80, description="Prompts must mention it.")]
    video: VideoReference


_CHARACTER: Final[dict[str, Any]] = {
    "id": "char_01k7m3z9f4t8q2v6x0c5b1n7dh",
    "name": "Mossy",
    "created_at": 1760608800,
}
_REMIX: Final[dict[str, Any]] = inputs.VIDEO_QUEUED | {
    "id": "job_01k7m3zf2q8w4s6y0d5h1p7vkt",
    "prompt": "The same harbour in snow",
    "remixed_from_video_id": _SOURCE["id"],
}
_EXTENSION: Final[dict[str, Any]] = inputs.VIDEO_QUEUED | {
    "id": "job_01k7m3zf2q9b3r5t7m1x4c6ngz",
    "prompt": "The kite rises into the clouds",
    "seconds": "12",
}


def _accepted(example: dict[str, Any]) -> dict[int, Answer]:
    headers = {**TOLD, **REPLAYED}
    return {200: Answer("Accepted.", shapes.VideoObject, {"queued": example}, headers=headers)}


DERIVATION_OPERATIONS: Final = (
    Operation(
        method="post",
        path=f"{VIDEOS_PATH}/{{jobId}}/remix",
        name="remixOpenAIVideo",
        tag=TAG,
        summary="Remix a video",
        description=(
            "Makes a new video of the same model, size and length from the new prompt and the first frame of "
            "the source, or the image that the source was made from."
        ),
        body=VideoRemix,
        body_examples={"usual": {"prompt": _REMIX["prompt"]}},
        multipart=(),
        answers=_accepted(_REMIX),
        headers=REPEATABLE,
        errors=_BODY_ERRORS,
    ),
    Operation(
        method="post",
        path=f"{VIDEOS_PATH}/edits",
        name="editOpenAIVideo",
        tag=TAG,
        summary="Edit a video",
        description=(
            "Like a remix, also of a film that comes with the request: 200 MiB at most, mp4, mov or webm. A "
            "size or a length that the model cannot make becomes the nearest, and the headers say so."
        ),
        body=VideoEdit,
        body_examples={"usual": {"prompt": _REMIX["prompt"], "video": _SOURCE, "model": None}},
        multipart=("video",),
        answers=_accepted(_REMIX),
        headers=REPEATABLE,
        errors=_BODY_ERRORS,
    ),
    Operation(
        method="post",
        path=f"{VIDEOS_PATH}/extensions",
        name="extendOpenAIVideo",
        tag=TAG,
        summary="Extend a video",
        description=(
            "Makes a new part from the last frame of the source and joins both to one film: packet by packet "
            "where their encodings agree, else encoded anew in the source's size; the headers say which. "
            "`seconds` in the answer are those of the whole film. Only the new part is paid for."
        ),
        body=VideoExtend,
        body_examples={
            "usual": {"prompt": _EXTENSION["prompt"], "video": _SOURCE, "model": None, "seconds": "4"}
        },
        multipart=("video",),
        answers=_accepted(_EXTENSION),
        headers=REPEATABLE,
        errors=_BODY_ERRORS,
    ),
    Operation(
        method="post",
        path=CHARACTERS_PATH,
        name="createOpenAICharacter",
        tag=TAG,
        summary="Create a character",
        description=(
            "Keeps a clip of a minute at most and a picture from it. A video that names the character in "
            "`characters`, and in its prompt, starts from that picture; two characters stand side by side."
        ),
        body=CharacterCreate,
        body_examples={"usual": {"name": "Mossy", "video": _SOURCE}},
        multipart=("video",),
        answers={200: Answer("Kept.", CharacterObject, {"character": _CHARACTER}, headers=REPLAYED)},
        headers=REPEATABLE,
        errors=(400, 404, 409, 413, 415),
    ),
    Operation(
        method="get",
        path=f"{CHARACTERS_PATH}/{{characterId}}",
        name="getOpenAICharacter",
        tag=TAG,
        summary="Retrieve a character",
        description="What is known of it.",
        answers={200: Answer("The character.", CharacterObject, {"character": _CHARACTER})},
        errors=(404,),
    ),
)
