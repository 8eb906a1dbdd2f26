"""The twin speaks fal's queue API."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.twins import Client, Judge, Seen, running_twin

pytestmark = pytest.mark.anyio

KLING = "/queue/fal-ai/kling-video/v3/pro/text-to-video"
KITE = {"prompt": "a red kite", "duration": "5", "aspect_ratio": "16:9"}


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def client(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("fal"), {"Authorization": "Key id:secret"}) as client:
        yield client


async def finished(client: Client, submitted: dict[str, Any]) -> Seen:
    for _ in range(200):
        answer = await client.get(submitted["status_url"])
        if answer.status != 202:
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(answer)


async def submitted(
    client: Client, prompt: str = "a red kite", path: str = KLING, **sent: Any
) -> dict[str, Any]:
    answer = await client.post(path, KITE | {"prompt": prompt}, **sent)
    assert answer.status == 200, answer.body
    return answer.json


async def test_a_request_is_queued_under_the_first_two_parts_of_its_endpoint(
    twin: Judge, client: Client
) -> None:
    made = await submitted(client)
    address = f"{twin.url('fal')}/queue/fal-ai/kling-video/requests/{made['request_id']}"
    assert made["status"] == "IN_QUEUE"
    assert isinstance(made["queue_position"], int)
    assert made["response_url"] == address
    assert made["status_url"] == f"{address}/status"
    assert made["cancel_url"] == f"{address}/cancel"


async def test_workflows_keep_three_parts(client: Client) -> None:
    made = await submitted(client, path="/queue/workflows/me/film/v1")
    assert "/queue/workflows/me/film/requests/" in made["status_url"]
    assert (await client.get(made["status_url"])).status in {200, 202}


async def test_waiting_and_running_are_202_and_the_end_is_200(client: Client) -> None:
    waiting = await submitted(client, "a kite [twin:long-queue seconds=100000]")
    answer = await client.get(waiting["status_url"])
    assert (answer.status, answer.json["status"]) == (202, "IN_QUEUE")
    running = await submitted(client, "a kite [twin:stuck]")
    await asyncio.sleep(0.03)
    answer = await client.get(f"{running['status_url']}?logs=1")
    assert (answer.status, answer.json["status"]) == (202, "IN_PROGRESS")
    assert answer.json["logs"][0]["message"].endswith("%")
    early = await client.get(running["response_url"])
    assert (early.status, early.json) == (400, {"detail": "Request is still in progress"})
    ended = await finished(client, await submitted(client))
    assert (ended.status, ended.json["status"]) == (200, "COMPLETED")
    assert ended.json["metrics"]["inference_time"] > 0


async def test_the_result_names_a_film_on_another_host(twin: Judge, client: Client) -> None:
    made = await submitted(client)
    await finished(client, made)
    result = await client.get(made["response_url"])
    video = result.json["video"]
    assert result.headers["x-fal-request-id"] == made["request_id"]
    assert video["url"].startswith(f"{twin.media}/media/fal/")
    async with Client("") as anybody:
        film = await anybody.get(video["url"])
    assert (film.status, film.headers["content-type"], len(film.body)) == (
        200,
        "video/mp4",
        video["file_size"],
    )
    assert "authorization" not in twin.requests(place="media")[0]["headers"]


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [("moderated-after", 422, "content_policy_violation"), ("failed", 500, "internal_server_error")],
)
async def test_completed_also_means_failed(client: Client, fault: str, status: int, kind: str) -> None:
    made = await submitted(client, f"a kite [twin:{fault}]")
    ended = await finished(client, made)
    assert (ended.json["status"], ended.json["error_type"]) == ("COMPLETED", kind)
    result = await client.get(made["response_url"])
    assert (result.status, result.headers["x-fal-error-type"]) == (status, kind)
    if status == 422:
        assert result.json["detail"][0]["type"] == kind
        assert result.json["detail"][0]["loc"] == ["body", "prompt"]


async def test_a_failure_may_show_in_the_result_only(client: Client) -> None:
    made = await submitted(client, "a kite [twin:fal-result-only]")
    ended = await finished(client, made)
    assert (ended.json["status"], "error" in ended.json) == ("COMPLETED", False)
    assert (await client.get(made["response_url"])).status == 422


async def test_cancelling_says_what_it_found(twin: Judge, client: Client) -> None:
    made = await submitted(client, "a kite [twin:long-queue seconds=100000]")
    answer = await client.ask("PUT", made["cancel_url"])
    assert (answer.status, answer.json) == (202, {"status": "CANCELLATION_REQUESTED"})
    again = await client.ask("PUT", made["cancel_url"])
    assert (again.status, again.json) == (400, {"status": "ALREADY_COMPLETED"})
    unknown = await client.ask("PUT", made["cancel_url"].replace(made["request_id"], "nobody"))
    assert (unknown.status, unknown.json) == (404, {"status": "NOT_FOUND"})
    assert twin.bill()["billed_micro_usd"] == 0


async def test_a_request_that_does_not_start_in_time_is_504(client: Client) -> None:
    prompt = "a kite [twin:long-queue seconds=100000]"
    made = await submitted(client, prompt, headers={"X-Fal-Request-Start-Timeout": "60"})
    await finished(client, made)
    result = await client.get(made["response_url"])
    assert (result.status, result.headers["x-fal-request-timeout-type"]) == (504, "user")


async def test_history_shows_what_has_ended_with_its_input(twin: Judge, client: Client) -> None:
    made = await submitted(client)
    await submitted(client, "another [twin:stuck]")
    await finished(client, made)
    start = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    query = {"endpoint_id": KLING.removeprefix("/queue/"), "start": start, "expand": "payloads"}
    found = (await client.get("/api/v1/models/requests/by-endpoint", params=query)).json
    assert [item["request_id"] for item in found["items"]] == [made["request_id"]]
    item = found["items"][0]
    assert item["json_input"] == KITE
    assert (item["status_code"], found["has_more"], found["next_cursor"]) == (200, False, None)
    assert item["json_output"]["video"]["url"].startswith(twin.media)
    failed = await client.get("/api/v1/models/requests/by-endpoint", params=query | {"status": "error"})
    assert failed.json["items"] == []
    assert (await client.get("/api/v1/models/requests/by-endpoint")).status == 400


async def test_the_queue_refuses_what_would_wait_too_long(client: Client) -> None:
    await submitted(client, "a kite [twin:stuck]")
    answer = await client.post(f"{KLING}?fal_max_queue_length=0", KITE)
    assert (answer.status, answer.headers["x-fal-error-type"]) == (429, "concurrent_requests_limit")


async def test_files_are_taken_and_given_back(client: Client) -> None:
    asked = {"content_type": "image/png", "file_name": "a.png"}
    place = (await client.post("/rest/storage/upload/initiate?storage_type=fal-cdn-v3", asked)).json
    put = await client.ask("PUT", place["upload_url"], data=b"\x89PNG", headers={"Content-Type": "image/png"})
    assert put.status == 200
    assert (await client.get(place["file_url"])).body == b"\x89PNG"


@pytest.mark.parametrize(("key", "status"), [("Bearer a", 401), ("Key bad", 401), ("Key a:quota", 403)])
async def test_keys_say_how_they_are_judged(twin: Judge, key: str, status: int) -> None:
    async with Client(twin.url("fal"), {"Authorization": key}) as client:
        answer = await client.post(KLING, KITE)
    assert (answer.status, list(answer.json)) == (status, ["detail"])


@pytest.mark.parametrize(
    ("given", "seconds", "size"),
    [
        ({"duration": "8s", "resolution": "1080p"}, 8, (1920, 1080)),
        ({"duration": 6, "aspect_ratio": "9:16"}, 6, (720, 1280)),
        ({"num_frames": 72, "aspect_ratio": "auto"}, 3, (1280, 720)),
        ({"duration": "auto", "resolution": "480p", "aspect_ratio": "1:1"}, 5, (480, 480)),
    ],
)
async def test_every_way_to_ask_for_length_and_size_is_understood(
    twin: Judge, client: Client, given: dict[str, Any], seconds: float, size: tuple[int, int]
) -> None:
    made = (await client.post(KLING, {"prompt": "a kite"} | given)).json
    job = twin.twin.world.of("fal").named(made["request_id"])
    assert job is not None
    assert (job.order.seconds, (job.order.width, job.order.height)) == (seconds, size)
