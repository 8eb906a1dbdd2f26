"""Write down OpenAI's object for batches, and what clients send to make one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from filmgate.api.openai.file_shapes import After, ExpiresAfter
from filmgate.api.openai.words import unix_seconds
from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.services.file_batches import AskedFileBatch

if TYPE_CHECKING:
    from datetime import datetime

    from filmgate.domain.file_batch import FileBatch
    from filmgate.services.asked import Page

BatchWord = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
_MAX_PAIRS = 16
_MAX_KEY = 64
_MAX_VALUE = 512


class BatchTrouble(Struct, kw_only=True):
    """One thing that is wrong with an input file."""

    code: str
    line: Annotated[int | None, Meta(description="From 1; null: the file as a whole.")]
    message: str
    param: str | None


class BatchTroubles(Struct, kw_only=True):
    """What is wrong with an input file."""

    object: Literal["list"] = "list"
    data: tuple[BatchTrouble, ...]


class RequestCounts(Struct, kw_only=True):
    """Lines by what came of them: with a film, and those that will never have one."""

    total: int
    completed: int
    failed: int


class BatchObject(Struct, kw_only=True):
    """One batch as OpenAI's SDKs know it."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    model: Annotated[str | None, Meta(description="The model of all lines; null where they differ.")]
    errors: BatchTroubles | None
    input_file_id: str
    completion_window: str
    status: BatchWord
    output_file_id: Annotated[str | None, Meta(description="Lines that have a film.")]
    error_file_id: Annotated[str | None, Meta(description="All other lines, each with why.")]
    created_at: Annotated[int, Meta(description="Unix seconds.")]
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    usage: None = None
    metadata: dict[str, str] | None


class BatchObjectList(Struct, kw_only=True):
    """One page of batches, newest first."""

    object: Literal["list"] = "list"
    data: tuple[BatchObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileBatchCreate(Struct, forbid_unknown_fields=True, kw_only=True):
    """A batch: an uploaded file with one request a line."""

    input_file_id: Annotated[str, Meta(max_length=64, description="Uploaded with purpose `batch`.")]
    endpoint: Annotated[str, Meta(description="`/v1/videos`.", examples=["/v1/videos"])]
    completion_window: Annotated[str, Meta(description="`24h`.", examples=["24h"])]
    metadata: Annotated[dict[str, str], Meta(description="Up to 16 pairs of text.")] | None = None
    output_expires_after: (
        Annotated[ExpiresAfter, Meta(description="For how long the files that are written are kept.")] | None
    ) = None


class FileBatchQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which batches to list."""

    after: After | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="How many.")] = 20


def asked_batch(given: FileBatchCreate) -> AskedFileBatch:
    """Return the batch that a body asks for, or raise with what is wrong with its metadata."""
    for name, text in (given.metadata or {}).items():
        if not 0 < len(name) <= _MAX_KEY or len(text) > _MAX_VALUE:
            raise _bad_metadata("metadata holds a pair that does not fit.")
    if len(given.metadata or {}) > _MAX_PAIRS:
        raise _bad_metadata(f"metadata has more than {_MAX_PAIRS} pairs.")
    kept = given.output_expires_after
    return AskedFileBatch(
        given.input_file_id,
        given.endpoint,
        given.completion_window,
        given.metadata,
        None if kept is None else timedelta(seconds=kept.seconds),
    )


def batch_object(batch: FileBatch) -> BatchObject:
    """Return a batch as OpenAI's SDKs know it."""
    faults = tuple(
        BatchTrouble(code=fault.code, line=fault.line, message=fault.message, param=fault.param)
        for fault in batch.errors
    )
    return BatchObject(
        id=batch.id,
        endpoint=batch.endpoint,
        model=batch.model,
        errors=BatchTroubles(data=faults) if faults else None,
        input_file_id=batch.input_file_id,
        completion_window=batch.completion_window,
        status=batch.status.value,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        created_at=unix_seconds(batch.created_at),
        in_progress_at=_moment(batch.in_progress_at),
        expires_at=unix_seconds(batch.expires_at),
        finalizing_at=_moment(batch.finalizing_at),
        completed_at=_moment(batch.completed_at),
        failed_at=_moment(batch.failed_at),
        expired_at=_moment(batch.expired_at),
        cancelling_at=_moment(batch.cancelling_at),
        cancelled_at=_moment(batch.cancelled_at),
        request_counts=RequestCounts(total=batch.total, completed=batch.completed, failed=batch.failed),
        metadata=None if batch.metadata is None else dict(batch.metadata),
    )


def batch_list(page: Page[FileBatch]) -> BatchObjectList:
    """Return one page of batches."""
    data = tuple(map(batch_object, page.items))
    return BatchObjectList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.next_cursor is not None,
    )


def _moment(moment: datetime | None) -> int | None:
    return None if moment is None else unix_seconds(moment)


def _bad_metadata(message: str) -> InvalidRequest:
    mend = f"Give at most {_MAX_PAIRS} texts of {_MAX_VALUE} characters, under names of 1 to {_MAX_KEY}."
    return InvalidRequest([FieldProblem("metadata", message, suggestion=mend)])
