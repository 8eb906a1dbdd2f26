"""Callbacks are signed as each vendor signs them, and spoilt as ordered."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from aiohttp import web
from openai import OpenAI

from filmgate.twin.ed25519 import SigningKey
from tests.contract.twins import Client, Judge, running_twin

pytestmark = pytest.mark.anyio

MODEL = "/v1/models/a/b/predictions"


@dataclass
class Receiver:
    """Keep every callback, and answer as told."""

    address: str = ""
    statuses: list[int] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.path, headers, await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def wait(self, count: int) -> list[dict[str, Any]]:
        for _ in range(200):
            if len(self.seen) >= count:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
        return [msgspec.json.decode(body) for _, _, body in self.seen]


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver, None]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def replicate(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("replicate"), {"Authorization": "Bearer k"}) as client:
        yield client


def prediction(receiver: Receiver, prompt: str = "a kite") -> dict[str, Any]:
    return {"input": {"prompt": prompt}, "webhook": f"{receiver.address}/hooks/replicate/job_7"}


def hmac_is_right(secret: str, headers: dict[str, str], body: bytes) -> bool:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


async def test_replicate_tells_start_and_end_with_its_secret(
    twin: Judge, replicate: Client, receiver: Receiver
) -> None:
    made = (await replicate.post(MODEL, prediction(receiver))).json
    told = await receiver.wait(2)
    assert [event["status"] for event in told] == ["processing", "succeeded"]
    assert {event["id"] for event in told} == {made["id"]}
    assert told[1]["output"].startswith(twin.media)
    secret = (await replicate.get("/v1/webhooks/default/secret")).json["key"]
    for path, headers, body in receiver.seen:
        assert path == "/hooks/replicate/job_7"
        assert hmac_is_right(secret, headers, body)
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
    assert twin.ledger()[0]["reference"] == "job_7"
    assert [delivery["status"] for delivery in twin.deliveries()] == [200, 200]


async def test_a_filter_chooses_the_events(replicate: Client, receiver: Receiver) -> None:
    asked = prediction(receiver) | {"webhook_events_filter": ["completed"]}
    await replicate.post(MODEL, asked)
    assert [event["status"] for event in await receiver.wait(1)] == ["succeeded"]


async def test_fal_signs_with_a_key_from_its_key_set(twin: Judge, receiver: Receiver) -> None:
    async with Client(twin.url("fal"), {"Authorization": "Key k"}) as client:
        hook = f"{receiver.address}/hooks/fal?ref=job_8"
        made = await client.ask(
            "POST", "/queue/fal-ai/wan/v3", json={"prompt": "a"}, params={"fal_webhook": hook}
        )
        told = (await receiver.wait(1))[0]
        keys = (await client.get("/rest/.well-known/jwks.json", headers={"Authorization": ""})).json
    assert (told["status"], told["request_id"]) == ("OK", made.json["request_id"])
    assert told["payload"]["video"]["content_type"] == "video/mp4"
    _, headers, body = receiver.seen[0]
    names = ("request-id", "user-id", "timestamp")
    lines = [headers[f"x-fal-webhook-{name}"] for name in names] + [hashlib.sha256(body).hexdigest()]
    key = SigningKey(bytes.fromhex(twin.twin.world.chance.hexadecimal(64, "fal signing key")))
    assert base64.urlsafe_b64decode(keys["keys"][0]["x"] + "=") == key.public
    assert headers["x-fal-webhook-signature"] == key.sign("\n".join(lines).encode()).hex()
    assert twin.ledger()[0]["reference"] == "job_8"


async def test_fal_tells_failures(twin: Judge, receiver: Receiver) -> None:
    async with Client(twin.url("fal"), {"Authorization": "Key k"}) as client:
        asked = {"prompt": "a [twin:moderated-after]"}
        await client.ask(
            "POST", "/queue/fal-ai/wan/v3", json=asked, params={"fal_webhook": f"{receiver.address}/x"}
        )
    told = (await receiver.wait(1))[0]
    assert (told["status"], told["payload"]["detail"][0]["type"]) == ("ERROR", "content_policy_violation")


async def test_ark_tells_each_change_with_the_whole_task(twin: Judge, receiver: Receiver) -> None:
    content = [{"type": "text", "text": "a kite"}]
    asked = {"model": "dreamina-seedance-2-5-260628", "content": content, "safety_identifier": "job_9"}
    async with Client(twin.url("ark"), {"Authorization": "Bearer k"}) as client:
        hook = {"callback_url": f"{receiver.address}/hooks/ark/other"}
        await client.post("/api/v3/contents/generations/tasks", asked | hook)
    told = await receiver.wait(2)
    assert [event["status"] for event in told] == ["running", "succeeded"]
    assert told[1]["content"]["video_url"].startswith(twin.media)
    assert (told[1]["safety_identifier"], twin.ledger()[0]["reference"]) == ("job_9", "job_9")


async def test_gemini_echoes_metadata_under_a_token(twin: Judge, receiver: Receiver) -> None:
    hook = {"uris": [f"{receiver.address}/hooks/gemini/x"], "user_metadata": {"job": "job_10"}}
    asked = {"model": "gemini-omni-1.2-flash", "input": "a kite", "background": True, "webhook_config": hook}
    async with Client(twin.url("gemini"), {"x-goog-api-key": "k"}) as client:
        made = (await client.post("/v1beta/interactions", asked)).json
        keys = (await client.get("/.well-known/jwks.json", headers={"x-goog-api-key": ""})).json
    told = (await receiver.wait(1))[0]
    assert told["type"] == "interaction.completed"
    assert (told["data"]["id"], told["data"]["user_metadata"]) == (made["id"], {"job": "job_10"})
    signed, _, signature = receiver.seen[0][1]["webhook-signature"].rpartition(".")
    assert rsa_is_right(keys["keys"][0], signed.encode(), signature)
    assert twin.ledger()[0]["reference"] == "job_10"


def rsa_is_right(key: dict[str, str], message: bytes, signature: str) -> bool:
    modulus, exponent, value = (
        int.from_bytes(base64.urlsafe_b64decode(text + "==")) for text in (key["n"], key["e"], signature)
    )
    return pow(value, exponent, modulus).to_bytes(256)[-32:] == hashlib.sha256(message).digest()


async def test_gemini_projects_have_webhooks_with_a_secret(twin: Judge, receiver: Receiver) -> None:
    async with Client(twin.url("gemini"), {"x-goog-api-key": "k"}) as client:
        asked = {
            "name": "gate",
            "uri": f"{receiver.address}/x",
            "subscribed_events": ["interaction.completed"],
        }
        secret = (await client.post("/v1/webhooks", asked)).json["new_signing_secret"]
        await client.post(
            "/v1beta/interactions",
            {"model": "gemini-omni-1.2-flash", "input": "a kite", "background": True},
        )
    await receiver.wait(1)
    _, headers, body = receiver.seen[0]
    assert hmac_is_right(secret, headers, body)


async def test_openais_event_is_accepted_by_the_official_client(twin: Judge, receiver: Receiver) -> None:
    async with Client(twin.url("openai"), {"Authorization": "Bearer k"}) as client:
        registered = await client.post(
            f"{twin.address}/_twin/webhooks", {"vendor": "openai", "url": f"{receiver.address}/hooks"}
        )
        made = (await client.post("/v1/videos", {"prompt": "a kite"})).json
        await receiver.wait(1)
        assert (await client.post(f"{twin.address}/_twin/webhooks", {"vendor": "fal"})).status == 400
        shown = (await client.get(f"{twin.address}/_twin/webhooks")).json["deliveries"]
    _, headers, body = receiver.seen[0]
    secret = registered.json["signing_secret"]
    event: Any = OpenAI(api_key="k", webhook_secret=secret).webhooks.unwrap(body.decode(), headers)
    assert (event.type, event.data.id) == ("video.completed", made["id"])
    assert [delivery["status"] for delivery in shown] == [200]


async def test_a_callback_that_is_refused_is_sent_again_under_the_same_id(
    replicate: Client, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302]
    await replicate.post(MODEL, prediction(receiver) | {"webhook_events_filter": ["completed"]})
    await receiver.wait(3)
    assert len(receiver.seen) == 3
    assert len({headers["webhook-id"] for _, headers, _ in receiver.seen}) == 1


async def test_callbacks_may_be_missing_repeated_or_out_of_order(
    replicate: Client, receiver: Receiver
) -> None:
    await replicate.post(MODEL, prediction(receiver, "a [twin:webhook-none]"))
    await asyncio.sleep(0.1)
    assert receiver.seen == []
    await replicate.post(MODEL, prediction(receiver, "a [twin:webhook-repeated times_sent=4]"))
    assert len(await receiver.wait(8)) == 8
    receiver.seen.clear()
    await replicate.post(MODEL, prediction(receiver, "a [twin:webhook-out-of-order]"))
    assert [event["status"] for event in await receiver.wait(2)] == ["succeeded", "processing"]


async def test_callbacks_may_be_forged_stale_or_about_nobody(replicate: Client, receiver: Receiver) -> None:
    secret = (await replicate.get("/v1/webhooks/default/secret")).json["key"]
    only = {"webhook_events_filter": ["completed"]}
    await replicate.post(MODEL, prediction(receiver, "a [twin:webhook-forged]") | only)
    await receiver.wait(1)
    assert not hmac_is_right(secret, *receiver.seen[-1][1:])
    await replicate.post(MODEL, prediction(receiver, "a [twin:webhook-stale age=900]") | only)
    await receiver.wait(2)
    assert hmac_is_right(secret, *receiver.seen[-1][1:])
    assert time.time() - int(receiver.seen[-1][1]["webhook-timestamp"]) > 890
    made = (await replicate.post(MODEL, prediction(receiver, "a [twin:webhook-unknown-id]") | only)).json
    told = (await receiver.wait(3))[-1]
    assert told["id"] != made["id"]
    assert hmac_is_right(secret, *receiver.seen[-1][1:])


async def test_a_callback_may_come_before_the_create_answer_or_late(
    twin: Judge, replicate: Client, receiver: Receiver
) -> None:
    twin.fault("slow-headers", seconds=0.1)
    pending = asyncio.create_task(replicate.post(MODEL, prediction(receiver, "a [twin:webhook-early]")))
    told = await receiver.wait(1)
    assert (told[0]["status"], pending.done()) == ("succeeded", False)
    assert (await pending).json["id"] == told[0]["id"]
    twin.heal()
    receiver.seen.clear()
    start = time.monotonic()
    await replicate.post(MODEL, prediction(receiver, "a [twin:webhook-delayed seconds=0.2]"))
    await receiver.wait(1)
    assert time.monotonic() - start >= 0.2


async def test_a_lost_create_answer_still_has_its_callback(
    twin: Judge, replicate: Client, receiver: Receiver
) -> None:
    twin.fault("lost-after-accept", vendor="replicate")
    with pytest.raises(OSError, match=r".*"):
        await replicate.post(MODEL, prediction(receiver))
    told = (await receiver.wait(2))[-1]
    assert told["id"] == twin.ledger(reference="job_7")[0]["job"]


async def test_a_cancelled_job_is_told_at_once(replicate: Client, receiver: Receiver) -> None:
    made = (await replicate.post(MODEL, prediction(receiver, "a [twin:stuck]"))).json
    await receiver.wait(1)
    await replicate.post(f"/v1/predictions/{made['id']}/cancel")
    assert (await receiver.wait(2))[-1]["status"] == "canceled"
