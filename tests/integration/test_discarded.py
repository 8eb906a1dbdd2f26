"""What was stored for a create that came to nothing is not left behind; a slow create is made once."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiohttp import web

from filmgate.app import Gate, open_gate
from filmgate.settings import ProviderSettings, Settings
from tests.integration.makers import until
from tests.integration.openai_wire import picture
from tests.integration.scripted import Scripted
from tests.integration.test_api_money import a_key

pytestmark = pytest.mark.anyio

MODEL = {"sizes": ["1280x720"], "min_seconds": 1, "max_seconds": 10, "price": "0.10", "image_input": True}
IMAGE = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
ASKED = {"prompt": "a lake", "duration": 5, "model": "dear-1", "inputReference": IMAGE}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    dear = ProviderSettings("scripted", "scripted", models={"dear-1": MODEL})
    return replace(settings, providers={"scripted": dear}, default_model="dear-1")


@pytest.fixture
async def gate(settings: Settings) -> AsyncGenerator[Gate, None]:
    async with open_gate(settings, work=False, providers={"scripted": Scripted()}) as opened:
        yield opened


def kept(gate: Gate) -> list[Path]:
    return [path for path in (gate.settings.data / "assets").rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["/api/v1/videos", "/api/v1/videos/batch"])
@pytest.mark.parametrize("extra", [{}, {"Idempotency-Key": "k"}, {"x-stainless-retry-count": "0"}])
async def test_a_create_that_no_budget_has_room_for_leaves_no_image(
    api: httpx2.AsyncClient, gate: Gate, path: str, extra: dict[str, str]
) -> None:
    _, headers = await a_key(gate, day="0.80")
    body: dict[str, Any] = {"videos": [ASKED]} if path.endswith("batch") else ASKED
    first = await api.post(path, json=body, headers=headers)
    assert first.status_code == 202, first.text
    assert len(kept(gate)) == 1
    for _ in range(3):
        refused = await api.post(path, json=body, headers=headers | extra)
        assert refused.status_code == 402, refused.text
    assert len(kept(gate)) == 1


async def test_a_repeat_under_the_same_key_leaves_no_second_image(
    api: httpx2.AsyncClient, gate: Gate, key: dict[str, str]
) -> None:
    headers = key | {"Idempotency-Key": "twice-at-once"}
    answers = await asyncio.gather(
        *(api.post("/api/v1/videos", json=ASKED, headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    assert len({answer.json()["jobId"] for answer in answers}) == 1
    assert len(kept(gate)) == 1


async def test_a_retry_that_comes_while_the_image_is_still_fetched_makes_no_second_video(
    api: httpx2.AsyncClient, gate: Gate, key: dict[str, str]
) -> None:
    asked, let_go = 0, asyncio.Event()

    async def image(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked == 1:
            await let_go.wait()
        return web.Response(body=picture())

    application = web.Application()
    application.router.add_get("/image.png", image)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/image.png"
        body = {
            "prompt": "a lake",
            "model": "dear-1",
            "seconds": "5",
            "size": "1280x720",
            "input_reference": {"image_url": url},
        }

        async def send(tries: int) -> httpx2.Response:
            headers = key | {"x-stainless-retry-count": str(tries)}
            return await api.post("/v1/videos", json=body, headers=headers)

        first = asyncio.create_task(send(0))
        await until(lambda: asked == 1, seconds=30)
        retry = await send(1)
        assert retry.status_code == 200, retry.text
        let_go.set()
        late = await first
        assert late.status_code == 409, late.text
        assert await gate.database.value("SELECT count(*) FROM videos") == 1
        assert len(kept(gate)) == 1
    finally:
        let_go.set()
        await runner.cleanup()
