"""Describe OpenAI's operations on files and batches."""

from typing import Any, Final

from filmgate.api.openai import batch_shapes, file_shapes
from filmgate.api.openai.batches import (
    FILE_BATCHES_PATH,
    cancel_file_batch,
    create_file_batch,
    list_file_batches,
    retrieve_file_batch,
)
from filmgate.api.openai.files import (
    FILES_PATH,
    create_file,
    delete_file,
    list_files,
    retrieve_file,
    retrieve_file_content,
)
from filmgate.api.operation import CONTENT_HEADERS, REPEATABLE, REPLAYED, Answer, Operation

FILE_HANDLERS: Final = (
    create_file,
    list_files,
    retrieve_file,
    retrieve_file_content,
    delete_file,
    create_file_batch,
    list_file_batches,
    retrieve_file_batch,
    cancel_file_batch,
)

_TAG: Final = "OpenAI"
_FILE_PATH: Final = f"{FILES_PATH}/{{fileId}}"
_BATCH_PATH: Final = f"{FILE_BATCHES_PATH}/{{batchId}}"
_BYTES: Final = ("application/octet-stream", "application/jsonl")
_EXAMPLE: Final = "01k7m3z9f4t8q2v6x0c5b1n7dh"

_FILE: Final[dict[str, Any]] = {
    "id": f"file_{_EXAMPLE}",
    "object": "file",
    "bytes": 302,
    "created_at": 1760608800,
    "expires_at": 1763200800,
    "filename": "shots.jsonl",
    "purpose": "batch",
    "status": "processed",
    "status_details": None,
}
_VALIDATING: Final[dict[str, Any]] = {
    "id": f"batch_{_EXAMPLE}",
    "object": "batch",
    "endpoint": "/v1/videos",
    "model": None,
    "errors": None,
    "input_file_id": f"file_{_EXAMPLE}",
    "completion_window": "24h",
    "status": "validating",
    "output_file_id": None,
    "error_file_id": None,
    "created_at": 1760608810,
    "in_progress_at": None,
    "expires_at": 1760695210,
    "finalizing_at": None,
    "completed_at": None,
    "failed_at": None,
    "expired_at": None,
    "cancelling_at": None,
    "cancelled_at": None,
    "request_counts": {"total": 0, "completed": 0, "failed": 0},
    "usage": None,
    "metadata": {"film": "harbour"},
}
_COMPLETED: Final[dict[str, Any]] = _VALIDATING | {
    "model": "sora-2",
    "status": "completed",
    "output_file_id": "file_01k7m3zf2q8w4s6y0d5h1p7vkt",
    "error_file_id": "file_01k7m3zf2q9b3r5t7m1x4c6ngz",
    "in_progress_at": 1760608812,
    "finalizing_at": 1760609700,
    "completed_at": 1760609701,
    "request_counts": {"total": 3, "completed": 2, "failed": 1},
}
_FAILED: Final[dict[str, Any]] = _VALIDATING | {
    "status": "failed",
    "failed_at": 1760608812,
    "errors": {
        "object": "list",
        "data": [
            {
                "code": "duplicate_custom_id",
                "line": 2,
                "message": 'custom_id "shot-1" is on line 1 already.',
                "param": "custom_id",
            }
        ],
    },
}
_CANCELLING: Final[dict[str, Any]] = _VALIDATING | {"status": "cancelling", "cancelling_at": 1760608900}


def _page(one: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": [one], "first_id": one["id"], "last_id": one["id"], "has_more": False}


FILE_OPERATIONS: Final = (
    Operation(
        method="post",
        path=FILES_PATH,
        name="createFile",
        tag=_TAG,
        summary="Upload a file",
        description=(
            "As a multipart form, 200 MiB at most: the input of a batch with `purpose=batch`, or an image to "
            "be named as `input_reference[file_id]`."
        ),
        body=file_shapes.FileCreate,
        body_examples={"batch": {"file": "the file itself", "purpose": "batch", "expires_after": None}},
        multipart=("file",),
        answers={200: Answer("Kept.", file_shapes.FileObject, {"file": _FILE}, headers=REPLAYED)},
        headers=REPEATABLE,
        errors=(400, 409, 413, 415),
    ),
    Operation(
        method="get",
        path=FILES_PATH,
        name="listFiles",
        tag=_TAG,
        summary="List files",
        description="Follow `last_id` with `after` while `has_more` is true.",
        query=file_shapes.FileQuery,
        answers={200: Answer("One page.", file_shapes.FileObjectList, {"page": _page(_FILE)})},
        errors=(400,),
    ),
    Operation(
        method="get",
        path=_FILE_PATH,
        name="getFile",
        tag=_TAG,
        summary="Retrieve a file",
        description="What is known of it. A file that has expired is no longer there.",
        answers={200: Answer("The file.", file_shapes.FileObject, {"file": _FILE})},
        errors=(404,),
    ),
    Operation(
        method="get",
        path=f"{_FILE_PATH}/content",
        name="getFileContent",
        tag=_TAG,
        summary="Download a file",
        description="Its bytes as they were uploaded or written. One range at a time.",
        headers=CONTENT_HEADERS,
        answers={
            200: Answer("The whole file.", files=_BYTES),
            206: Answer("The range that was asked for.", files=_BYTES),
            304: Answer("You already have it."),
        },
        errors=(404, 416),
    ),
    Operation(
        method="delete",
        path=_FILE_PATH,
        name="deleteFile",
        tag=_TAG,
        summary="Delete a file",
        description="Its bytes are removed for good. Videos made from it stay.",
        answers={
            200: Answer(
                "Deleted.",
                file_shapes.FileDeleted,
                {"deleted": {"id": _FILE["id"], "object": "file", "deleted": True}},
            )
        },
        errors=(404,),
    ),
    Operation(
        method="post",
        path=FILE_BATCHES_PATH,
        name="createFileBatch",
        tag=_TAG,
        summary="Create a batch from a file",
        description=(
            "One request a line: `custom_id`, `method` POST, `url` /v1/videos and a `body` as of "
            "`POST /v1/videos`; 50,000 lines at most. The whole file is looked through before anything is "
            "spent: if its form is wrong, or all of it costs more than may be spent, the batch has `failed` "
            "and `errors` says why. A line whose body is refused goes to the error file, the others are made."
        ),
        body=batch_shapes.FileBatchCreate,
        body_examples={
            "usual": {
                "input_file_id": _FILE["id"],
                "endpoint": "/v1/videos",
                "completion_window": "24h",
                "metadata": {"film": "harbour"},
                "output_expires_after": {"anchor": "created_at", "seconds": 86400},
            }
        },
        answers={
            200: Answer("Accepted.", batch_shapes.BatchObject, {"validating": _VALIDATING}, headers=REPLAYED)
        },
        headers=REPEATABLE,
        errors=(400, 409, 413, 415),
    ),
    Operation(
        method="get",
        path=FILE_BATCHES_PATH,
        name="listFileBatches",
        tag=_TAG,
        summary="List batches from files",
        description="Newest first. Follow `last_id` with `after` while `has_more` is true.",
        query=batch_shapes.FileBatchQuery,
        answers={200: Answer("One page.", batch_shapes.BatchObjectList, {"page": _page(_COMPLETED)})},
        errors=(400,),
    ),
    Operation(
        method="get",
        path=_BATCH_PATH,
        name="getFileBatch",
        tag=_TAG,
        summary="Retrieve a batch from a file",
        description=(
            "Once it has ended, `output_file_id` names the lines that have a film, and `error_file_id` all "
            "others. `GET /api/v1/batches/{batchId}` shows the same batch with its costs."
        ),
        answers={
            200: Answer("The batch.", batch_shapes.BatchObject, {"completed": _COMPLETED, "failed": _FAILED})
        },
        errors=(404,),
    ),
    Operation(
        method="post",
        path=f"{_BATCH_PATH}/cancel",
        name="cancelFileBatch",
        tag=_TAG,
        summary="Cancel a batch from a file",
        description="Cancels whatever of it has not ended; what is finished still comes in its output file.",
        answers={
            200: Answer("Being cancelled.", batch_shapes.BatchObject, {"cancelling": _CANCELLING}),
        },
        errors=(400, 404),
    ),
)
