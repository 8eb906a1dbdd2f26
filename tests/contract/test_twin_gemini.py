"""The twin speaks Gemini's Interactions API."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.contract.twins import Client, Judge, running_twin

pytestmark = pytest.mark.anyio

INTERACTIONS = "/v1beta/interactions"


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def client(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("gemini"), {"x-goog-api-key": "key"}) as client:
        yield client


def order(prompt: str = "The kite climbs", **form: str) -> dict[str, Any]:
    asked = {
        "type": "video",
        "aspect_ratio": "16:9",
        "resolution": "360p",
        "duration": "3s",
        "delivery": "uri",
    }
    return {
        "model": "gemini-omni-1.2-flash",
        "input": [{"type": "user_input", "content": [{"type": "text", "text": prompt}]}],
        "response_modalities": ["video"],
        "response_format": asked | form,
        "background": True,
        "store": True,
    }


async def ended(client: Client, made: dict[str, Any]) -> dict[str, Any]:
    for _ in range(200):
        shown = (await client.get(f"{INTERACTIONS}/{made['id']}")).json
        if shown.get("status") not in {"queued", "in_progress"}:
            return shown
        await asyncio.sleep(0.01)
    raise AssertionError(shown)


def video_of(shown: dict[str, Any]) -> dict[str, Any]:
    outputs = [step for step in shown["steps"] if step["type"] == "model_output"]
    return next(part for part in outputs[0]["content"] if part["type"] == "video")


async def test_an_interaction_runs_in_the_background_and_ends_with_a_video(client: Client) -> None:
    answer = await client.post(INTERACTIONS, order())
    made = answer.json
    assert (answer.status, made["object"], made["model"]) == (200, "interaction", "gemini-omni-1.2-flash")
    assert made["id"].startswith("v1_")
    assert made["status"] in {"queued", "in_progress"}
    shown = await ended(client, made)
    assert shown["status"] == "completed"
    assert shown["usage"]["output_tokens_by_modality"] == [{"modality": "video", "tokens": 17_376}]
    assert [step["type"] for step in shown["steps"]] == ["user_input", "thought", "model_output"]


async def test_a_film_is_a_file_that_becomes_active_and_needs_the_key(twin: Judge, client: Client) -> None:
    uri = video_of(await ended(client, (await client.post(INTERACTIONS, order())).json))["uri"]
    assert uri.startswith(f"{twin.url('gemini')}/v1beta/files/")
    assert uri.endswith(":download?alt=media")
    file = uri.removesuffix(":download?alt=media")
    await asyncio.sleep(0.01)
    assert (await client.get(file)).json["state"] == "ACTIVE"
    moved = await client.get(uri)
    assert (moved.status, moved.headers["location"].startswith(f"{twin.media}/media/gemini/")) == (302, True)
    async with Client("") as anybody:
        assert (await anybody.get(uri)).status == 403
        film = await anybody.get(moved.headers["location"])
    assert (film.status, film.body[4:8]) == (200, b"ftyp")


async def test_a_file_is_processing_at_first() -> None:
    async with running_twin(speed=1) as twin:
        world = twin.twin.world
        async with Client(twin.url("gemini"), {"x-goog-api-key": "key"}) as client:
            made = (await client.post(INTERACTIONS, order())).json
            job = world.of("gemini").named(made["id"])
            assert job is not None
            job.finish(world.now())
            uri = video_of(await ended(client, made))["uri"]
            assert (await client.get(uri.partition(":download")[0])).json["state"] == "PROCESSING"
            assert (await client.get(uri)).status == 400


@pytest.mark.parametrize("change", [{"delivery": "inline"}, {"prompt": "a [twin:gemini-inline]"}])
async def test_a_film_may_come_inline(client: Client, change: dict[str, str]) -> None:
    shown = await ended(client, (await client.post(INTERACTIONS, order(**change))).json)
    assert base64.b64decode(video_of(shown)["data"])[4:8] == b"ftyp"


async def test_without_background_the_answer_waits_for_the_end(client: Client) -> None:
    answer = await client.post(INTERACTIONS, order() | {"background": False})
    assert answer.json["status"] == "completed"


async def test_a_withheld_film_is_completed_without_a_video(twin: Judge, client: Client) -> None:
    shown = await ended(client, (await client.post(INTERACTIONS, order("a [twin:moderated-after]"))).json)
    assert shown["status"] == "completed"
    assert [part["type"] for part in shown["steps"][-1]["content"]] == ["text"]
    assert twin.bill()["billed_micro_usd"] == 0


async def test_a_get_may_answer_400_for_ever(client: Client) -> None:
    made = (await client.post(INTERACTIONS, order("a [twin:gemini-get-400]"))).json
    await asyncio.sleep(0.1)
    for _ in range(2):
        answer = await client.get(f"{INTERACTIONS}/{made['id']}")
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request")
        assert answer.json["error"]["message"].startswith("Unsupported file uri: ")


async def test_an_interaction_fails_is_cancelled_or_deleted(client: Client) -> None:
    failed = await ended(client, (await client.post(INTERACTIONS, order("a [twin:failed]"))).json)
    assert (failed["status"], "message" in failed["error"]) == ("failed", True)
    made = (await client.post(INTERACTIONS, order("a [twin:stuck]"))).json
    assert (await client.post(f"{INTERACTIONS}/{made['id']}/cancel")).json["status"] == "cancelled"
    assert (await client.ask("DELETE", f"{INTERACTIONS}/{made['id']}")).json == {}
    missing = await client.get(f"{INTERACTIONS}/{made['id']}")
    assert (missing.status, missing.json["error"]["status"]) == (404, "NOT_FOUND")


async def test_there_is_no_listing_and_both_versions_answer(client: Client) -> None:
    assert (await client.get(INTERACTIONS)).status == 405
    assert (await client.post("/v1/interactions", order())).status == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"response_format": {"duration": 8}}, 400),
        ({"response_format": {"duration": "8"}}, 400),
        ({"response_format": {"duration": "16s"}}, 400),
        ({"response_format": {"duration": "4.5s"}}, 200),
        ({"response_format": [{"type": "video", "duration": "4s"}]}, 200),
        ({"response_format": {"resolution": "8k"}}, 400),
        ({"response_format": {"aspect_ratio": "1:1"}}, 400),
        ({"input": "a kite"}, 200),
        ({"input": [{"type": "text", "text": "a kite"}]}, 200),
        ({"input": []}, 400),
        ({"model": "gemini-omni-flash-preview"}, 404),
    ],
)
async def test_what_is_asked_is_checked(client: Client, change: dict[str, Any], status: int) -> None:
    answer = await client.post(INTERACTIONS, order() | change)
    assert answer.status == status, answer.body


async def test_a_429_says_when_to_return_in_its_details(twin: Judge, client: Client) -> None:
    twin.fault("rate-limited", retry_after=37)
    answer = await client.post(INTERACTIONS, order())
    error = answer.json["error"]
    assert (answer.status, error["status"], error["code"]) == (429, "RESOURCE_EXHAUSTED", 429)
    assert error["details"][0]["retryDelay"] == "37s"
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(("key", "status"), [("", 403), ("bad", 400), ("forbidden", 403), ("k-quota", 429)])
async def test_keys_say_how_they_are_judged(twin: Judge, key: str, status: int) -> None:
    async with Client(twin.url("gemini"), {"x-goog-api-key": key}) as client:
        assert (await client.post(INTERACTIONS, order())).status == status
        assert (await client.post(f"{INTERACTIONS}?key=fine", order())).status == (status if key else 200)


async def test_references_are_found_in_metadata_and_labels(twin: Judge, client: Client) -> None:
    hook = {"uris": ["http://127.0.0.1:9/hooks/gemini/job_2"], "user_metadata": {"job": "job_1"}}
    await client.post(INTERACTIONS, order() | {"webhook_config": hook, "labels": {"gateway_job": "job_1"}})
    assert twin.ledger()[0]["references"] == {
        "labels.gateway_job": "job_1",
        "user_metadata.job": "job_1",
        "webhook_config.uris": "job_2",
    }
