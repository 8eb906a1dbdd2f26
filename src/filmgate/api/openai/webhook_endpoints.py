"""Answer for OpenAI's webhook endpoints, and for what was told to them."""

from typing import Any, Final

from litestar import Request, Response, delete, get, post

from filmgate.api.answers import encode
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_body, json_response
from filmgate.api.decoding import decode_query, decode_struct
from filmgate.api.face import face_of
from filmgate.api.openai.webhook_shapes import (
    DeliveryQuery,
    EndpointCreate,
    EndpointDeleted,
    EndpointQuery,
    EndpointTest,
    EndpointTested,
    EndpointUpdate,
    EventTypeList,
    SecretRotate,
    asked_endpoint,
    delivery_list,
    delivery_object,
    endpoint_list,
    endpoint_object,
)
from filmgate.api.repeats import mark_of, replay_headers
from filmgate.api.trace import trace_of
from filmgate.domain.webhook import DeliveryState
from filmgate.domain.webhook_endpoint import EventType
from filmgate.services.idempotency import Created
from filmgate.services.webhook_endpoints import WebhookEndpointService

HttpRequest = Request[Any, Any, Any]
ENDPOINTS_PATH: Final = "/v1/webhook_endpoints"
EVENT_TYPES_PATH: Final = "/v1/webhook_event_types"
_ENDPOINT: Final = f"{ENDPOINTS_PATH}/{{endpointId:str}}"
_DELIVERY: Final = f"{_ENDPOINT}/deliveries/{{deliveryId:str}}"


@post(ENDPOINTS_PATH, status_code=200)
async def create_endpoint(request: HttpRequest) -> Response[bytes]:
    """Make an endpoint; its secret is shown here and never again."""
    key = await authenticate(request)
    mark = mark_of(request.scope["headers"], f"POST {ENDPOINTS_PATH}")
    asked = asked_endpoint(decode_struct(await json_body(request), EndpointCreate))
    endpoints = _endpoints(request)
    if mark is None:
        created = Created(await endpoints.create(key, asked))
    else:
        creation = endpoints.creation(key, asked)
        created = await face_of(request).services.idempotency.create(key, mark, creation)
    trace_of(request.scope).receipt = created.receipt
    return json_response(encode(endpoint_object(created.made, secret=True)), 200, replay_headers(created))


@get(ENDPOINTS_PATH)
async def list_endpoints(request: HttpRequest) -> Response[bytes]:
    """List endpoints, newest first."""
    key = await authenticate(request)
    asked = decode_query(request.scope["query_string"], EndpointQuery)
    return json_response(encode(endpoint_list(await _endpoints(request).list(key, asked.after, asked.limit))))


@get(_ENDPOINT)
async def retrieve_endpoint(request: HttpRequest) -> Response[bytes]:
    """Show one endpoint, without its secret."""
    key = await authenticate(request)
    return json_response(encode(endpoint_object(await _endpoints(request).get(key, _endpoint_id(request)))))


@post(_ENDPOINT, status_code=200)
async def update_endpoint(request: HttpRequest) -> Response[bytes]:
    """Change an endpoint."""
    key = await authenticate(request)
    asked = asked_endpoint(decode_struct(await json_body(request), EndpointUpdate))
    changed = await _endpoints(request).update(key, _endpoint_id(request), asked)
    return json_response(encode(endpoint_object(changed)))


@delete(_ENDPOINT, status_code=200)
async def delete_endpoint(request: HttpRequest) -> Response[bytes]:
    """Forget an endpoint."""
    key = await authenticate(request)
    await _endpoints(request).delete(key, _endpoint_id(request))
    return json_response(encode(EndpointDeleted(id=_endpoint_id(request))))


@post(f"{_ENDPOINT}/rotate_secret", status_code=200)
async def rotate_endpoint_secret(request: HttpRequest) -> Response[bytes]:
    """Give an endpoint another secret, which is shown here and never again."""
    key = await authenticate(request)
    # The SDKs send no body at all where nothing was chosen.
    chosen = SecretRotate()
    if request.headers.get("content-length", "0") != "0":
        chosen = decode_struct(await json_body(request), SecretRotate)
    overlap = chosen.keep_old_secret_active_for_24_hours
    changed = await _endpoints(request).rotate(key, _endpoint_id(request), overlap=overlap)
    return json_response(encode(endpoint_object(changed, secret=True)))


@post(f"{_ENDPOINT}/test", status_code=200)
async def test_endpoint(request: HttpRequest) -> Response[bytes]:
    """Send a sample event and tell what the receiver answered."""
    key = await authenticate(request)
    event = decode_struct(await json_body(request), EndpointTest).event_type
    endpoint_id = _endpoint_id(request)
    status = await _endpoints(request).test(key, endpoint_id, event)
    told = EndpointTested(webhook_endpoint_id=endpoint_id, event_type=event, status_code=status)
    return json_response(encode(told))


@get(f"{_ENDPOINT}/deliveries")
async def list_deliveries(request: HttpRequest) -> Response[bytes]:
    """List what was told to an endpoint, newest first."""
    key = await authenticate(request)
    asked = decode_query(request.scope["query_string"], DeliveryQuery)
    state = None if asked.state is None else DeliveryState(asked.state)
    page = await _endpoints(request).deliveries(key, _endpoint_id(request), state, asked.after, asked.limit)
    return json_response(encode(delivery_list(page)))


@get(_DELIVERY)
async def retrieve_delivery(request: HttpRequest) -> Response[bytes]:
    """Show one delivery and every try of it."""
    key = await authenticate(request)
    found = await _endpoints(request).delivery(key, _endpoint_id(request), request.path_params["deliveryId"])
    return json_response(encode(delivery_object(found, whole=True)))


@post(f"{_DELIVERY}/resend", status_code=200)
async def resend_delivery(request: HttpRequest) -> Response[bytes]:
    """Tell of something again."""
    key = await authenticate(request)
    again = await _endpoints(request).resend(key, _endpoint_id(request), request.path_params["deliveryId"])
    return json_response(encode(delivery_object(again, whole=True)))


@get(EVENT_TYPES_PATH)
async def list_event_types(request: HttpRequest) -> Response[bytes]:
    """List everything that endpoints can be told of."""
    await authenticate(request)
    return json_response(encode(EventTypeList(data=tuple(event.value for event in EventType))))


def _endpoints(request: HttpRequest) -> WebhookEndpointService:
    return face_of(request).services.webhook_endpoints


def _endpoint_id(request: HttpRequest) -> str:
    endpoint_id: str = request.path_params["endpointId"]
    return endpoint_id
