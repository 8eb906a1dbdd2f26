"""Write down the shapes of what we answer: one struct per body, camelCase as clients see it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

StatusWord = Literal["pending", "processing", "completed", "failed", "cancelled"]
BatchStatusWord = Literal["processing", "completed", "failed", "cancelled"]
VariantWord = Literal["video", "thumbnail", "spritesheet"]
GroupWord = Literal["key", "batch", "model", "provider", "day"]
SpanWord = Literal["total", "day", "month"]
Seconds = int | float
Moment = Annotated[datetime, Meta(tz=True)]


class Price(Struct, rename="camel"):
    """An amount of money, as a decimal string so that no digit is lost."""

    amount: Annotated[str, Meta(examples=["0.64"])]
    currency: Annotated[str, Meta(examples=["USD"])] = "USD"


class VideoAccepted(Struct, rename="camel"):
    """A video that is on disk and will be made."""

    job_id: str
    status: StatusWord
    created_at: Moment
    estimated_completion_time: Moment
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


class DerivedFrom(Struct, rename="camel"):
    """What else a video was made from, and how."""

    kind: Annotated[str, Meta(examples=["extension"])]
    video_id: Annotated[str | None, Meta(description="The source, where it is a video of yours.")]
    how: str


class VideoBody(Struct, rename="camel"):
    """One video: what was asked, what was sent, what came."""

    job_id: str
    status: StatusWord
    progress: Annotated[int, Meta(ge=0, le=100, description="Percent.")]
    created_at: Moment
    completed_at: Moment | None
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
    derived_from: Annotated[DerivedFrom | None, Meta(description="null: it was made from words alone.")]
    attempts: int
    estimated_cost: Annotated[Price, Meta(description="What it costs at most, and what is held for it.")]
    cost: Annotated[Price, Meta(description="What it has cost, once it has ended.")]
    error: Failure | None
    metadata: dict[str, str]


class ResultMetadata(Struct, rename="camel"):
    """What the film was made from."""

    prompt: str
    model: str
    created_at: Moment


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
    created_at: Moment
    estimated_cost: Annotated[Price, Meta(description="What all of it costs at most.")]


class BatchBody(Struct, rename="camel"):
    """One batch and how many of its videos stand where."""

    batch_id: str
    name: str | None
    total_videos: int
    status: BatchStatusWord
    progress: int
    counts: Annotated[dict[StatusWord, int], Meta(description="Videos by status.")]
    created_at: Moment
    completed_at: Moment | None
    estimated_cost: Annotated[Price, Meta(description="What all of it costs at most.")]
    cost: Annotated[Price, Meta(description="What those that have ended have cost.")]
    max_cost: Annotated[Price | None, Meta(description="The client's limit, where it gave one.")]


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
    needs_input_reference: Annotated[bool, Meta(description="Whether it makes no film from words alone.")]
    audio: bool
    always_audio: Annotated[bool, Meta(description="Whether sound cannot be left out.")]
    seed: bool
    negative_prompt: bool
    max_prompt: int
    price_per_second: Price
    price_per_second_by_size: Annotated[
        dict[str, Price], Meta(description="Of the sizes that cost something else.")
    ]
    price_per_second_without_audio: Annotated[
        Price | None, Meta(description="Null where sound costs nothing more.")
    ]
    price_source: str
    price_date: date
    retires_on: date | None
    warning: Annotated[str | None, Meta(description="Said from 60 days before it retires.")]


class ModelBody(Struct, rename="camel"):
    """One name that can be asked for, and what serves it, best first."""

    name: str
    alias: Annotated[bool, Meta(description="Whether the name stands for another model.")]
    targets: tuple[ModelTarget, ...]


class ModelList(Struct, rename="camel"):
    """Every name that can be asked for here."""

    models: tuple[ModelBody, ...]


class UsageSums(Struct, rename="camel"):
    """Counts of videos and sums of money."""

    videos: int
    completed: int
    failed: int
    held: Annotated[Price, Meta(description="Held for what has not been settled yet.")]
    charged: Annotated[Price, Meta(description="Settled: what it has cost.")]
    released: Annotated[Price, Meta(description="Held once, and not charged.")]
    unknown: Annotated[Price, Meta(description="The part of `held` of which nobody knows what came of it.")]


class UsageGroup(UsageSums, rename="camel"):
    """What one key, batch, model, provider or day has come to."""

    group: Annotated[str, Meta(description="Its id or name; empty for videos of no batch.")]


class UsageBody(Struct, rename="camel"):
    """What the videos that were asked for in a span of time have come to."""

    by: GroupWord
    since: Moment
    until: Moment
    groups: tuple[UsageGroup, ...]
    total: UsageSums


class Alive(Struct, rename="camel"):
    """The process answers."""

    status: Literal["ok"]
    timestamp: Moment
    version: str


class ReadyPart(Struct, rename="camel"):
    """One thing the process depends on."""

    ok: bool
    state: str
    detail: str | None


class Ready(Struct, rename="camel"):
    """Whether requests can be served, part by part."""

    status: Literal["ready", "unavailable"]
    timestamp: Moment
    version: str
    parts: dict[str, ReadyPart]


class FieldTrouble(Struct, rename="camel", omit_defaults=True):
    """What is wrong with one field, and how to mend it."""

    field: str
    message: str
    code: str
    row: Annotated[int, Meta(description="Row of the batch, from 0.")] | UnsetType = UNSET
    suggestion: Annotated[str, Meta(description="How to mend it.")] | UnsetType = UNSET
    allowed: Annotated[tuple[str, ...], Meta(description="What is possible.")] | UnsetType = UNSET


class ErrorObject(Struct, rename="camel"):
    """The same error as OpenAI's SDKs expect it."""

    message: str
    type: str
    param: str | None
    code: str | None


class BudgetTrouble(Struct, rename="camel"):
    """The budget that had no room for what was asked."""

    scope: Annotated[str, Meta(description="The id of the key or the batch it belongs to.")]
    span: SpanWord
    limit: Price
    used: Annotated[Price, Meta(description="Spent or held.")]
    needed: Price
    left: Price


class Problem(Struct, rename="camel", omit_defaults=True):
    """The one body of every error: RFC 9457 and OpenAI's `error` in one."""

    type: Annotated[str, Meta(description="Address of the explanation.")]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Meta(description="The request id, also in `x-request-id`.")]
    error: ErrorObject
    problems: tuple[FieldTrouble, ...] | UnsetType = UNSET
    budget: BudgetTrouble | UnsetType = UNSET
