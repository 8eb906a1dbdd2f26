"""Keep the addresses that projects want to be told at, and show what was told to them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from secrets import token_bytes

from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound
from filmgate.domain.idempotency import First
from filmgate.domain.ids import is_id, new_id
from filmgate.domain.key import Key
from filmgate.domain.webhook import DeliveryState, sign, webhook_fault
from filmgate.domain.webhook_endpoint import (
    MAX_ENDPOINTS,
    MAX_NAME,
    OVERLAP,
    EventType,
    LoggedDelivery,
    WebhookEndpoint,
)
from filmgate.infrastructure.callouts import CalloutFailed, Callouts
from filmgate.infrastructure.database import Session
from filmgate.repositories.webhook_endpoints import WebhookEndpointRepository
from filmgate.services.asked import Page
from filmgate.services.commit import create_surely
from filmgate.services.idempotency import Creation
from filmgate.services.webhooks import event_body

_SECRET_BYTES = 32
_ADVICE = "Look at the list of your endpoints before you make it again."
_SHOWN = 64
# Ten tries each time it is sent anew; who needs more has another problem.
MAX_TRIES = 500
# As the database makes them.
_DELIVERY = re.compile("evt_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class AskedEndpoint:
    """An endpoint as the client wrote it; None leaves a part as it is."""

    name: str | None = None
    url: str | None = None
    event_types: tuple[str, ...] | None = None


class WebhookEndpointService:
    """Hold the verbs for endpoints."""

    def __init__(self, endpoints: WebhookEndpointRepository, callouts: Callouts) -> None:
        self._endpoints = endpoints
        self._callouts = callouts

    async def create(self, key: Key, asked: AskedEndpoint) -> WebhookEndpoint:
        """Keep an endpoint; from now on it is told of what happens."""
        endpoint = await self._accept(key, asked)
        await create_surely(partial(self._insert, endpoint), _ADVICE, again=False)
        return endpoint

    def creation(self, key: Key, asked: AskedEndpoint) -> Creation[WebhookEndpoint]:
        """Return the steps of ``create``, to be carried out once however often they are asked for."""

        async def load(first: First) -> WebhookEndpoint:
            return await self.get(key, first.subject)

        return Creation(
            asked=asked,
            accept=partial(self._accept, key, asked),
            insert=self._insert,
            announce=lambda: None,
            first=lambda endpoint: First(endpoint.id),
            load=load,
        )

    async def _accept(self, key: Key, asked: AskedEndpoint) -> WebhookEndpoint:
        self._check(asked)
        now = datetime.now(UTC)
        return WebhookEndpoint(
            id=new_id("whe"),
            project=key.project,
            name=asked.name or "",
            url=asked.url or "",
            event_types=asked.event_types or (),
            secret=token_bytes(_SECRET_BYTES),
            created_at=now,
            updated_at=now,
        )

    async def _insert(self, endpoint: WebhookEndpoint, session: Session | None = None) -> None:
        if not await self._endpoints.insert(endpoint, MAX_ENDPOINTS, session):
            message = f"This project has {MAX_ENDPOINTS} webhook endpoints, and that is the limit."
            raise InvalidRequest([FieldProblem("url", message, "too_many", "Delete one that is not needed.")])

    async def get(self, key: Key, endpoint_id: str) -> WebhookEndpoint:
        """Return an endpoint of the key's project."""
        found = await self._endpoints.get(key.project, endpoint_id) if is_id(endpoint_id, "whe") else None
        return _there(found, endpoint_id)

    async def list(self, key: Key, after: str | None, limit: int) -> Page[WebhookEndpoint]:
        """Return one page of the project's endpoints, newest first."""
        found = await self._endpoints.list(key.project, after, limit + 1)
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].id if more else None)

    async def update(self, key: Key, endpoint_id: str, asked: AskedEndpoint) -> WebhookEndpoint:
        """Change what is given; an endpoint that was disabled is told of things again."""
        await self.get(key, endpoint_id)
        self._check(asked)
        changed = await self._endpoints.update(
            key.project, endpoint_id, asked.name, asked.url, asked.event_types
        )
        return _there(changed, endpoint_id)

    async def rotate(self, key: Key, endpoint_id: str, *, overlap: bool) -> WebhookEndpoint:
        """Give an endpoint another secret; with ``overlap`` the old one signs too for a day."""
        await self.get(key, endpoint_id)
        secret = token_bytes(_SECRET_BYTES)
        changed = await self._endpoints.rotate(key.project, endpoint_id, secret, OVERLAP if overlap else None)
        return _there(changed, endpoint_id)

    async def delete(self, key: Key, endpoint_id: str) -> None:
        """Forget an endpoint and what was told to it."""
        await self.get(key, endpoint_id)
        await self._endpoints.delete(key.project, endpoint_id)

    async def test(self, key: Key, endpoint_id: str, event: str) -> int:
        """Send a sample event and return what the receiver answered; it is not tried again."""
        endpoint = await self.get(key, endpoint_id)
        _check_events("event_type", (event,))
        now = datetime.now(UTC)
        event_id = new_id("evt")
        subject = new_id("job" if event.startswith("video.") else "batch")
        body = event_body(event_id, event, subject, now)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "filmgate",
            **sign((endpoint.secret,), event_id, now, body),
        }
        try:
            return await self._callouts.post(endpoint.url, body, headers)
        except CalloutFailed as error:
            message = f"The endpoint could not be called: {error}."
            mend = "See that its address is right and that its server answers."
            raise InvalidRequest([FieldProblem("url", message, "endpoint_unreachable", mend)]) from error

    async def deliveries(
        self, key: Key, endpoint_id: str, state: DeliveryState | None, after: str | None, limit: int
    ) -> Page[LoggedDelivery]:
        """Return one page of what was told to an endpoint, newest first."""
        await self.get(key, endpoint_id)
        found = await self._endpoints.deliveries(endpoint_id, state and state.value, after, limit + 1)
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].id if more else None)

    async def delivery(self, key: Key, endpoint_id: str, delivery_id: str) -> LoggedDelivery:
        """Return one delivery and every try of it."""
        await self.get(key, endpoint_id)
        there = _DELIVERY.fullmatch(delivery_id)
        found = await self._endpoints.delivery(endpoint_id, delivery_id) if there else None
        if found is None:
            raise NotFound("delivery", delivery_id[:_SHOWN])
        return found

    async def resend(self, key: Key, endpoint_id: str, delivery_id: str) -> LoggedDelivery:
        """Tell of something again, whether or not it has arrived; the event keeps its id."""
        endpoint = await self.get(key, endpoint_id)
        if endpoint.disabled_at is not None:
            message = f"{endpoint_id} is disabled: {endpoint.disabled_reason}"
            mend = "Update it first, which enables it again."
            raise InvalidRequest([FieldProblem("webhook_endpoint_id", message, "disabled", mend)])
        tried = len((await self.delivery(key, endpoint_id, delivery_id)).tries)
        if tried >= MAX_TRIES:
            message = f"This was sent {tried:,} times, and that is the limit."
            mend = "Fetch the video or the batch by its id instead."
            raise InvalidRequest([FieldProblem("delivery_id", message, "too_many", mend)])
        await self._endpoints.resend(endpoint_id, delivery_id)
        return await self.delivery(key, endpoint_id, delivery_id)

    def _check(self, asked: AskedEndpoint) -> None:
        problems: list[FieldProblem] = []
        if asked.name is not None and not 1 <= len(asked.name.strip()) <= MAX_NAME:
            message = f"name has {len(asked.name.strip())} characters; it needs 1 to {MAX_NAME}."
            problems.append(FieldProblem("name", message, "wrong_length", "Give it a short name."))
        fault = None if asked.url is None else webhook_fault(asked.url) or self._callouts.fault(asked.url)
        if fault is not None:
            mend = "Give an https address that your server answers at."
            problems.append(FieldProblem("url", fault, "bad_address", mend))
        try:
            if asked.event_types is not None:
                _check_events("event_types", asked.event_types)
        except InvalidRequest as error:
            problems.extend(error.problems)
        if problems:
            raise InvalidRequest(problems)


def _check_events(field: str, names: Sequence[str]) -> None:
    known = tuple(event.value for event in EventType)
    strange = [name for name in names if name not in known]
    if strange:
        message = f'Nothing here is called "{strange[0][:_SHOWN]}".'
        mend = f"Choose from {', '.join(known)}."
        raise InvalidRequest([FieldProblem(field, message, "unknown_event", mend, known)])
    if not names:
        mend = f"Choose from {', '.join(known)}."
        raise InvalidRequest([FieldProblem(field, f"{field} is empty.", "required", mend, known)])


def _there(found: WebhookEndpoint | None, endpoint_id: str) -> WebhookEndpoint:
    if found is None:
        raise NotFound("webhook endpoint", endpoint_id[:_SHOWN])
    return found
