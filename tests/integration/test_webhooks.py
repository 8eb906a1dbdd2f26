"""Tell users what has become of their videos."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx2
import openai
import pytest
from aiohttp import web

from filmgate.app import Gate, open_gate
from filmgate.domain.webhook import PAUSES, written_secret
from filmgate.infrastructure.database import Database
from filmgate.services.webhooks import pause_after
from filmgate.settings import Settings

pytestmark = pytest.mark.anyio

SECRET = written_secret(b"0123456789abcdef0123456789abcdef")


@dataclass
class Receiver:
    """A receiver of webhooks that answers what it is told to."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.calls.append((dict(request.headers), await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        headers = {"Location": self.url} if status == 302 else None
        return web.Response(status=status, headers=headers)


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver, None]:
    told = Receiver()
    application = web.Application()
    application.router.add_post("/hook", told.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    told.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield told
    await runner.cleanup()


@pytest.fixture
async def telling_gate(settings: Settings) -> AsyncGenerator[Gate, None]:
    async with open_gate(replace(settings, webhook_secret=SECRET), work=True) as gate:
        yield gate


@pytest.fixture
async def client(telling_gate: Gate) -> AsyncGenerator[httpx2.AsyncClient, None]:
    headers = {"Authorization": f"Bearer {telling_gate.api_key}"}
    transport = httpx2.ASGITransport(app=telling_gate.application())
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://gate.test", headers=headers
    ) as opened:
        yield opened


async def until(condition: object, seconds: float = 20) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens across a socket
            await asyncio.sleep(0.02)


def small(url: str | None = None, **more: object) -> dict[str, object]:
    film: dict[str, object] = {"prompt": "fog", "duration": 1, "resolution": "360x360", **more}
    return film if url is None else {**film, "webhookUrl": url}


async def test_a_finished_video_is_told_of_and_the_sdk_accepts_the_signature(
    client: httpx2.AsyncClient, receiver: Receiver
) -> None:
    created = await client.post("/api/v1/videos", json=small(receiver.url, metadata={"shot": "12"}))
    await until(lambda: receiver.calls)
    headers, body = receiver.calls[0]
    event = openai.OpenAI(api_key="none", base_url="http://gate.test").webhooks
    event.verify_signature(body, headers, secret=SECRET)
    told = httpx2.Response(200, content=body).json()
    assert told["type"] == "video.completed"
    assert told["data"]["jobId"] == created.json()["jobId"]
    assert told["data"]["metadata"] == {"shot": "12"}
    assert "prompt" not in told["data"]


async def test_a_signature_over_another_body_is_refused(
    client: httpx2.AsyncClient, receiver: Receiver
) -> None:
    await client.post("/api/v1/videos", json=small(receiver.url))
    await until(lambda: receiver.calls)
    headers, body = receiver.calls[0]
    with pytest.raises(openai.InvalidWebhookSignatureError):
        openai.OpenAI(api_key="none", base_url="http://gate.test").webhooks.verify_signature(
            body + b" ", headers, secret=SECRET
        )


async def test_a_cancelled_video_is_told_of(client: httpx2.AsyncClient, receiver: Receiver) -> None:
    created = await client.post("/api/v1/videos", json=small(receiver.url, duration=20))
    await client.delete(f"/api/v1/videos/{created.json()['jobId']}")
    await until(lambda: receiver.calls)
    assert b'"video.cancelled"' in receiver.calls[0][1]


async def test_a_batch_is_told_of_once_when_its_last_video_ends(
    client: httpx2.AsyncClient, receiver: Receiver, database: Database
) -> None:
    rows = [small() for _ in range(4)]
    created = await client.post("/api/v1/videos/batch", json={"videos": rows, "webhookUrl": receiver.url})
    await until(lambda: receiver.calls)
    told = httpx2.Response(200, content=receiver.calls[0][1]).json()
    assert told["type"] == "batch.completed"
    assert told["data"]["batchId"] == created.json()["batchId"]
    assert told["data"]["counts"]["completed"] == 4
    assert await database.value("SELECT count(*) FROM deliveries") == 1


async def test_a_cancelled_batch_is_told_of_once(
    client: httpx2.AsyncClient, receiver: Receiver, database: Database
) -> None:
    rows = [small(duration=20) for _ in range(30)]
    created = await client.post("/api/v1/videos/batch", json={"videos": rows, "webhookUrl": receiver.url})
    await client.delete(f"/api/v1/batches/{created.json()['batchId']}")
    await until(lambda: receiver.calls)
    assert await database.value("SELECT count(*) FROM deliveries") == 1


@pytest.mark.parametrize("status", [302, 429, 500])
async def test_a_receiver_that_does_not_take_it_is_asked_again_with_the_same_id(
    client: httpx2.AsyncClient, receiver: Receiver, database: Database, status: int
) -> None:
    receiver.answers = [status]
    await client.post("/api/v1/videos", json=small(receiver.url))
    await until(lambda: receiver.calls)
    await _settled(database, "last_status IS NOT NULL")
    await database.execute("UPDATE deliveries SET next_try_at = now()")
    await until(lambda: len(receiver.calls) == 2)
    ids = {headers["webhook-id"] for headers, _ in receiver.calls}
    assert len(ids) == 1
    await _settled(database, "state = 'delivered' AND tries = 2")


async def test_a_receiver_that_is_gone_is_not_asked_again(
    client: httpx2.AsyncClient, receiver: Receiver, database: Database
) -> None:
    receiver.answers = [410]
    await client.post("/api/v1/videos", json=small(receiver.url))
    await _settled(database, "state = 'exhausted' AND last_status = 410 AND tries = 1")


async def test_an_address_that_must_not_be_called_is_not_called(
    client: httpx2.AsyncClient, database: Database
) -> None:
    await client.post("/api/v1/videos", json=small("http://169.254.169.254/latest/meta-data"))
    await _settled(
        database, "last_error LIKE '%169.254.169.254 is not on the open internet%' AND state = 'pending'"
    )


def test_pauses_grow_over_three_days_and_then_end() -> None:
    assert sum(PAUSES, timedelta(0)) == timedelta(hours=75, minutes=35, seconds=5)
    for tries, pause in enumerate(PAUSES, start=1):
        chosen = pause_after(tries)
        assert chosen is not None
        assert pause * 0.8 <= chosen <= pause * 1.2
    assert pause_after(len(PAUSES) + 1) is None


async def _settled(database: Database, condition: str) -> None:
    async with asyncio.timeout(20):
        while True:
            async with database.session() as session:
                row = await session.connection.fetchrow(f"SELECT 1 FROM deliveries WHERE {condition}")
            if row is not None:
                return
            await asyncio.sleep(0.02)
