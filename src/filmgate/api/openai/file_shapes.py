"""Write down OpenAI's objects for files and batches: every key present, null where there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from filmgate.api.openai.words import unix_seconds

if TYPE_CHECKING:
    from filmgate.domain.file import File
    from filmgate.services.asked import Page

PurposeWord = Literal["assistants", "batch", "batch_output", "fine-tune", "vision", "user_data", "evals"]
OrderWord = Literal["asc", "desc"]
After = Annotated[str, Meta(max_length=64, description="Go on behind this id, the last of a page.")]
Order = Annotated[OrderWord, Meta(description="By age: `desc` gives the newest first.")]


class FileObject(Struct, kw_only=True):
    """One file as OpenAI's SDKs know it."""

    id: str
    object: Literal["file"] = "file"
    bytes: Annotated[int, Meta(description="Its size.")]
    created_at: Annotated[int, Meta(description="Unix seconds.")]
    expires_at: Annotated[int | None, Meta(description="null: kept until it is deleted.")]
    filename: str
    purpose: PurposeWord
    status: Literal["uploaded", "processed", "error"] = "processed"
    status_details: str | None = None


class FileObjectList(Struct, kw_only=True):
    """One page of files."""

    object: Literal["list"] = "list"
    data: tuple[FileObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(Struct, kw_only=True):
    """A file that is no longer there."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class ExpiresAfter(Struct, kw_only=True):
    """For how long a file is kept."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=3600, le=2_592_000)]


class FileCreate(Struct, kw_only=True):
    """A file to upload, as a multipart form."""

    file: Annotated[str, Meta(description="The file itself, 200 MiB at most.")]
    purpose: Annotated[
        Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"],
        Meta(description="`batch` for the input of a batch; the others are kept and not looked into."),
    ]
    expires_after: (
        Annotated[
            ExpiresAfter,
            Meta(
                description="As `expires_after[anchor]` and `expires_after[seconds]`. Where it is left out, "
                "files for batches are kept for 30 days, all others until they are deleted."
            ),
        ]
        | None
    ) = None


class FileQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which files to list."""

    after: After | None = None
    limit: Annotated[int, Meta(ge=1, le=10_000, description="How many.")] = 10_000
    order: Order = "desc"
    purpose: Annotated[PurposeWord, Meta(description="Only those for this purpose.")] | None = None


def file_object(file: File) -> FileObject:
    """Return a file as OpenAI's SDKs know it."""
    return FileObject(
        id=file.id,
        bytes=file.size,
        created_at=unix_seconds(file.created_at),
        expires_at=None if file.expires_at is None else unix_seconds(file.expires_at),
        filename=file.filename,
        purpose=file.purpose.value,
    )


def file_list(page: Page[File]) -> FileObjectList:
    """Return one page of files."""
    data = tuple(map(file_object, page.items))
    return FileObjectList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.next_cursor is not None,
    )
