"""The twin speaks Replicate's predictions API."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.contract.twins import Client, Judge, running_twin

pytestmark = pytest.mark.anyio

MODEL = "/v1/models/wan-video/wan-2.7/predictions"


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def client(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("replicate"), {"Authorization": "Bearer r8_test"}) as client:
        yield client


async def created(client: Client, prompt: str = "a kite", **headers: str) -> dict[str, Any]:
    answer = await client.post(MODEL, {"input": {"prompt": prompt, "duration": 5}}, headers=headers)
    assert answer.status == 201, answer.body
    return answer.json


async def ended(client: Client, made: dict[str, Any]) -> dict[str, Any]:
    for _ in range(200):
        shown = (await client.get(made["urls"]["get"])).json
        if shown["completed_at"]:
            return shown
        await asyncio.sleep(0.02)
    raise AssertionError(shown)


async def test_a_prediction_is_shown_whole(twin: Judge, client: Client) -> None:
    made = await created(client)
    assert re.fullmatch(r"[a-z0-9]{26}", made["id"])
    assert made["status"] == "starting"
    assert made["model"] == "wan-video/wan-2.7"
    assert made["input"] == {"prompt": "a kite", "duration": 5}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["created_at"])
    assert (made["output"], made["error"], made["started_at"], made["completed_at"]) == (None,) * 4
    address = f"{twin.url('replicate')}/v1/predictions/{made['id']}"
    assert made["urls"] == {"get": address, "cancel": f"{address}/cancel", "stream": f"{address}/stream"}
    assert (made["logs"], made["metrics"], made["data_removed"], made["source"]) == ("", {}, False, "api")


async def test_a_prediction_succeeds_with_logs_metrics_and_a_film(twin: Judge, client: Client) -> None:
    shown = await ended(client, await created(client))
    assert shown["status"] == "succeeded"
    assert "100%|" in shown["logs"]
    assert shown["metrics"]["predict_time"] > 0
    assert shown["output"].startswith(f"{twin.media}/media/replicate/")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("failed", r"interrupted"),
        ("moderated-after", r"flagged as sensitive.*E005"),
        ("failed-without-reason", None),
    ],
)
async def test_a_prediction_fails_with_its_reason(client: Client, fault: str, reason: str | None) -> None:
    shown = await ended(client, await created(client, f"a kite [twin:{fault}]"))
    assert shown["status"] == "failed"
    assert re.search(reason, shown["error"]) if reason else shown["error"] is None


async def test_a_deadline_before_the_start_aborts_for_free(twin: Judge, client: Client) -> None:
    made = await created(client, "a kite [twin:long-queue seconds=100000]", **{"Cancel-After": "1m"})
    assert (await ended(client, made))["status"] == "aborted"
    assert twin.bill()["billed_micro_usd"] == 0


async def test_a_deadline_while_running_cancels_and_is_billed(twin: Judge, client: Client) -> None:
    made = await created(client, "a kite [twin:stuck]", **{"Cancel-After": "1m30s"})
    assert (await ended(client, made))["status"] == "canceled"
    assert twin.bill()["billed_micro_usd"] == 450_000


async def test_a_deadline_has_to_be_five_seconds(client: Client) -> None:
    answer = await client.post(MODEL, {"input": {"prompt": "a"}}, headers={"Cancel-After": "4s"})
    assert answer.status == 422


async def test_cancelling_shows_the_prediction(client: Client) -> None:
    made = await created(client, "a kite [twin:stuck]")
    answer = await client.post(f"/v1/predictions/{made['id']}/cancel")
    assert (answer.status, answer.json["status"]) == (200, "canceled")


async def test_the_listing_shows_inputs_newest_first(client: Client) -> None:
    made = [await created(client, f"kite {number}") for number in range(101)]
    page = (await client.get("/v1/predictions")).json
    assert [item["input"]["prompt"] for item in page["results"][:2]] == ["kite 100", "kite 99"]
    assert (len(page["results"]), page["previous"]) == (100, None)
    rest = (await client.get(page["next"])).json
    assert [item["id"] for item in rest["results"]] == [made[0]["id"]]
    assert rest["next"] is None


async def test_a_version_or_a_model_and_an_input_are_needed(client: Client) -> None:
    assert (await client.post("/v1/predictions", {"input": {"prompt": "a"}})).status == 422
    assert (await client.post(MODEL, {})).status == 422
    made = await client.post("/v1/predictions", {"version": "f" * 64, "input": {"prompt": "a"}})
    assert (made.status, made.json["version"]) == (201, "f" * 64)


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("bad", 401), ("r8-quota", 402)])
async def test_keys_say_how_they_are_judged(twin: Judge, key: str | None, status: int) -> None:
    async with Client(twin.url("replicate"), {"Authorization": f"Bearer {key}"} if key else {}) as client:
        answer = await client.post(MODEL, {"input": {"prompt": "a"}})
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_throttled_create_says_when_to_return_in_its_text(twin: Judge, client: Client) -> None:
    twin.fault("rate-limited", vendor="replicate", retry_after=7)
    answer = await client.post(MODEL, {"input": {"prompt": "a"}})
    assert answer.status == 429
    assert answer.json == {"detail": "Request was throttled. Your rate limit resets in ~7s."}
    assert "retry-after" not in answer.headers
