"""Write down, for the documentation, what OpenAI's clients send; services.sora reads it."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from filmgate.api.inputs import LARGEST_SEED, MaxCost, Metadata, Priority, WebhookUrl


class ImageReference(Struct, kw_only=True):
    """An image by its address or by the id of an uploaded file; give one of the two."""

    image_url: Annotated[str, Meta(description="https or `data:`, at most 20 MiB.")] | None = None
    file_id: Annotated[str, Meta(description="Of `POST /v1/files`.")] | None = None


class CharacterReference(Struct, kw_only=True):
    """A character that was made before."""

    id: str


class OpenAIVideoCreate(Struct, kw_only=True):
    """One video to be made, as OpenAI's SDKs ask for it."""

    prompt: Annotated[str, Meta(max_length=32_000, description="What is to be seen.")]
    model: Annotated[str, Meta(description="A name from `/v1/models`.", examples=["sora-2"])] = "sora-2"
    seconds: Annotated[
        str | float,
        Meta(description="Length, as text or number. Sora's 4, 8, 12, 16 and 20 are mapped to the nearest."),
    ] = "4"
    size: Annotated[
        str,
        Meta(description="Width x height; Sora's sizes are mapped to the nearest.", examples=["1280x720"]),
    ] = "720x1280"
    input_reference: ImageReference | None = None
    characters: Annotated[list[CharacterReference], Meta(max_length=2)] | None = None
    seed: Annotated[int, Meta(ge=0, le=LARGEST_SEED, description="Not OpenAI's: ours.")] | None = None
    negative_prompt: Annotated[str, Meta(description="Not OpenAI's: ours.")] | None = None
    audio: Annotated[bool, Meta(description="Not OpenAI's: ours.")] | None = None
    strict: Annotated[bool, Meta(description="Refuse rather than map. Not OpenAI's: ours.")] | None = None
    metadata: Metadata | None = None
    priority: Priority | None = None
    max_cost: MaxCost | None = None
    webhook_url: WebhookUrl | None = None


VIDEO_CREATE: dict[str, Any] = {
    "model": "sora-2",
    "prompt": "A red kite over a harbour at dawn",
    "seconds": "8",
    "size": "1280x720",
}
VIDEO_QUEUED: dict[str, Any] = {
    "id": "job_01k7m3z9f4t8q2v6x0c5b1n7dh",
    "object": "video",
    "model": "sora-2",
    "status": "queued",
    "progress": 0,
    "created_at": 1760608800,
    "completed_at": None,
    "expires_at": None,
    "prompt": "A red kite over a harbour at dawn",
    "size": "1280x720",
    "seconds": "8",
    "remixed_from_video_id": None,
    "error": None,
}
VIDEO_COMPLETED: dict[str, Any] = VIDEO_QUEUED | {
    "status": "completed",
    "progress": 100,
    "completed_at": 1760609072,
}
VIDEO_FAILED: dict[str, Any] = VIDEO_QUEUED | {
    "status": "failed",
    "progress": 61,
    "completed_at": 1760609072,
    "error": {"code": "moderation_blocked", "message": "The provider declined the prompt."},
}
MODEL: dict[str, Any] = {
    "id": "sora-2",
    "object": "model",
    "created": 1763769600,
    "owned_by": "filmgate",
}
