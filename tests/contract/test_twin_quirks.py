"""The twin speaks OpenAI's videos API the way vLLM-Omni, SGLang and LiteLLM do."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from yarl import URL

from tests.contract.twins import Client, Judge, Seen, running_twin

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def vllm(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("vllm")) as client:
        yield client


@pytest.fixture
async def sglang(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("sglang")) as client:
        yield client


@pytest.fixture
async def litellm(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("litellm"), {"Authorization": "Bearer sk-1"}) as client:
        yield client


def form(prompt: str = "a kite", **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData({"prompt": prompt, "size": "320x180", "seconds": "2"} | fields)
    data.add_field("unused", b"", filename="")
    return data


async def ended(client: Client, made: dict[str, Any]) -> Seen:
    for _ in range(200):
        answer = await client.get(f"/v1/videos/{made['id']}")
        if answer.json["status"] in {"completed", "failed"}:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError(answer)


# vLLM-Omni


async def test_vllm_takes_forms_without_a_key_and_jumps_to_100(vllm: Client) -> None:
    made = await vllm.ask("POST", "/v1/videos", data=form("a [twin:long-queue seconds=20]"))
    assert made.status == 200
    assert made.json["id"].startswith("video_gen_")
    assert (made.json["seconds"], made.json["size"], made.json["fps"]) == ("2", "320x180", 24)
    shown = (await ended(vllm, made.json)).json
    assert (shown["progress"], shown["duration_s"], shown["media_type"]) == (100, 2.0, "video/mp4")
    film = await vllm.get(f"/v1/videos/{made.json['id']}/content?variant=thumbnail")
    assert film.headers["content-type"] == "video/mp4"
    running = (await vllm.ask("POST", "/v1/videos", data=form("a [twin:stuck]"))).json
    await asyncio.sleep(0.05)
    shown = (await vllm.get(f"/v1/videos/{running['id']}")).json
    assert (shown["status"], shown["progress"]) == ("in_progress", 0)
    early = await vllm.get(f"/v1/videos/{running['id']}/content")
    assert (early.status, list(early.json)) == (404, ["detail"])


async def test_vllm_refuses_json_other_models_and_odd_seconds(vllm: Client) -> None:
    as_json = await vllm.post("/v1/videos", {"prompt": "a kite"})
    assert (as_json.status, as_json.json["detail"][0]["loc"]) == (422, ["body", "prompt"])
    assert (await vllm.ask("POST", "/v1/videos", data=form(model="sora-2"))).status == 400
    for wrong in ({"seconds": "0"}, {"seconds": "1.5"}, {"size": "big"}, {"size": "99999x99999"}):
        assert (await vllm.ask("POST", "/v1/videos", data=form(**wrong))).status == 422


@pytest.mark.parametrize(("fault", "status"), [("failed", 500), ("moderated-after", 400)])
async def test_vllms_failed_video_answers_with_an_error_status(vllm: Client, fault: str, status: int) -> None:
    made = (await vllm.ask("POST", "/v1/videos", data=form(f"a [twin:{fault}]"))).json
    answer = await ended(vllm, made)
    assert (answer.status, answer.json["object"], answer.json["error"]["code"]) == (status, "video", status)
    assert (await vllm.get(f"/v1/videos/{made['id']}/content")).status == 422


async def test_vllms_delete_stops_what_runs(vllm: Client) -> None:
    made = (await vllm.ask("POST", "/v1/videos", data=form("a [twin:stuck]"))).json
    deleted = await vllm.ask("DELETE", f"/v1/videos/{made['id']}")
    assert deleted.json == {"id": made["id"], "object": "video.deleted", "deleted": True}
    missing = await vllm.get(f"/v1/videos/{made['id']}")
    assert (missing.status, list(missing.json)) == (404, ["detail"])


async def test_vllm_renders_at_once_on_request(vllm: Client) -> None:
    answer = await vllm.ask("POST", "/v1/videos/sync", data=form())
    assert (answer.status, answer.body[4:8]) == (200, b"ftyp")
    assert answer.headers["x-request-id"].startswith("video_gen_")


async def test_vllm_lists_and_has_no_remix(vllm: Client) -> None:
    ids = [(await vllm.ask("POST", "/v1/videos", data=form())).json["id"] for _ in range(2)]
    assert [video["id"] for video in (await vllm.get("/v1/videos")).json["data"]] == ids[::-1]
    assert (await vllm.get("/v1/videos?limit=0")).json["data"] == []
    assert (await vllm.get("/v1/videos?after=nobody")).json["data"] == []
    assert (await vllm.get("/v1/videos?limit=101")).status == 422
    assert (await vllm.post(f"/v1/videos/{ids[0]}/remix", {"prompt": "a"})).status == 404


async def test_a_key_is_optional_and_a_bad_one_refused(twin: Judge) -> None:
    async with Client(twin.url("vllm"), {"Authorization": "Bearer bad"}) as client:
        assert (await client.ask("POST", "/v1/videos", data=form())).status == 401


# SGLang


async def test_sglang_takes_whole_seconds_and_shows_real_progress(sglang: Client) -> None:
    made = await sglang.post("/v1/videos", {"prompt": "a [twin:stuck]", "seconds": 3, "size": ""})
    assert (made.status, made.json["model"], made.json["seconds"]) == (200, "sora-2", "3")
    await asyncio.sleep(0.1)
    assert (await sglang.get(f"/v1/videos/{made.json['id']}")).json["progress"] == 99
    for wrong in ({"seconds": "x"}, {"seconds": 1.5}, {"seconds": 0}, {"prompt": ""}):
        assert (await sglang.post("/v1/videos", {"prompt": "a"} | wrong)).status == 422
    assert (await sglang.ask("POST", "/v1/videos", data=form())).status == 200
    assert (await sglang.get("/v1/videos?limit=0")).status == 422


async def test_sglangs_failed_video_answers_200_with_a_message_only(sglang: Client) -> None:
    made = (await sglang.post("/v1/videos", {"prompt": "a [twin:failed]", "seconds": 1})).json
    answer = await ended(sglang, made)
    assert (answer.status, list(answer.json["error"])) == (200, ["message"])


async def test_sglangs_delete_is_only_a_word(sglang: Client) -> None:
    made = (await sglang.post("/v1/videos", {"prompt": "a [twin:stuck]"})).json
    deleted = await sglang.ask("DELETE", f"/v1/videos/{made['id']}")
    assert (deleted.status, deleted.json["status"], deleted.json["object"]) == (200, "deleted", "video")


async def test_sglangs_variant_is_a_number(sglang: Client) -> None:
    made = (await sglang.post("/v1/videos", {"prompt": "a", "seconds": 1, "size": "320x180"})).json
    await ended(sglang, made)
    path = f"/v1/videos/{made['id']}/content"
    assert (await sglang.get(path)).status == 200
    assert (await sglang.get(f"{path}?variant=0")).status == 200
    assert (await sglang.get(f"{path}?variant=video")).status == 404


# LiteLLM


async def test_litellms_ids_are_long_and_need_encoding(litellm: Client) -> None:
    made = (await litellm.post("/v1/videos", {"prompt": "a kite"})).json
    assert len(made["id"]) > 800
    assert set("/=") & set(made["id"])
    assert "prompt" not in made
    assert (made["progress"], made["expires_at"], made["usage"]) == (None, None, {"duration_seconds": 4})
    path = URL(f"{litellm.base}/videos/{made['id'].replace('/', '%2F').replace('=', '%3D')}", encoded=True)
    for _ in range(100):
        async with litellm._session.get(path) as answer:
            shown = await answer.json()
        if shown["status"] == "completed":
            break
        await asyncio.sleep(0.01)
    async with litellm._session.get(URL(f"{path}/content", encoded=True)) as answer:
        assert (answer.status, (await answer.read())[4:8]) == (200, b"ftyp")
    async with litellm._session.delete(path) as answer:
        assert answer.status == 405


async def test_litellms_errors_carry_the_status_as_text(twin: Judge, litellm: Client) -> None:
    missing = await litellm.get("/v1/videos/nobody")
    assert missing.status == 404
    async with Client(twin.url("litellm"), {"Authorization": "Bearer bad"}) as client:
        answer = await client.post("/videos", {"prompt": "a"})
    assert (answer.status, answer.json["error"]["code"]) == (401, "401")
    twin.fault("error-before", status=500)
    answer = await litellm.post("/v1/videos", {"prompt": "a"})
    assert (answer.status, answer.json["error"]["code"]) == (500, "500")


@pytest.mark.parametrize("vendor", ["vllm", "sglang", "litellm"])
async def test_the_official_client_works_with_every_copy(twin: Judge, vendor: str) -> None:
    async with AsyncOpenAI(api_key="sk-1", base_url=f"{twin.url(vendor)}/v1", max_retries=0) as sdk:
        model: Any = "Wan-AI/Wan2.2-T2V-A14B-Diffusers" if vendor == "vllm" else "sora-2"
        video = await sdk.videos.create_and_poll(
            prompt="a kite", model=model, seconds="4", size="1280x720", poll_interval_ms=20
        )
        assert video.status == "completed"
        film = await sdk.videos.download_content(video.id)
        assert (await film.aread())[4:8] == b"ftyp"
