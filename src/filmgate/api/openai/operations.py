"""Describe the operations of OpenAI's wire."""

from typing import Final

from filmgate.api.openai import inputs, shapes
from filmgate.api.openai.models import MODELS_PATH
from filmgate.api.openai.videos import (
    ADJUSTED_HEADER,
    MADE_BY_HEADER,
    POLL_HEADER,
    VIDEOS_PATH,
    PageQuery,
    VariantQuery,
)
from filmgate.api.operation import CONTENT_ANSWERS, CONTENT_HEADERS, REPEATABLE, REPLAYED, Answer, Operation

TAG: Final = "OpenAI"

_VIDEO: Final = f"{VIDEOS_PATH}/{{jobId}}"
TOLD: Final = {
    POLL_HEADER: "After how many milliseconds it is worth asking again; the SDKs' polling obeys it.",
    MADE_BY_HEADER: "The provider and its model that make this.",
    ADJUSTED_HEADER: "What was changed to what can be made, as a JSON list of sentences.",
}
_BODY_ERRORS: Final = (400, 404, 409, 413, 415, 429)

OPENAI_OPERATIONS: Final = (
    Operation(
        method="post",
        path=VIDEOS_PATH,
        name="createOpenAIVideo",
        tag=TAG,
        summary="Create a video",
        description=(
            "As OpenAI's SDKs do: a multipart form with bracket fields, or JSON. The lengths and sizes that "
            "Sora made are mapped to the nearest that can be made, and the answer's headers say so. "
            "Automatic retries of the SDKs are recognised: they make no second video."
        ),
        body=inputs.OpenAIVideoCreate,
        body_examples={"usual": inputs.VIDEO_CREATE},
        multipart=("input_reference",),
        answers={
            200: Answer(
                "Accepted.",
                shapes.VideoObject,
                {"queued": inputs.VIDEO_QUEUED},
                headers=TOLD | dict(REPLAYED),
            )
        },
        headers=REPEATABLE,
        errors=_BODY_ERRORS,
    ),
    Operation(
        method="get",
        path=VIDEOS_PATH,
        name="listOpenAIVideos",
        tag=TAG,
        summary="List videos",
        description="Follow `last_id` with `after` while `has_more` is true. Deleted videos are left out.",
        query=PageQuery,
        answers={
            200: Answer(
                "One page.",
                shapes.VideoObjectList,
                {
                    "page": {
                        "object": "list",
                        "data": [inputs.VIDEO_COMPLETED],
                        "first_id": inputs.VIDEO_COMPLETED["id"],
                        "last_id": inputs.VIDEO_COMPLETED["id"],
                        "has_more": False,
                    }
                },
            )
        },
        errors=(400,),
    ),
    Operation(
        method="get",
        path=_VIDEO,
        name="getOpenAIVideo",
        tag=TAG,
        summary="Retrieve a video",
        description="A cancelled video is `failed` with the code `cancelled`: OpenAI has no word for it.",
        answers={
            200: Answer(
                "The video.",
                shapes.VideoObject,
                {"completed": inputs.VIDEO_COMPLETED, "failed": inputs.VIDEO_FAILED},
                headers=TOLD,
            )
        },
        errors=(404,),
    ),
    Operation(
        method="delete",
        path=_VIDEO,
        name="deleteOpenAIVideo",
        tag=TAG,
        summary="Delete a video",
        description=(
            "Its files are removed for good. Only a video that has ended can be deleted: 409 until then; "
            "`DELETE /api/v1/videos/{jobId}` cancels one."
        ),
        answers={
            200: Answer(
                "Deleted.",
                shapes.VideoDeleted,
                {
                    "deleted": {
                        "id": inputs.VIDEO_COMPLETED["id"],
                        "object": "video.deleted",
                        "deleted": True,
                    }
                },
            )
        },
        errors=(404, 409),
    ),
    Operation(
        method="get",
        path=f"{_VIDEO}/content",
        name="getOpenAIVideoContent",
        tag=TAG,
        summary="Download a file of a video",
        description=(
            "The film, its thumbnail or its sprite sheet. 409 until it is finished, 404 when it never "
            "will be or was deleted. One range at a time; HEAD tells the length."
        ),
        query=VariantQuery,
        headers=CONTENT_HEADERS,
        answers=CONTENT_ANSWERS,
        errors=(400, 404, 409, 416),
    ),
    Operation(
        method="get",
        path=MODELS_PATH,
        name="listOpenAIModels",
        tag=TAG,
        summary="List models",
        description="Every name that can be asked for. What each can do and costs: `GET /api/v1/models`.",
        answers={
            200: Answer(
                "The models.", shapes.ModelObjectList, {"one": {"object": "list", "data": [inputs.MODEL]}}
            )
        },
    ),
    Operation(
        method="get",
        path=f"{MODELS_PATH}/{{modelId}}",
        name="getOpenAIModel",
        tag=TAG,
        summary="Retrieve a model",
        description="A name may hold slashes.",
        answers={200: Answer("The model.", shapes.ModelObject, {"model": inputs.MODEL})},
        errors=(404,),
    ),
)
