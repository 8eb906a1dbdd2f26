"""Write down OpenAI's objects for webhook endpoints, and ours for what was told to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from filmgate.api.openai.words import unix_seconds
from filmgate.domain.webhook import DeliveryState, written_secret
from filmgate.services.webhook_endpoints import AskedEndpoint

if TYPE_CHECKING:
    from filmgate.domain.webhook_endpoint import LoggedDelivery, WebhookEndpoint
    from filmgate.services.asked import Page

EventWord = Literal[
    "video.completed",
    "video.failed",
    "video.cancelled",
    "batch.completed",
    "batch.failed",
    "batch.expired",
    "batch.cancelled",
]
DeliveryWord = Literal["pending", "delivered", "exhausted"]
Name = Annotated[str, Meta(max_length=1024, description="What people call it; 256 characters at most.")]
Url = Annotated[str, Meta(max_length=2048, description="Where the events go; https in production.")]
EventTypes = Annotated[
    list[str], Meta(max_length=32, description="What it is told of; GET /v1/webhook_event_types lists them.")
]


class EndpointCreate(Struct, forbid_unknown_fields=True, kw_only=True):
    """A webhook endpoint to make."""

    name: Name
    url: Url
    event_types: EventTypes


class EndpointUpdate(Struct, forbid_unknown_fields=True, kw_only=True):
    """What to change of an endpoint; any update enables one again that was disabled."""

    name: Name | None = None
    url: Url | None = None
    event_types: EventTypes | None = None


class SecretRotate(Struct, forbid_unknown_fields=True, kw_only=True):
    """How to change over to another secret."""

    keep_old_secret_active_for_24_hours: Annotated[
        bool, Meta(description="Sign with both for a day, so that no event is refused meanwhile.")
    ] = False


class EndpointTest(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which event to send as a sample."""

    event_type: Annotated[str, Meta(max_length=64, description="Such as `video.completed`.")]


class EndpointQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which endpoints to list."""

    after: Annotated[str, Meta(max_length=64, description="Go on behind this id.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="How many.")] = 20


class DeliveryQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which deliveries to list."""

    after: Annotated[str, Meta(max_length=64, description="Go on behind this id.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="How many.")] = 20
    state: Annotated[DeliveryWord, Meta(description="Only those that stand so.")] | None = None


class EndpointObject(Struct, kw_only=True):
    """One webhook endpoint as OpenAI's SDKs know it; the last two are there only while it is disabled."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    created_at: Annotated[int, Meta(description="Unix seconds.")]
    updated_at: Annotated[int, Meta(description="Unix seconds.")]
    name: str
    url: str
    event_types: tuple[str, ...]
    signing_secret_hint: str
    signing_secret: (
        Annotated[str, Meta(description="Shown once, when it is made; the SDKs verify with it.")] | UnsetType
    ) = UNSET
    disabled_at: Annotated[int, Meta(description="Unix seconds.")] | UnsetType = UNSET
    disabled_reason: str | UnsetType = UNSET


class EndpointObjectList(Struct, kw_only=True):
    """One page of endpoints."""

    object: Literal["list"] = "list"
    data: tuple[EndpointObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class EndpointDeleted(Struct, kw_only=True):
    """An endpoint that is no longer there."""

    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: Literal[True] = True


class EndpointTested(Struct, kw_only=True):
    """What the receiver answered to a sample."""

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: str
    status_code: int
    success: Literal[True] = True


class EventTypeList(Struct, kw_only=True):
    """Everything that endpoints can be told of."""

    object: Literal["list"] = "list"
    data: tuple[str, ...]


class DeliveryTryObject(Struct, kw_only=True):
    """One try to deliver."""

    number: int
    at: Annotated[int, Meta(description="Unix seconds.")]
    status_code: Annotated[int | None, Meta(description="null: there was no answer.")]
    error: str | None


class DeliveryObject(Struct, kw_only=True):
    """One event for an endpoint; ``tries`` is there when one delivery is looked at."""

    id: Annotated[str, Meta(description="The id of the event, which the header `webhook-id` carries.")]
    object: Literal["webhook_endpoint.delivery"] = "webhook_endpoint.delivery"
    webhook_endpoint_id: str
    event_type: str
    subject_id: Annotated[str, Meta(description="The video or the batch that it tells of.")]
    state: DeliveryWord
    created_at: Annotated[int, Meta(description="Unix seconds.")]
    next_try_at: int | None
    ended_at: int | None
    tries: tuple[DeliveryTryObject, ...] | UnsetType = UNSET


class DeliveryObjectList(Struct, kw_only=True):
    """One page of deliveries."""

    object: Literal["list"] = "list"
    data: tuple[DeliveryObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


def asked_endpoint(body: EndpointCreate | EndpointUpdate) -> AskedEndpoint:
    """Return what a body asks for."""
    events = None if body.event_types is None else tuple(dict.fromkeys(body.event_types))
    return AskedEndpoint(None if body.name is None else body.name.strip(), body.url, events)


def endpoint_object(endpoint: WebhookEndpoint, *, secret: bool = False) -> EndpointObject:
    """Return an endpoint as OpenAI's SDKs know it, with its secret only where it is new."""
    return EndpointObject(
        id=endpoint.id,
        created_at=unix_seconds(endpoint.created_at),
        updated_at=unix_seconds(endpoint.updated_at),
        name=endpoint.name,
        url=endpoint.url,
        event_types=endpoint.event_types,
        signing_secret_hint=endpoint.hint,
        signing_secret=written_secret(endpoint.secret) if secret else UNSET,
        disabled_at=UNSET if endpoint.disabled_at is None else unix_seconds(endpoint.disabled_at),
        disabled_reason=UNSET if endpoint.disabled_reason is None else endpoint.disabled_reason,
    )


def endpoint_list(page: Page[WebhookEndpoint]) -> EndpointObjectList:
    """Return one page of endpoints."""
    data = tuple(map(endpoint_object, page.items))
    return EndpointObjectList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.next_cursor is not None,
    )


def delivery_object(delivery: LoggedDelivery, *, whole: bool = False) -> DeliveryObject:
    """Return a delivery, with every try of it where it is looked at alone."""
    return DeliveryObject(
        id=delivery.id,
        webhook_endpoint_id=delivery.endpoint_id,
        event_type=delivery.event,
        subject_id=delivery.subject,
        state=_WORDS[delivery.state],
        created_at=unix_seconds(delivery.created_at),
        next_try_at=None if delivery.next_try_at is None else unix_seconds(delivery.next_try_at),
        ended_at=None if delivery.ended_at is None else unix_seconds(delivery.ended_at),
        tries=tuple(
            DeliveryTryObject(
                number=one.number, at=unix_seconds(one.at), status_code=one.status, error=one.error
            )
            for one in delivery.tries
        )
        if whole
        else UNSET,
    )


def delivery_list(page: Page[LoggedDelivery]) -> DeliveryObjectList:
    """Return one page of deliveries."""
    data = tuple(map(delivery_object, page.items))
    return DeliveryObjectList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.next_cursor is not None,
    )


_WORDS: dict[DeliveryState, DeliveryWord] = {
    DeliveryState.PENDING: "pending",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.EXHAUSTED: "exhausted",
}
