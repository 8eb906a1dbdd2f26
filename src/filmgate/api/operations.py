"""Describe every operation in plain words; the documentation is made of this and of the structs."""

from typing import Final

from filmgate.api import examples, inputs, schemas
from filmgate.api.face import BATCHES_PATH, VIDEOS_PATH
from filmgate.api.openai.derivation_operations import DERIVATION_OPERATIONS
from filmgate.api.openai.file_operations import FILE_OPERATIONS
from filmgate.api.openai.operations import OPENAI_OPERATIONS
from filmgate.api.openai.webhook_operations import WEBHOOK_OPERATIONS
from filmgate.api.operation import (
    CONTENT_ANSWERS,
    CONTENT_HEADERS,
    REPEATABLE,
    REPLAYED,
    Answer,
    Operation,
)

__all__ = ["OPERATIONS", "TAGS", "Answer", "Operation"]

_VIDEO: Final = f"{VIDEOS_PATH}/{{jobId}}"
_BATCH: Final = f"{BATCHES_PATH}/{{batchId}}"
_BODY_ERRORS: Final = (400, 402, 413, 415, 422)


TAGS: Final = {
    "Videos": "Ask for a video, see how it stands, fetch it.",
    "Batches": "Ask for many videos at once, and follow them together.",
    "Models": "See what can be asked for.",
    "OpenAI": "The same, as OpenAI's SDKs ask for it: change their `base_url` to this server's `/v1`.",
    "Usage": "See what it has cost.",
    "Callbacks": "Where providers tell this server that something has happened. Not for clients.",
    "Health": "See whether this server is alive and ready. No key needed.",
}

OPERATIONS: Final = (
    Operation(
        method="post",
        path=VIDEOS_PATH,
        name="createVideo",
        tag="Videos",
        summary="Generate a single video",
        description=(
            "Accepts one video. When this answers 202 the job is on disk and will be made, whatever is "
            "restarted meanwhile. Only `prompt` is needed; an unknown field is refused rather than ignored."
        ),
        body=inputs.VideoCreate,
        body_examples={"usual": examples.VIDEO_CREATE, "everything": examples.VIDEO_CREATE_FULL},
        answers={
            202: Answer(
                "Accepted.",
                schemas.VideoAccepted,
                {"accepted": examples.VIDEO_ACCEPTED},
                headers=REPLAYED,
            ),
        },
        headers=REPEATABLE,
        errors=(*_BODY_ERRORS, 404, 409),
    ),
    Operation(
        method="post",
        path=f"{VIDEOS_PATH}/batch",
        name="createBatch",
        tag="Batches",
        summary="Generate a batch of videos",
        description=(
            "Accepts up to 10,000 videos, all or none. If any row is wrong, nothing is accepted and nothing "
            "is spent: the answer lists the problems of every row."
        ),
        body=inputs.BatchCreate,
        body_examples={"two": examples.BATCH_CREATE},
        answers={
            202: Answer(
                "Accepted.",
                schemas.BatchAccepted,
                {"accepted": examples.BATCH_ACCEPTED},
                headers=REPLAYED,
            )
        },
        headers=REPEATABLE,
        errors=(*_BODY_ERRORS, 409),
    ),
    Operation(
        method="get",
        path=VIDEOS_PATH,
        name="listVideos",
        tag="Videos",
        summary="List videos",
        description="Newest first. Follow `nextCursor` until it is null.",
        query=inputs.VideoQuery,
        answers={200: Answer("One page.", schemas.VideoPage, {"page": examples.VIDEO_PAGE})},
        errors=(422,),
    ),
    Operation(
        method="get",
        path=_VIDEO,
        name="getVideo",
        tag="Videos",
        summary="Get job status",
        description=(
            "Where the video stands, what was asked, what was sent to the provider and what came. "
            "`result` and `completedAt` are null until it is done; `error` says why there is no film."
        ),
        answers={
            200: Answer(
                "The video.",
                schemas.VideoBody,
                {
                    "completed": examples.VIDEO_COMPLETED,
                    "processing": examples.VIDEO_PROCESSING,
                    "failed": examples.VIDEO_FAILED,
                },
            )
        },
        errors=(404,),
    ),
    Operation(
        method="get",
        path=f"{_VIDEO}/result",
        name="getVideoResult",
        tag="Videos",
        summary="Get video result",
        description=(
            "The finished film: signed links that work without a key, and what was measured. 409 while it "
            "is not finished, 410 when it will never have a result."
        ),
        answers={200: Answer("The film.", schemas.VideoResultBody, {"result": examples.VIDEO_RESULT})},
        errors=(404, 409, 410),
    ),
    Operation(
        method="get",
        path=f"{_VIDEO}/content",
        name="getVideoContent",
        tag="Videos",
        summary="Download a file of a video",
        description=(
            "The film, its thumbnail or its sprite sheet. Takes a key, or the signature of a link from the "
            "status or the result. One range at a time."
        ),
        query=inputs.ContentQuery,
        headers=CONTENT_HEADERS,
        answers=CONTENT_ANSWERS,
        errors=(404, 409, 410, 416, 422),
    ),
    Operation(
        method="head",
        path=f"{_VIDEO}/content",
        name="headVideoContent",
        tag="Videos",
        summary="Look at a file of a video without fetching it",
        description="The headers of the download: length, type, ETag. Every GET takes HEAD as well.",
        query=inputs.ContentQuery,
        headers=CONTENT_HEADERS,
        answers={status: Answer(answer.description) for status, answer in CONTENT_ANSWERS.items()},
        errors=(404, 409, 410, 416, 422),
    ),
    Operation(
        method="delete",
        path=_VIDEO,
        name="cancelVideo",
        tag="Videos",
        summary="Cancel job",
        description=(
            "Harmless when repeated. The message says whether the provider stopped and whether it still "
            "charges. 409 when the video has already completed or failed."
        ),
        answers={200: Answer("Cancelled.", schemas.VideoCancelled, {"cancelled": examples.VIDEO_CANCELLED})},
        errors=(404, 409),
    ),
    Operation(
        method="get",
        path=BATCHES_PATH,
        name="listBatches",
        tag="Batches",
        summary="List batches",
        description="Newest first. Follow `nextCursor` until it is null.",
        query=inputs.BatchQuery,
        answers={200: Answer("One page.", schemas.BatchPage, {"page": examples.BATCH_PAGE})},
        errors=(422,),
    ),
    Operation(
        method="get",
        path=_BATCH,
        name="getBatch",
        tag="Batches",
        summary="Get batch status",
        description=(
            "How many of its videos stand where, and what they cost. "
            "The videos themselves: `GET /api/v1/videos?batchId=…`."
        ),
        answers={200: Answer("The batch.", schemas.BatchBody, {"processing": examples.BATCH_PROCESSING})},
        errors=(404,),
    ),
    Operation(
        method="delete",
        path=_BATCH,
        name="cancelBatch",
        tag="Batches",
        summary="Cancel a batch",
        description="Cancels whatever of it has not ended; what is finished stays. Harmless when repeated.",
        answers={200: Answer("As it stands now.", schemas.BatchBody, {"now": examples.BATCH_CANCELLED})},
        errors=(404,),
    ),
    Operation(
        method="get",
        path="/api/v1/models",
        name="listModels",
        tag="Models",
        summary="List models",
        description="Every name that can be asked for, what serves it, what that can do and costs.",
        answers={200: Answer("The models.", schemas.ModelList, {"models": examples.MODEL_LIST})},
    ),
    Operation(
        method="post",
        path="/hooks/{provider}/{reference}",
        name="takeCallback",
        tag="Callbacks",
        summary="Callback of a provider",
        description=(
            "A provider calls this address about a job, with its own body and signature. What it says is "
            "only taken as a reason to ask; a callback that is not signed by the provider is refused."
        ),
        answers={204: Answer("Taken.")},
        errors=(401, 404, 503),
        keyless=True,
    ),
    Operation(
        method="get",
        path="/api/v1/usage",
        name="getUsage",
        tag="Usage",
        summary="Get usage",
        description=(
            "What the videos that were asked for in a span of time have come to: by key, batch, model, "
            "provider or day (UTC). As CSV with `format=csv` or `Accept: text/csv`."
        ),
        query=inputs.UsageQuery,
        answers={
            200: Answer("The sums.", schemas.UsageBody, {"by model": examples.USAGE}, files=("text/csv",))
        },
        errors=(422,),
    ),
    Operation(
        method="get",
        path="/health",
        name="getHealth",
        tag="Health",
        summary="Health check",
        description="Answers as long as the process does.",
        answers={200: Answer("Alive.", schemas.Alive, {"alive": examples.ALIVE})},
        keyless=True,
    ),
    Operation(
        method="get",
        path="/ready",
        name="getReadiness",
        tag="Health",
        summary="Readiness check",
        description="Whether requests can be served, with the state of each part this server depends on.",
        answers={
            200: Answer("Ready.", schemas.Ready, {"ready": examples.READY}),
            503: Answer("Not now; the parts say why.", schemas.Ready, {"unavailable": examples.UNREADY}),
        },
        keyless=True,
    ),
    *OPENAI_OPERATIONS,
    *DERIVATION_OPERATIONS,
    *FILE_OPERATIONS,
    *WEBHOOK_OPERATIONS,
)
