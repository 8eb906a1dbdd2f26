"""Endpoints that are told of a project's events: the SDK's own calls, signatures, log, patience."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx2
import openai
import pytest
from aiohttp import web

from filmgate.app import Gate, open_gate
from filmgate.domain.webhook_endpoint import DELIVERIES_KEPT, MAX_ENDPOINTS, PATIENCE, EventType
from filmgate.infrastructure.database import Database
from filmgate.repositories.webhook_endpoints import WebhookEndpointRepository
from filmgate.repositories.webhooks import WebhookRepository
from filmgate.settings import Settings
from tests.integration.test_webhooks import Receiver, small, until

pytestmark = pytest.mark.anyio

ALL = ["video.completed", "video.failed"]


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver, None]:
    told = Receiver()
    application = web.Application()
    application.router.add_post("/hook", told.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield told
    await runner.cleanup()


@pytest.fixture
async def telling_gate(settings: Settings) -> AsyncGenerator[Gate, None]:
    async with open_gate(settings, work=True) as gate:
        yield gate


@pytest.fixture
async def client(telling_gate: Gate) -> AsyncGenerator[httpx2.AsyncClient, None]:
    headers = {"Authorization": f"Bearer {telling_gate.api_key}"}
    transport = httpx2.ASGITransport(app=telling_gate.application())
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://gate.test", headers=headers, timeout=30
    ) as opened:
        yield opened


@pytest.fixture
def sdk(client: httpx2.AsyncClient, telling_gate: Gate) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key=telling_gate.api_key, base_url="http://gate.test/v1", http_client=client, max_retries=0
    )


async def made(client: httpx2.AsyncClient, url: str, events: list[str] | None = None) -> dict[str, Any]:
    body = {"name": "Cutting room", "url": url, "event_types": events or ALL}
    answer = await client.post("/v1/webhook_endpoints", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def unwrapped(call: tuple[dict[str, str], bytes], secret: str) -> dict[str, Any]:
    """Verify a call as OpenAI's SDK does, and return the event."""
    headers, body = call
    event = openai.OpenAI(api_key="none", base_url="http://gate.test/v1").webhooks.unwrap(
        body, headers, secret=secret
    )
    assert json.loads(body)["type"] == event.type
    return json.loads(body)


async def test_the_sdk_makes_shows_changes_and_deletes_an_endpoint(sdk: openai.AsyncOpenAI) -> None:
    endpoint = await sdk.webhooks.create(
        name="Cutting room", url="https://studio.example/hook", event_types=["video.completed"]
    )
    assert endpoint.object == "webhook_endpoint"
    assert endpoint.signing_secret.startswith("whsec_")
    assert endpoint.signing_secret_hint is not None
    assert endpoint.signing_secret.endswith(endpoint.signing_secret_hint[-4:])
    shown = await sdk.webhooks.retrieve(endpoint.id)
    assert "signing_secret" not in shown.model_dump()
    assert (shown.name, shown.url, shown.event_types) == (
        "Cutting room",
        "https://studio.example/hook",
        ["video.completed"],
    )
    changed = await sdk.webhooks.update(endpoint.id, name="Grading", event_types=["video.failed"])
    assert (changed.name, changed.event_types) == ("Grading", ["video.failed"])
    other = await sdk.webhooks.create(
        name="Archive", url="https://studio.example/archive", event_types=["batch.completed"]
    )
    listed = [one.id async for one in sdk.webhooks.list(limit=1)]
    assert listed == [other.id, endpoint.id]
    deleted = await sdk.webhooks.delete(endpoint.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (endpoint.id, True, "webhook_endpoint.deleted")
    with pytest.raises(openai.NotFoundError):
        await sdk.webhooks.retrieve(endpoint.id)
    assert (await sdk.webhooks.event_types.list()).data == [event.value for event in EventType]


async def test_a_finished_video_is_told_to_those_who_asked_for_it(
    client: httpx2.AsyncClient, receiver: Receiver
) -> None:
    endpoint = await made(client, receiver.url, ["video.completed"])
    await made(client, receiver.url.replace("/hook", "/nowhere"), ["video.failed"])
    job = (await client.post("/api/v1/videos", json=small())).json()["jobId"]
    await until(lambda: receiver.calls)
    event = unwrapped(receiver.calls[0], endpoint["signing_secret"])
    assert event["object"] == "event"
    assert (event["type"], event["data"]) == ("video.completed", {"id": job})
    page = (await client.get(f"/v1/webhook_endpoints/{endpoint['id']}/deliveries?state=delivered")).json()
    assert [(one["id"], one["subject_id"]) for one in page["data"]] == [(event["id"], job)]
    assert len(receiver.calls) == 1


async def test_a_cancelled_video_is_a_failed_one_to_who_knows_no_other_word(
    client: httpx2.AsyncClient, receiver: Receiver
) -> None:
    plain = await made(client, receiver.url, ["video.failed"])
    exact = await made(client, receiver.url, ["video.cancelled", "video.failed"])
    job = (await client.post("/api/v1/videos", json=small(duration=20))).json()["jobId"]
    await client.delete(f"/api/v1/videos/{job}")
    await until(lambda: len(receiver.calls) == 2)
    told = {json.loads(body)["type"]: (headers, body) for headers, body in receiver.calls}
    assert set(told) == {"video.failed", "video.cancelled"}
    unwrapped(told["video.failed"], plain["signing_secret"])
    unwrapped(told["video.cancelled"], exact["signing_secret"])


async def test_a_batch_is_told_of_once(client: httpx2.AsyncClient, receiver: Receiver) -> None:
    endpoint = await made(client, receiver.url, ["batch.completed"])
    batch = await client.post("/api/v1/videos/batch", json={"videos": [small() for _ in range(3)]})
    await until(lambda: receiver.calls, 40)
    event = unwrapped(receiver.calls[0], endpoint["signing_secret"])
    assert event["data"] == {"id": batch.json()["batchId"]}
    assert len(receiver.calls) == 1


async def test_both_secrets_sign_for_a_day_where_that_was_asked_for(
    sdk: openai.AsyncOpenAI, client: httpx2.AsyncClient, receiver: Receiver, database: Database
) -> None:
    old = await made(client, receiver.url)
    new = await sdk.webhooks.rotate_secret(old["id"], keep_old_secret_active_for_24_hours=True)
    assert new.signing_secret != old["signing_secret"]
    await client.post("/api/v1/videos", json=small())
    await until(lambda: receiver.calls)
    unwrapped(receiver.calls[0], old["signing_secret"])
    unwrapped(receiver.calls[0], new.signing_secret)
    await database.execute("UPDATE webhook_endpoints SET old_secret_until = now() - interval '1 second'")
    await client.post("/api/v1/videos", json=small())
    await until(lambda: len(receiver.calls) == 2)
    unwrapped(receiver.calls[1], new.signing_secret)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        unwrapped(receiver.calls[1], old["signing_secret"])


async def test_a_rotation_without_overlap_ends_the_old_secret_at_once(
    sdk: openai.AsyncOpenAI, client: httpx2.AsyncClient, receiver: Receiver
) -> None:
    old = await made(client, receiver.url)
    new = await sdk.webhooks.rotate_secret(old["id"])
    await client.post("/api/v1/videos", json=small())
    await until(lambda: receiver.calls)
    unwrapped(receiver.calls[0], new.signing_secret)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        unwrapped(receiver.calls[0], old["signing_secret"])


async def test_a_sample_is_sent_once_and_its_answer_told(
    sdk: openai.AsyncOpenAI, client: httpx2.AsyncClient, receiver: Receiver
) -> None:
    endpoint = await made(client, receiver.url)
    receiver.answers = [418]
    tested = await sdk.webhooks.test(endpoint["id"], event_type="video.completed")
    assert (tested.status_code, tested.success, tested.event_type) == (418, True, "video.completed")
    unwrapped(receiver.calls[0], endpoint["signing_secret"])
    await client.post(f"/v1/webhook_endpoints/{endpoint['id']}", json={"url": "http://127.0.0.1:9/none"})
    with pytest.raises(openai.BadRequestError, match="could not be called"):
        await sdk.webhooks.test(endpoint["id"], event_type="video.failed")


async def test_every_try_is_logged_and_a_delivery_can_be_sent_again(
    client: httpx2.AsyncClient, receiver: Receiver, database: Database
) -> None:
    endpoint = await made(client, receiver.url)
    receiver.answers = [500]
    await client.post("/api/v1/videos", json=small())
    await until(lambda: receiver.calls)
    log = f"/v1/webhook_endpoints/{endpoint['id']}/deliveries"

    async def tries() -> list[tuple[int, int | None]]:
        (one,) = (await client.get(log)).json()["data"]
        told = (await client.get(f"{log}/{one['id']}")).json()
        return [(each["number"], each["status_code"]) for each in told["tries"]]

    await database.execute("UPDATE deliveries SET next_try_at = now() WHERE state = 'pending'")
    await until(lambda: len(receiver.calls) == 2)
    (one,) = (await client.get(log)).json()["data"]
    again = await client.post(f"{log}/{one['id']}/resend")
    assert (again.status_code, again.json()["state"]) == (200, "pending")
    await until(lambda: len(receiver.calls) == 3)
    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == 1
    found: list[tuple[int, int | None]] = []
    for _ in range(100):
        found = await tries()
        if len(found) == 3:
            break
    assert found == [(1, 500), (2, 204), (3, 204)]


async def test_an_endpoint_that_is_gone_or_long_silent_is_told_nothing_more(
    client: httpx2.AsyncClient, receiver: Receiver, database: Database
) -> None:
    endpoint = await made(client, receiver.url)
    receiver.answers = [410]
    await client.post("/api/v1/videos", json=small())
    await until(lambda: receiver.calls)
    path = f"/v1/webhook_endpoints/{endpoint['id']}"

    async def shown() -> dict[str, Any]:
        return (await client.get(path)).json()

    for _ in range(200):
        if "disabled_at" in await shown():
            break
    assert "410" in (await shown())["disabled_reason"]
    (delivery,) = (await client.get(f"{path}/deliveries")).json()["data"]
    assert delivery["state"] == "exhausted"
    refused = await client.post(f"{path}/deliveries/{delivery['id']}/resend")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "disabled")
    enabled = (await client.post(path, json={"name": "Back"})).json()
    assert "disabled_at" not in enabled
    endpoints = WebhookEndpointRepository(database)
    assert not await endpoints.disable(endpoint["id"], "silent", PATIENCE)
    await database.execute(
        "UPDATE webhook_endpoints SET failing_since = now() - $1::interval", PATIENCE - timedelta(minutes=1)
    )
    assert not await endpoints.disable(endpoint["id"], "silent", PATIENCE)
    await database.execute(
        "UPDATE webhook_endpoints SET failing_since = now() - $1::interval", PATIENCE + timedelta(minutes=1)
    )
    assert await endpoints.disable(endpoint["id"], "silent", PATIENCE)
    assert not await endpoints.disable(endpoint["id"], "silent", PATIENCE)
    assert (await shown())["disabled_reason"] == "silent"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "https://a.example", "event_types": ALL}, "name"),
        ({"name": " ", "url": "https://a.example", "event_types": ALL}, "name"),
        ({"name": "x", "url": "ftp://a.example", "event_types": ALL}, "url"),
        ({"name": "x", "url": "http://169.254.169.254/latest", "event_types": ALL}, "url"),
        ({"name": "x", "url": "https://user:pass@a.example", "event_types": ALL}, "url"),
        ({"name": "x", "url": "https://a.example", "event_types": []}, "event_types"),
        ({"name": "x", "url": "https://a.example", "event_types": ["response.completed"]}, "event_types"),
        ({"name": "x", "url": "https://a.example", "event_types": ALL, "secret": "mine"}, "secret"),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused_by_its_field(
    client: httpx2.AsyncClient, database: Database, body: dict[str, Any], field: str
) -> None:
    answer = await client.post("/v1/webhook_endpoints", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field
    assert answer.headers["x-should-retry"] == "false"
    assert await database.value("SELECT count(*) FROM webhook_endpoints") == 0


async def test_a_project_has_room_for_so_many_and_others_see_none_of_them(
    client: httpx2.AsyncClient, telling_gate: Gate
) -> None:
    first = await made(client, "https://studio.example/hook")
    for _ in range(MAX_ENDPOINTS - 1):
        await made(client, "https://studio.example/hook")
    full = await client.post(
        "/v1/webhook_endpoints", json={"name": "x", "url": "https://a.example", "event_types": ALL}
    )
    assert (full.status_code, full.json()["error"]["code"]) == (400, "too_many")
    _, secret = await telling_gate.services.keys.create("other", "project_of_other")
    other = {"Authorization": f"Bearer {secret}"}
    path = f"/v1/webhook_endpoints/{first['id']}"
    assert (await client.get("/v1/webhook_endpoints", headers=other)).json()["data"] == []
    for method, address in (
        ("GET", path),
        ("POST", path),
        ("DELETE", path),
        ("POST", f"{path}/rotate_secret"),
        ("GET", f"{path}/deliveries"),
        ("GET", f"{path}/deliveries/evt_1"),
        ("POST", f"{path}/deliveries/evt_1/resend"),
    ):
        answer = await client.request(method, address, headers=other, json={} if method == "POST" else None)
        assert answer.status_code == 404, (method, address)


async def test_a_create_that_comes_again_makes_one_endpoint(
    client: httpx2.AsyncClient, database: Database
) -> None:
    body = {"name": "x", "url": "https://a.example", "event_types": ALL}
    answers = [
        await client.post("/v1/webhook_endpoints", json=body, headers={"Idempotency-Key": "once"})
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert await database.value("SELECT count(*) FROM webhook_endpoints") == 1


async def test_deliveries_are_forgotten_a_month_after_they_ended(
    client: httpx2.AsyncClient, receiver: Receiver, database: Database
) -> None:
    await made(client, receiver.url)
    await client.post("/api/v1/videos", json=small())
    await until(lambda: receiver.calls)
    webhooks = WebhookRepository(database)
    while await database.value("SELECT count(*) FROM deliveries WHERE state = 'pending'"):  # noqa: ASYNC110 - across a socket
        await asyncio.sleep(0.02)
    await webhooks.prune(DELIVERIES_KEPT)
    assert await database.value("SELECT count(*) FROM delivery_tries") == 1
    await database.execute("UPDATE deliveries SET ended_at = now() - $1::interval", DELIVERIES_KEPT)
    await webhooks.prune(DELIVERIES_KEPT)
    assert await database.value("SELECT count(*) FROM deliveries") == 0
    assert await database.value("SELECT count(*) FROM delivery_tries") == 0
