"""Write down the shapes of what clients send: bodies and queries."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from filmgate.api.schemas import GroupWord, StatusWord, VariantWord
from filmgate.domain.batch import MAX_BATCH_ROWS

# What every JSON reader can hold without rounding.
LARGEST_SEED = 2**53 - 1

_ZONE = ", as RFC 3339 writes it; UTC if it names no zone"

Moment = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]
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
MaxCost = Annotated[
    Decimal,
    Meta(
        description="The most it may cost, in US dollars; nothing is accepted that may cost more. Text such "
        'as `"0.50"`, so that no digit is lost; a number is taken too.',
        examples=["0.50"],
        extra_json_schema={"pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?$"},
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
            Meta(ge=0, le=LARGEST_SEED, description="The same seed gives the same film.", examples=[42]),
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
    max_cost: MaxCost | None = None


class BatchCreate(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Many videos, accepted together or not at all."""

    videos: Annotated[
        list[VideoCreate],
        Meta(min_length=1, max_length=MAX_BATCH_ROWS, description="The videos, in order."),
    ]
    webhook_url: WebhookUrl | None = None
    name: Annotated[str, Meta(max_length=200, description="A name to find it by.")] | None = None
    priority: Priority | None = None
    max_cost: MaxCost | None = None


class BatchEnvelope(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The same as BatchCreate with its rows still closed, so that each can fail by itself."""

    videos: list[msgspec.Raw]
    webhook_url: WebhookUrl | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    priority: Priority | None = None
    max_cost: MaxCost | None = None


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
        Annotated[Moment, Meta(description=f"Only those of this moment or later{_ZONE}.")] | None
    ) = None
    created_before: Annotated[Moment, Meta(description=f"Only those before this moment{_ZONE}.")] | None = (
        None
    )
    limit: Limit = 20
    cursor: Cursor | None = None


class BatchQuery(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which batches to list."""

    limit: Limit = 20
    cursor: Cursor | None = None


class UsageQuery(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which videos to count, and how to group them."""

    by: Annotated[GroupWord, Meta(description="What to group by.")] = "key"
    since: (
        Annotated[Moment, Meta(description=f"From here; 30 days before `until` if left out{_ZONE}.")] | None
    ) = None
    until: Annotated[Moment, Meta(description=f"Up to here; now if left out{_ZONE}.")] | None = None
    format: (
        Annotated[Literal["json", "csv"], Meta(description="How to answer; the Accept header decides else.")]
        | None
    ) = None


class ContentQuery(Struct, rename="camel", kw_only=True):
    """Which file to send, and how."""

    variant: Annotated[VariantWord, Meta(description="Which file.")] = "video"
    download: Annotated[bool, Meta(description="`1` to be offered as a file to save.")] = False
    expires: Annotated[str, Meta(description="Part of a signed link.")] | None = None
    signature: Annotated[str, Meta(description="Part of a signed link; stands in for the key.")] | None = None
