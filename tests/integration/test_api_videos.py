"""Videos over HTTP, against the real services and database."""

import asyncio
import re
from typing import Any

import httpx2
import pytest

from filmgate.domain.ids import new_id

pytestmark = pytest.mark.anyio

VIDEOS = "/api/v1/videos"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
NOWHERE = new_id("job")
MISSION = {
    "prompt": "A serene lake at sunset with mountains in the background",
    "duration": 5,
    "resolution": "1920x1080",
    "aspect_ratio": "16:9",
    "model": "sora-1.0",
    "webhookUrl": "https://example.com/webhook",
}


async def create(api: httpx2.AsyncClient, key: dict[str, str], **asked: Any) -> dict[str, Any]:
    answer = await api.post(VIDEOS, json={"prompt": "a lake", **asked}, headers=key)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_a_video_is_accepted_as_the_mission_says(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    answer = await api.post(VIDEOS, json=MISSION, headers=key)
    made = answer.json()
    assert answer.status_code == 202
    assert made["jobId"].startswith("job_")
    assert made["status"] == "pending"
    assert MOMENT.fullmatch(made["createdAt"])
    assert MOMENT.fullmatch(made["estimatedCompletionTime"])
    assert (made["model"], made["provider"]) == ("sora-1.0", "embedded")
    assert made["estimatedCost"] == {"amount": "0.00", "currency": "USD"}
    assert answer.headers["location"] == f"{VIDEOS}/{made['jobId']}"


async def test_a_video_shows_what_was_asked_and_what_is_sent(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made = await create(api, key, **MISSION, seed=7, metadata={"shot": "12b"})
    shown = (await api.get(f"{VIDEOS}/{made['jobId']}", headers=key)).json()
    assert (shown["status"], shown["progress"]) == ("pending", 0)
    assert (shown["completedAt"], shown["result"], shown["delivered"], shown["error"]) == (None,) * 4
    assert shown["prompt"] == MISSION["prompt"]
    assert shown["requested"]["resolution"] == "1920x1080"
    assert shown["sent"] | {"audio": None} == {
        "seconds": 5,
        "size": "1920x1080",
        "seed": 7,
        "audio": None,
        "negativePrompt": None,
    }
    assert (shown["metadata"], shown["attempts"], shown["batchId"]) == ({"shot": "12b"}, 0, None)


async def test_another_keys_video_is_not_found(
    api: httpx2.AsyncClient, key: dict[str, str], other_key: dict[str, str]
) -> None:
    made = await create(api, key)
    for method, path in (("GET", ""), ("GET", "/result"), ("GET", "/content"), ("DELETE", "")):
        answer = await api.request(method, f"{VIDEOS}/{made['jobId']}{path}", headers=other_key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert (await api.get(VIDEOS, headers=other_key)).json() == {"videos": [], "nextCursor": None}


@pytest.mark.parametrize(
    "name", ["job_nothing", "nothing", "%00", "..%2F..", "job_" + "0" * 300, "job_01m81yg0dp1nyzs5x1mbqn4c4j"]
)
async def test_what_does_not_exist_is_not_found(
    api: httpx2.AsyncClient, key: dict[str, str], name: str
) -> None:
    for path in ("", "/result", "/content"):
        answer = await api.get(f"{VIDEOS}/{name}{path}", headers=key)
        assert answer.status_code == 404


async def test_a_video_is_cancelled_and_a_repeat_is_harmless(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made = await create(api, key)
    for _ in range(2):
        answer = await api.delete(f"{VIDEOS}/{made['jobId']}", headers=key)
        body = answer.json()
        assert answer.status_code == 200
        assert (body["jobId"], body["status"]) == (made["jobId"], "cancelled")
        assert body["message"].startswith("Job successfully cancelled")
    assert (await api.get(f"{VIDEOS}/{made['jobId']}/result", headers=key)).status_code == 410


async def test_a_result_asked_for_too_early_is_a_conflict(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made = await create(api, key)
    for path in ("result", "content"):
        answer = await api.get(f"{VIDEOS}/{made['jobId']}/{path}", headers=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "video_not_finished")


async def test_videos_are_listed_newest_first_page_by_page(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made = [(await create(api, key, prompt=f"number {number}"))["jobId"] for number in range(5)]
    listed: list[str] = []
    cursor = ""
    for _ in range(3):
        page = (await api.get(VIDEOS, params={"limit": 2, "cursor": cursor}, headers=key)).json()
        listed += [video["jobId"] for video in page["videos"]]
        cursor = page["nextCursor"]
    assert cursor is None
    assert listed == made[::-1]


async def test_a_list_is_narrowed(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    lake = await create(api, key, prompt="a lake at dawn")
    city = await create(api, key, prompt="a city")
    await api.delete(f"{VIDEOS}/{city['jobId']}", headers=key)

    async def ids(**params: str) -> list[str]:
        answer = await api.get(VIDEOS, params=params, headers=key)
        assert answer.status_code == 200, answer.text
        return [video["jobId"] for video in answer.json()["videos"]]

    assert await ids(status="cancelled") == [city["jobId"]]
    assert await ids(status="pending") == [lake["jobId"]]
    assert await ids(q="LAKE") == [lake["jobId"]]
    assert await ids(provider="nobody") == []
    assert await ids(model=lake["model"], status="pending") == [lake["jobId"]]
    assert await ids(createdAfter=city["createdAt"]) == [city["jobId"]]
    assert await ids(createdBefore=city["createdAt"]) == [lake["jobId"]]
    assert await ids(batchId="batch_none") == []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"status": "done"}, "status"),
        ({"createdAfter": "yesterday"}, "createdAfter"),
        ({"stauts": "failed"}, "stauts"),
    ],
)
async def test_a_list_with_a_wrong_parameter_is_refused(
    api: httpx2.AsyncClient, key: dict[str, str], params: dict[str, str], field: str
) -> None:
    answer = await api.get(VIDEOS, params=params, headers=key)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


@pytest.mark.parametrize("cursor", ["nonsense", "'; --", "job_", "\u00e9", "job_01m81yg0dp1nyzs5x1mbqn4c4j"])
async def test_a_strange_cursor_never_breaks_a_list(
    api: httpx2.AsyncClient, key: dict[str, str], cursor: str
) -> None:
    answer = await api.get(VIDEOS, params={"cursor": cursor}, headers=key)
    assert answer.status_code in {200, 422}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "   "}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "a" * 200_000}, "prompt"),
        ({"duration": -1}, "duration"),
        ({"duration": 1e308}, "duration"),
        ({"duration": "5"}, "duration"),
        ({"resolution": "1x1"}, "resolution"),
        ({"resolution": "huge"}, "resolution"),
        ({"aspect_ratio": "0:0"}, "aspect_ratio"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"webhookUrl": "ftp://example.com"}, "webhookUrl"),
        ({"webhookUrl": "http://user:secret@example.com"}, "webhookUrl"),
        ({"inputReference": "https://example.com/a.png"}, "inputReference"),
        ({"inputReference": "data:image/png;base64,!!!!"}, "inputReference"),
        ({"priority": 101}, "priority"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"promt": "a"}, "promt"),
        ({"prompt": "a\x00b"}, "prompt"),
    ],
)
async def test_a_wrong_field_is_named_with_the_reason_and_the_mend(
    api: httpx2.AsyncClient, key: dict[str, str], asked: dict[str, Any], field: str
) -> None:
    answer = await api.post(VIDEOS, json={"prompt": "a lake"} | asked, headers=key)
    body = answer.json()
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [problem["field"] for problem in body["problems"]] == [field]
    assert body["error"]["param"] == field
    assert body["problems"][0]["message"]
    assert body["problems"][0]["suggestion"]
    assert (await api.get(VIDEOS, headers=key)).json()["videos"] == []


async def test_an_unknown_model_is_not_found_and_the_known_ones_are_named(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    answer = await api.post(VIDEOS, json={"prompt": "a", "model": "sora-1"}, headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert "sora-1.0" in answer.json()["problems"][0]["allowed"]


async def test_models_say_what_can_be_asked_for(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    models = (await api.get("/api/v1/models", headers=key)).json()["models"]
    sora = next(model for model in models if model["name"] == "sora-1.0")
    target = sora["targets"][0]
    assert (sora["alias"], target["provider"]) == (True, "embedded")
    assert "1920x1080" in target["sizes"]
    assert target["pricePerSecond"] == {"amount": "0.00", "currency": "USD"}


async def test_many_creates_at_once_are_all_kept(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    made = await asyncio.gather(*(create(api, key, prompt=f"number {number}") for number in range(200)))
    ids = {video["jobId"] for video in made}
    assert len(ids) == 200
    shown = await asyncio.gather(*(api.get(f"{VIDEOS}/{job}", headers=key) for job in ids))
    assert {answer.json()["jobId"] for answer in shown} == ids
