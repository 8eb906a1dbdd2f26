"""Extensions and remixes are made by every kind of vendor, each part is paid for once, and no more."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from filmgate.app import Gate, open_gate
from filmgate.settings import ProviderSettings, Settings
from tests.contract.twins import Judge, running_twin
from tests.integration.makers import film, until

pytestmark = pytest.mark.anyio

MODELS = {
    "fal": "fal-ai/veo3.1",
    "gemini": "gemini-omni-1.2-flash",
    "runway": "gen4.5",
    "ark": "dreamina-seedance-2-5-260628",
    "replicate": "google/veo-3.1-fast",
    "vllm": "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
}
PATHS = {"fal": "/queue", "replicate": "/v1", "vllm": "/v1", "sglang": "/v1"}
LENGTHS = {"min_seconds": 1, "max_seconds": 10}
ADDED = {
    "replicate": {
        MODELS["replicate"]: {
            "sizes": ["1280x720"],
            "min_seconds": 4,
            "max_seconds": 8,
            "price": "0.10",
            "image_input": True,
        }
    },
    "vllm": {MODELS["vllm"]: {"sizes": ["1280x720"], "price": "0.01", "image_input": True, **LENGTHS}},
    "sglang": {"words-only": {"sizes": ["1280x720"], "price": "0.01", "image_input": False, **LENGTHS}},
}
WAIT = 60.0


@pytest.fixture
async def judge() -> AsyncGenerator[Judge, None]:
    async with running_twin(speed=20) as running:
        yield running


@pytest.fixture
async def gate(settings: Settings, judge: Judge) -> AsyncGenerator[Gate, None]:
    providers = {
        name: ProviderSettings(
            name, name, "key-of-ours", judge.url(name) + PATHS.get(name, ""), ADDED.get(name, {})
        )
        for name in (*MODELS, "sglang")
    }
    # A route whose first target knows words only.
    routes = {"either": ("sglang/words-only", f"vllm/{MODELS['vllm']}"), "words": ("sglang/words-only",)}
    connected = replace(settings, providers=providers, routes=routes)
    async with open_gate(connected, work=True) as opened:
        yield opened


async def finished(api: httpx2.AsyncClient, key: dict[str, str], answer: httpx2.Response) -> dict[str, Any]:
    """Wait until the video of an answer has ended, well, and return what /api/v1 says of it."""
    assert answer.status_code == 200, answer.text
    latest: dict[str, Any] = {}

    async def ended() -> bool:
        nonlocal latest
        latest = (await api.get(f"/api/v1/videos/{answer.json()['id']}", headers=key)).json()
        return latest["status"] in {"completed", "failed"}

    await until(ended, WAIT)
    assert latest["status"] == "completed", latest["error"]
    return latest


@pytest.mark.parametrize("vendor", list(MODELS))
async def test_a_vendors_film_is_remixed_and_extended_and_each_part_is_paid_for_once(
    api: httpx2.AsyncClient, key: dict[str, str], judge: Judge, vendor: str
) -> None:
    body = {"prompt": "a kite", "model": MODELS[vendor], "size": "1280x720", "seconds": "4"}
    source = await finished(api, key, await api.post("/v1/videos", json=body, headers=key))
    remix = await finished(
        api,
        key,
        await api.post(f"/v1/videos/{source['jobId']}/remix", json={"prompt": "a gull"}, headers=key),
    )
    assert (remix["provider"], remix["sent"]["seconds"], remix["sent"]["size"]) == (vendor, 4, "1280x720")
    body = {"prompt": "it rises", "seconds": "4", "video": {"id": source["jobId"]}}
    extension = await finished(api, key, await api.post("/v1/videos/extensions", json=body, headers=key))
    assert extension["derivedFrom"]["videoId"] == source["jobId"]
    assert extension["adjustments"][-1] == "joined packet by packet, nothing was encoded anew"
    assert abs(extension["delivered"]["seconds"] - 8) < 0.2
    # What is held and paid is the new part alone.
    assert extension["estimatedCost"] == source["estimatedCost"]
    assert Decimal(extension["cost"]["amount"]) <= Decimal(extension["estimatedCost"]["amount"])
    paid = judge.ledger(vendor=vendor)
    assert [entry["prompt"] for entry in paid] == ["a kite", "a gull", "it rises"]
    assert [entry["seconds"] for entry in paid] == [4, 4, 4]


async def test_a_target_that_takes_an_image_is_chosen_where_the_first_does_not(
    api: httpx2.AsyncClient, key: dict[str, str], judge: Judge
) -> None:
    answer = await api.post(
        "/v1/videos/extensions",
        data={"prompt": "on", "seconds": "2", "model": "either"},
        files={"video": ("clip.mp4", film(2.0), "video/mp4")},
        headers=key,
    )
    extension = await finished(api, key, answer)
    assert extension["providerModel"] == MODELS["vllm"]
    assert [entry["model"] for entry in judge.ledger()] == [MODELS["vllm"]]


@pytest.mark.parametrize("path", ["edits", "extensions"])
async def test_a_model_that_takes_no_image_is_refused_with_those_that_do(
    api: httpx2.AsyncClient, key: dict[str, str], judge: Judge, path: str
) -> None:
    data = {"prompt": "on", "model": "words"}
    clip = {"video": ("clip.mp4", film(2.0), "video/mp4")}
    answer = await api.post(f"/v1/videos/{path}", data=data, files=clip, headers=key)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "model", "unsupported")
    assert f'"words" takes no image, and an {path.removesuffix("s")} starts from one.' in error["message"]
    assert "These can: " in error["message"]
    assert MODELS["vllm"] in error["message"]
    assert judge.ledger() == []


async def test_a_remix_of_a_film_whose_model_takes_no_image_says_what_can(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    body = {"prompt": "a kite", "model": "words", "size": "1280x720", "seconds": "2"}
    source = await finished(api, key, await api.post("/v1/videos", json=body, headers=key))
    path = f"/v1/videos/{source['jobId']}"
    refused = await api.post(f"{path}/remix", json={"prompt": "a gull"}, headers=key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported")
    body = {"prompt": "a gull", "video": {"id": source["jobId"]}, "model": "either"}
    edit = await finished(api, key, await api.post("/v1/videos/edits", json=body, headers=key))
    assert edit["providerModel"] == MODELS["vllm"]
