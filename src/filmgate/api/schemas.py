"""Write down the shapes that cross the wire; one struct per body, camelCase as clients see it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from filmgate.domain.batch import MAX_BATCH_ROWS

StatusWord = Literal["pending", "processing", "completed", "failed", "cancelled"]
BatchStatusWord = Literal["processing", "completed", "failed", "cancelled"]
VariantWord = Literal["video", "thumbnail", "spritesheet"]
Seconds = int | float

MetadataKey = Annotated[str, Meta(min_length=1, max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    Meta(max_length=16, description="Your own notes, given back unchanged.", examples=[{"shot": "12b"}]),
]
Priority = Annotated[
    int, Meta(ge=-100, le=100, description="Higher goes first among your own videos.", examples=[0])
]
WebhookUrl = Annotated[
    str,
    Meta(
        max_length=2048,
        description="Where to send the outcome, signed as Standard Webhooks describe.",
        examples=["https://example.com/webhook"],
    ),
]
Limit = Annotated[int, Meta(ge=1, le=100, description="How many to return, 1 to 100.")]
Cursor = Annotated[str, Meta(max_length=512, description="`nextCursor` of the page before.")]


class VideoCreate(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """One video to be made."""

    prompt: Annotated[
        str,
        Meta(
            description="What is to be seen.",
            examples=["A serene lake at sunset with mountains in the background"],
        ),
    ]
    duration: Annotated[float, Meta(description="Length in seconds.", examples=[5])] | None = None
    resolution: (
        Annotated[str, Meta(description="`1920x1080`, or a height such as `720p`.", examples=["1920x1080"])]
        | None
    ) = None
    aspect_ratio: Annotated[str, Meta(description="Width to height.", examples=["16:9"])] | None = (
        msgspec.field(default=None, name="aspect_ratio")
    )
    aspect_ratio_camel: (
        Annotated[str, Meta(description="The same as `aspect_ratio`.", examples=["16:9"])] | None
    ) = msgspec.field(default=None, name="aspectRatio")
    model: (
        Annotated[
            str, Meta(description="A name from `/api/v1/models`; left out, we choose.", examples=["sora-1.0"])
        ]
        | None
    ) = None
    webhook_url: WebhookUrl | None = None
    seed: (
        Annotated[
            int,
            Meta(ge=0, le=2**63 - 1, description="The same seed gives the same film.", examples=[42]),
        ]
        | None
    ) = None
    negative_prompt: (
        Annotated[str, Meta(description="What is not to be seen.", examples=["text, logos"])] | None
    ) = None
    audio: Annotated[bool, Meta(description="Whether sound is wanted.")] | None = None
    input_reference: (
        Annotated[
            str,
            Meta(
                description="The first frame: an image as a `data:` URL.",
                examples=["data:image/png;base64,iVBORw0KGgo="],
            ),
        ]
        | None
    ) = None
    metadata: Metadata | None = None
    priority: Priority | None = None
    strict: (
        Annotated[bool, Meta(description="Refuse rather than adjust what the model cannot do.")] | None
    ) = None


class BatchCreate(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Many videos, accepted together or not at all."""

    videos: Annotated[
        list[VideoCreate],
        Meta(min_length=1, max_length=MAX_BATCH_ROWS, description="The videos, in order."),
    ]
    webhook_url: WebhookUrl | None = None
    name: Annotated[str, Meta(max_length=200, description="A name to find it by.")] | None = None
    priority: Priority | None = None


class BatchEnvelope(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The same as BatchCreate with its rows still closed, so that each can fail by itself."""

    videos: list[msgspec.Raw]
    webhook_url: WebhookUrl | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    priority: Priority | None = None


class VideoQuery(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which videos to list."""

    status: Annotated[StatusWord, Meta(description="Only those that stand here.")] | None = None
    batch_id: Annotated[str, Meta(max_length=64, description="Only those of this batch.")] | None = None
    model: Annotated[str, Meta(max_length=200, description="Only those asked of this model.")] | None = None
    provider: Annotated[str, Meta(max_length=200, description="Only those made there.")] | None = None
    q: Annotated[str, Meta(max_length=500, description="Only those whose prompt contains this.")] | None = (
        None
    )
    created_after: (
        Annotated[datetime, Meta(description="Only later ones; RFC 3339, UTC if it names no zone.")] | None
    ) = None
    created_before: (
        Annotated[datetime, Meta(description="Only earlier ones; RFC 3339, UTC if it names no zone.")] | None
    ) = None
    limit: Limit = 20
    cursor: Cursor | None = None


class BatchQuery(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which batches to list."""

    limit: Limit = 20
    cursor: Cursor | None = None


class ContentQuery(Struct, rename="camel", kw_only=True):
    """Which file to send, and how."""

    variant: Annotated[VariantWord, Meta(description="Which file.")] = "video"
    download: Annotated[bool, Meta(description="`1` to be offered as a file to save.")] = False
    expires: Annotated[str, Meta(description="Part of a signed link.")] | None = None
    signature: Annotated[str, Meta(description="Part of a signed link; stands in for the key.")] | None = None


class Price(Struct, rename="camel"):
    """An amount of money, as a decimal string so that no digit is lost."""

    amount: Annotated[str, Meta(examples=["0.64"])]
    currency: Annotated[str, Meta(examples=["USD"])] = "USD"


class VideoAccepted(Struct, rename="camel"):
    """A video that is on disk and will be made."""

    job_id: str
    status: StatusWord
    created_at: datetime
    estimated_completion_time: datetime
    model: Annotated[str, Meta(description="The name that was asked for.")]
    provider: Annotated[str, Meta(description="Who is to make it.")]
    estimated_cost: Price


class FilmLinks(Struct, rename="camel"):
    """Where the finished film lies; the links work without a key until they expire."""

    video_url: str
    thumbnail_url: str
    spritesheet_url: str
    duration: Annotated[Seconds, Meta(description="Measured length in seconds.")]
    resolution: str
    file_size: Annotated[int, Meta(description="Bytes of the video file.")]


class Sent(Struct, rename="camel"):
    """What the provider was asked for, after everything was fitted."""

    seconds: Seconds
    size: str
    seed: int
    audio: bool
    negative_prompt: str | None


class Delivered(Struct, rename="camel"):
    """What was measured in the bytes that came."""

    seconds: Seconds
    size: str
    fps: Seconds
    video_codec: str
    audio_codec: str | None
    sha256: str


class Failure(Struct, rename="camel"):
    """Why there is no film: who said so, whether it was charged, what to do now."""

    code: str
    message: str
    said_by: str
    charged: Annotated[bool | None, Meta(description="null: the provider does not say.")]
    action: str | None


class VideoBody(Struct, rename="camel"):
    """One video: what was asked, what was sent, what came."""

    job_id: str
    status: StatusWord
    progress: Annotated[int, Meta(ge=0, le=100, description="Percent.")]
    created_at: datetime
    completed_at: datetime | None
    result: FilmLinks | None
    model: str
    provider: str
    provider_model: str
    batch_id: str | None
    prompt: str
    requested: Annotated[dict[str, Any], Meta(description="What you wrote.")]
    sent: Sent
    delivered: Delivered | None
    adjustments: Annotated[tuple[str, ...], Meta(description="What was changed to fit the model.")]
    attempts: int
    cost: Price
    error: Failure | None
    metadata: dict[str, str]


class ResultMetadata(Struct, rename="camel"):
    """What the film was made from."""

    prompt: str
    model: str
    created_at: datetime


class VideoResultBody(FilmLinks, rename="camel"):
    """The finished film and what it was made from."""

    metadata: ResultMetadata


class VideoPage(Struct, rename="camel"):
    """One page of videos, newest first."""

    videos: tuple[VideoBody, ...]
    next_cursor: Annotated[str | None, Meta(description="null on the last page.")]


class VideoCancelled(Struct, rename="camel"):
    """What the cancel came to; the message says whether the provider stopped."""

    job_id: str
    status: StatusWord
    message: str


class BatchJob(Struct, rename="camel"):
    """One video of a new batch."""

    job_id: str
    status: StatusWord


class BatchAccepted(Struct, rename="camel"):
    """A batch that is on disk and will be made; the jobs are in the order of the rows."""

    batch_id: str
    total_videos: int
    status: BatchStatusWord
    jobs: tuple[BatchJob, ...]
    created_at: datetime


class BatchBody(Struct, rename="camel"):
    """One batch and how many of its videos stand where."""

    batch_id: str
    name: str | None
    total_videos: int
    status: BatchStatusWord
    progress: int
    counts: Annotated[dict[StatusWord, int], Meta(description="Videos by status.")]
    created_at: datetime
    completed_at: datetime | None
    estimated_cost: Price
    cost: Price


class BatchPage(Struct, rename="camel"):
    """One page of batches, newest first."""

    batches: tuple[BatchBody, ...]
    next_cursor: str | None


class ModelTarget(Struct, rename="camel"):
    """One model of one provider that can serve a name."""

    provider: str
    model: str
    title: str
    sizes: tuple[str, ...]
    min_seconds: Seconds
    max_seconds: Seconds
    seconds_step: Seconds | None
    input_reference: bool
    audio: bool
    seed: bool
    negative_prompt: bool
    max_prompt: int
    price_per_second: Price
    price_source: str
    price_date: date
    retires_on: date | None


class ModelBody(Struct, rename="camel"):
    """One name that can be asked for, and what serves it, best first."""

    name: str
    alias: Annotated[bool, Meta(description="Whether the name stands for another model.")]
    targets: tuple[ModelTarget, ...]


class ModelList(Struct, rename="camel"):
    """Every name that can be asked for here."""

    models: tuple[ModelBody, ...]


class Alive(Struct, rename="camel"):
    """The process answers."""

    status: Literal["ok"]
    timestamp: datetime
    version: str


class ReadyPart(Struct, rename="camel"):
    """One thing the process depends on."""

    ok: bool
    state: str
    detail: str | None


class Ready(Struct, rename="camel"):
    """Whether requests can be served, part by part."""

    status: Literal["ready", "unavailable"]
    timestamp: datetime
    version: str
    parts: dict[str, ReadyPart]


class FieldTrouble(Struct, rename="camel", omit_defaults=True):
    """What is wrong with one field, and how to mend it."""

    field: str
    message: str
    code: str
    row: Annotated[int, Meta(description="Row of the batch, from 0.")] | UnsetType = UNSET
    suggestion: Annotated[str, Meta(description="What you may have meant.")] | UnsetType = UNSET
    allowed: Annotated[tuple[str, ...], Meta(description="What is possible.")] | UnsetType = UNSET


class ErrorObject(Struct, rename="camel"):
    """The same error as OpenAI's SDKs expect it."""

    message: str
    type: str
    param: str | None
    code: str


class Problem(Struct, rename="camel", omit_defaults=True):
    """The one body of every error: RFC 9457 and OpenAI's `error` in one."""

    type: Annotated[str, Meta(description="Address of the explanation.")]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Meta(description="The request id, also in `x-request-id`.")]
    error: ErrorObject
    problems: tuple[FieldTrouble, ...] | UnsetType = UNSET
