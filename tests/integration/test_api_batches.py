"""Batches over HTTP, against the real services and database."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio

BATCH = "/api/v1/videos/batch"
BATCHES = "/api/v1/batches"
MISSION = {
    "videos": [
        {"prompt": "A serene lake at sunset", "duration": 5, "resolution": "1920x1080"},
        {"prompt": "A bustling city street", "duration": 3, "resolution": "1920x1080"},
    ],
    "webhookUrl": "https://example.com/webhook",
}


async def nothing_was_accepted(api: httpx2.AsyncClient, key: dict[str, str]) -> bool:
    videos = (await api.get("/api/v1/videos", headers=key)).json()["videos"]
    batches = (await api.get(BATCHES, headers=key)).json()["batches"]
    return not videos and not batches


async def test_a_batch_is_accepted_as_the_mission_says(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    answer = await api.post(BATCH, json=MISSION, headers=key)
    made = answer.json()
    assert answer.status_code == 202
    assert set(made) == {"batchId", "totalVideos", "status", "jobs", "createdAt", "estimatedCost"}
    assert (made["totalVideos"], made["status"]) == (2, "processing")
    assert [job["status"] for job in made["jobs"]] == ["pending", "pending"]
    assert answer.headers["location"] == f"{BATCHES}/{made['batchId']}"


async def test_the_jobs_of_a_batch_are_in_the_order_of_its_rows(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    rows = [{"prompt": f"number {number}"} for number in range(50)]
    made = (await api.post(BATCH, json={"videos": rows, "name": "fifty"}, headers=key)).json()
    for number in (0, 25, 49):
        shown = (await api.get(f"/api/v1/videos/{made['jobs'][number]['jobId']}", headers=key)).json()
        assert (shown["prompt"], shown["batchId"]) == (f"number {number}", made["batchId"])


async def test_a_batch_shows_how_its_videos_stand(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    made = (await api.post(BATCH, json=MISSION | {"name": "two"}, headers=key)).json()
    await api.delete(f"/api/v1/videos/{made['jobs'][0]['jobId']}", headers=key)
    shown = (await api.get(f"{BATCHES}/{made['batchId']}", headers=key)).json()
    assert (shown["name"], shown["totalVideos"], shown["status"]) == ("two", 2, "processing")
    assert shown["counts"] == {"pending": 1, "processing": 0, "completed": 0, "failed": 0, "cancelled": 1}
    assert (shown["completedAt"], shown["cost"]["amount"]) == (None, "0.00")
    listed = (await api.get(BATCHES, headers=key)).json()
    assert [batch["batchId"] for batch in listed["batches"]] == [made["batchId"]]


async def test_a_batch_is_cancelled_and_a_repeat_is_harmless(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made = (await api.post(BATCH, json=MISSION, headers=key)).json()
    for _ in range(2):
        answer = await api.delete(f"{BATCHES}/{made['batchId']}", headers=key)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["counts"]["cancelled"] == 2


async def test_another_keys_batch_is_not_found(
    api: httpx2.AsyncClient, key: dict[str, str], other_key: dict[str, str]
) -> None:
    made = (await api.post(BATCH, json=MISSION, headers=key)).json()
    for method in ("GET", "DELETE"):
        answer = await api.request(method, f"{BATCHES}/{made['batchId']}", headers=other_key)
        assert answer.status_code == 404
    assert (await api.get(BATCHES, headers=other_key)).json()["batches"] == []


@pytest.mark.parametrize(
    "name", ["batch_nothing", "%00", "batch_01m81yg0dpa9q3jpqxvwkejn1y", "job_01m81yg0dp1nyzs5x1mbqn4c4j"]
)
async def test_a_batch_that_does_not_exist_is_not_found(
    api: httpx2.AsyncClient, key: dict[str, str], name: str
) -> None:
    assert (await api.get(f"{BATCHES}/{name}", headers=key)).status_code == 404
    assert (await api.delete(f"{BATCHES}/{name}", headers=key)).status_code == 404


async def test_every_bad_row_is_told_and_nothing_is_accepted(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    rows: list[Any] = [
        {"prompt": "fine"},
        {"prompt": 5},
        {"prompt": "a", "resolution": "1x1"},
        {},
        "row",
        {"prompt": "", "promt": "a"},
        {"prompt": "a", "model": "no such model"},
    ]
    answer = await api.post(BATCH, json={"videos": rows}, headers=key)
    body = answer.json()
    assert answer.status_code == 422
    assert [(problem["row"], problem["field"]) for problem in body["problems"]] == [
        (1, "prompt"),
        (2, "resolution"),
        (3, "prompt"),
        (4, "body"),
        (5, "promt"),
        (6, "model"),
    ]
    assert "6 of 7 rows" in body["detail"]
    assert await nothing_was_accepted(api, key)


async def test_rows_that_are_only_unreadable_are_refused_too(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    rows = [{"prompt": "fine"}, {"prompt": "fine", "seed": "x"}]
    answer = await api.post(BATCH, json={"videos": rows}, headers=key)
    assert (answer.status_code, [p["row"] for p in answer.json()["problems"]]) == (422, [1])
    assert await nothing_was_accepted(api, key)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"videos": []}, "videos"),
        ({"videos": [{"prompt": "a"}] * 10_001}, "videos"),
        ({"videos": {"prompt": "a"}}, "videos"),
        ({}, "videos"),
        ({"videos": [{"prompt": "a"}], "webhookUrl": "nonsense"}, "webhookUrl"),
        ({"videos": [{"prompt": "a"}], "priority": 1000}, "priority"),
        ({"videos": [{"prompt": "a"}], "name": "n" * 201}, "name"),
        ({"videos": [{"prompt": "a"}], "naem": "n"}, "naem"),
    ],
    ids=["empty", "too many", "no list", "none", "webhook", "priority", "name", "unknown"],
)
async def test_a_wrong_batch_is_one_clear_problem(
    api: httpx2.AsyncClient, key: dict[str, str], body: dict[str, Any], field: str
) -> None:
    answer = await api.post(BATCH, json=body, headers=key)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]
    assert await nothing_was_accepted(api, key)


async def test_ten_thousand_rows_are_accepted_together(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    rows = [{"prompt": f"number {number}"} for number in range(10_000)]
    answer = await api.post(BATCH, json={"videos": rows}, headers=key)
    made = answer.json()
    assert answer.status_code == 202
    assert (made["totalVideos"], len({job["jobId"] for job in made["jobs"]})) == (10_000, 10_000)
    shown = (await api.get(f"{BATCHES}/{made['batchId']}", headers=key)).json()
    assert shown["counts"]["pending"] == 10_000
