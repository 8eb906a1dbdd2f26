"""Describe OpenAI's operations on webhook endpoints, and ours on what was told to them."""

from typing import Any, Final

from filmgate.api.openai import webhook_shapes as shapes
from filmgate.api.openai.webhook_endpoints import (
    ENDPOINTS_PATH,
    EVENT_TYPES_PATH,
    create_endpoint,
    delete_endpoint,
    list_deliveries,
    list_endpoints,
    list_event_types,
    resend_delivery,
    retrieve_delivery,
    retrieve_endpoint,
    rotate_endpoint_secret,
    test_endpoint,
    update_endpoint,
)
from filmgate.api.operation import REPEATABLE, REPLAYED, Answer, Operation

WEBHOOK_HANDLERS: Final = (
    create_endpoint,
    list_endpoints,
    retrieve_endpoint,
    update_endpoint,
    delete_endpoint,
    rotate_endpoint_secret,
    test_endpoint,
    list_deliveries,
    retrieve_delivery,
    resend_delivery,
    list_event_types,
)

_TAG: Final = "OpenAI"
_ENDPOINT_PATH: Final = f"{ENDPOINTS_PATH}/{{endpointId}}"
_DELIVERIES_PATH: Final = f"{_ENDPOINT_PATH}/deliveries"
_DELIVERY_PATH: Final = f"{_DELIVERIES_PATH}/{{deliveryId}}"
_ID: Final = "whe_01k7m3z9f4t8q2v6x0c5b1n7dh"
_SHOWN: Final = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

_ASKED: Final[dict[str, Any]] = {
    "name": "Cutting room",
    "url": "https://studio.example/hooks/films",
    "event_types": ["video.completed", "video.failed"],
}
_ENDPOINT: Final[dict[str, Any]] = {
    "id": _ID,
    "object": "webhook_endpoint",
    "created_at": 1760608800,
    "updated_at": 1760608800,
    **_ASKED,
    "signing_secret_hint": f"whsec_…{_SHOWN[-4:]}",
}
_WITH_SECRET: Final[dict[str, Any]] = {**_ENDPOINT, "signing_secret": _SHOWN}
_DELIVERY: Final[dict[str, Any]] = {
    "id": "evt_4f1c2f0d6f0b4b0c8d5e7a9b3c2d1e0f",
    "object": "webhook_endpoint.delivery",
    "webhook_endpoint_id": _ID,
    "event_type": "video.completed",
    "subject_id": "job_01k7m3z9f4t8q2v6x0c5b1n7dh",
    "state": "delivered",
    "created_at": 1760608800,
    "next_try_at": None,
    "ended_at": 1760608801,
}
_LOGGED: Final[dict[str, Any]] = {
    **_DELIVERY,
    "tries": [{"number": 1, "at": 1760608801, "status_code": 204, "error": None}],
}


def _page(one: dict[str, Any]) -> dict[str, Any]:
    ends = {"first_id": one["id"], "last_id": one["id"]}
    return {"object": "list", "data": [one], **ends, "has_more": False}


WEBHOOK_OPERATIONS: Final = (
    Operation(
        method="post",
        path=ENDPOINTS_PATH,
        name="createWebhookEndpoint",
        tag=_TAG,
        summary="Create a webhook endpoint",
        description=(
            "From now on it is told of what happens in this project, signed with a secret of its own, which "
            "this answer alone shows. `client.webhooks.unwrap` of OpenAI's SDKs verifies it. Deliveries are "
            "tried ten times over three days; an endpoint at which nothing arrives for five days, or that "
            "answers 410, is disabled until it is updated."
        ),
        body=shapes.EndpointCreate,
        body_examples={"usual": _ASKED},
        answers={200: Answer("Made.", shapes.EndpointObject, {"made": _WITH_SECRET}, headers=dict(REPLAYED))},
        headers=REPEATABLE,
        errors=(400, 409, 413, 415),
    ),
    Operation(
        method="get",
        path=ENDPOINTS_PATH,
        name="listWebhookEndpoints",
        tag=_TAG,
        summary="List webhook endpoints",
        description="Newest first.",
        query=shapes.EndpointQuery,
        answers={200: Answer("One page.", shapes.EndpointObjectList, {"page": _page(_ENDPOINT)})},
        errors=(400,),
    ),
    Operation(
        method="get",
        path=_ENDPOINT_PATH,
        name="getWebhookEndpoint",
        tag=_TAG,
        summary="Retrieve a webhook endpoint",
        description="Without its secret.",
        answers={200: Answer("The endpoint.", shapes.EndpointObject, {"endpoint": _ENDPOINT})},
        errors=(404,),
    ),
    Operation(
        method="post",
        path=_ENDPOINT_PATH,
        name="updateWebhookEndpoint",
        tag=_TAG,
        summary="Update a webhook endpoint",
        description="Changes what is given. An endpoint that was disabled is enabled again.",
        body=shapes.EndpointUpdate,
        body_examples={"name": {"name": "Grading"}},
        answers={200: Answer("Changed.", shapes.EndpointObject, {"endpoint": _ENDPOINT})},
        errors=(400, 404, 413, 415),
    ),
    Operation(
        method="delete",
        path=_ENDPOINT_PATH,
        name="deleteWebhookEndpoint",
        tag=_TAG,
        summary="Delete a webhook endpoint",
        description="With everything that was or still would be told to it.",
        answers={
            200: Answer(
                "Gone.",
                shapes.EndpointDeleted,
                {"gone": {"id": _ID, "object": "webhook_endpoint.deleted", "deleted": True}},
            )
        },
        errors=(404,),
    ),
    Operation(
        method="post",
        path=f"{_ENDPOINT_PATH}/rotate_secret",
        name="rotateWebhookEndpointSecret",
        tag=_TAG,
        summary="Rotate the secret of a webhook endpoint",
        description=(
            "The new secret is shown here and never again. With `keep_old_secret_active_for_24_hours` every "
            "event carries a signature by each for a day."
        ),
        body=shapes.SecretRotate,
        body_examples={"overlapping": {"keep_old_secret_active_for_24_hours": True}},
        answers={200: Answer("Changed.", shapes.EndpointObject, {"rotated": _WITH_SECRET})},
        errors=(400, 404, 413, 415),
    ),
    Operation(
        method="post",
        path=f"{_ENDPOINT_PATH}/test",
        name="testWebhookEndpoint",
        tag=_TAG,
        summary="Send a sample event",
        description="Once, now, about a video or a batch that does not exist; the answer tells the status.",
        body=shapes.EndpointTest,
        body_examples={"completed": {"event_type": "video.completed"}},
        answers={
            200: Answer(
                "The receiver has answered.",
                shapes.EndpointTested,
                {
                    "answered": {
                        "object": "webhook_endpoint.test",
                        "webhook_endpoint_id": _ID,
                        "event_type": "video.completed",
                        "status_code": 204,
                        "success": True,
                    }
                },
            )
        },
        errors=(400, 404, 413, 415),
    ),
    Operation(
        method="get",
        path=_DELIVERIES_PATH,
        name="listWebhookDeliveries",
        tag=_TAG,
        summary="List what was told to a webhook endpoint",
        description="Newest first; kept for 30 days. This is filmgate's own, beyond OpenAI's wire.",
        query=shapes.DeliveryQuery,
        answers={200: Answer("One page.", shapes.DeliveryObjectList, {"page": _page(_DELIVERY)})},
        errors=(400, 404),
    ),
    Operation(
        method="get",
        path=_DELIVERY_PATH,
        name="getWebhookDelivery",
        tag=_TAG,
        summary="Look at one delivery",
        description="With every try and what came of it.",
        answers={200: Answer("The delivery.", shapes.DeliveryObject, {"delivery": _LOGGED})},
        errors=(404,),
    ),
    Operation(
        method="post",
        path=f"{_DELIVERY_PATH}/resend",
        name="resendWebhookDelivery",
        tag=_TAG,
        summary="Deliver again",
        description="Whether or not it has arrived. The event keeps its id, so receivers can tell.",
        answers={200: Answer("It is tried again now.", shapes.DeliveryObject, {"delivery": _LOGGED})},
        errors=(400, 404),
    ),
    Operation(
        method="get",
        path=EVENT_TYPES_PATH,
        name="listWebhookEventTypes",
        tag=_TAG,
        summary="List event types",
        description="Everything that endpoints can be told of.",
        answers={
            200: Answer(
                "All of them.",
                shapes.EventTypeList,
                {"types": {"object": "list", "data": ["video.completed", "video.failed"]}},
            )
        },
    ),
)
