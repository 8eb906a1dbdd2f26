"""A lost answer is made good by the vendor's own call, over real HTTP, from the create to the film."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from filmgate.cli.running import serving
from filmgate.settings import ProviderSettings, Settings
from tests.contract.twins import running_twin

pytestmark = pytest.mark.anyio

# Google can be asked for nothing that was lost: only its callback brings such a film home.
MODEL = "gemini-omni-1.2-flash"
ASKED = {"prompt": "A kite [twin:lost-after-accept]", "model": MODEL, "duration": 3, "resolution": "640x360"}


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until_final(http: aiohttp.ClientSession, job_id: str, seconds: float = 60) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while True:
            async with http.get(f"/api/v1/videos/{job_id}") as answer:
                video: dict[str, Any] = await answer.json()
            if video["status"] in {"completed", "failed", "cancelled"}:
                return video
            await asyncio.sleep(0.1)


async def test_a_film_whose_create_was_never_answered_comes_home_by_its_callback(settings: Settings) -> None:
    port = a_free_port()
    public = f"http://127.0.0.1:{port}"
    async with running_twin() as judge:
        gemini = ProviderSettings("gemini", "gemini", "key-of-ours", judge.url("gemini"))
        told = replace(settings, port=port, public_url=public, providers={"gemini": gemini})
        async with serving(told, work=True) as here:
            headers = {"Authorization": f"Bearer {here.gate.api_key}"}
            async with aiohttp.ClientSession(public, headers=headers) as http:
                async with http.post("/api/v1/videos", json=ASKED) as answer:
                    made = await answer.json()
                    assert answer.status == 202, made
                video = await until_final(http, made["jobId"])
        assert video["status"] == "completed", video
        (entry,) = judge.ledger(vendor="gemini")
        assert (entry["fault"], entry["created"]) == ("lost-after-accept", True)
        assert judge.deliveries()[-1]["status"] == 204
