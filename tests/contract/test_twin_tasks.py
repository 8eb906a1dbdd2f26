"""The twin speaks Runway's and Ark's tasks."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.contract.twins import Client, Judge, running_twin

pytestmark = pytest.mark.anyio

VERSION = {"X-Runway-Version": "2024-11-06"}
TASKS = "/api/v3/contents/generations/tasks"
SEEDANCE = "dreamina-seedance-2-5-260628"


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def runway(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("runway"), {"Authorization": "Bearer key_1", **VERSION}) as client:
        yield client


@pytest.fixture
async def ark(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("ark"), {"Authorization": "Bearer key"}) as client:
        yield client


def gen4(prompt: str = "a kite", **change: Any) -> dict[str, Any]:
    return {"model": "gen4.5", "promptText": prompt, "ratio": "1280:720", "duration": 5} | change


def seedance(prompt: str = "a kite", **change: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": prompt}]
    return {"model": SEEDANCE, "content": content, "resolution": "480p", "duration": 4} | change


async def ended(client: Client, path: str, words: set[str]) -> dict[str, Any]:
    for _ in range(200):
        shown = (await client.get(path)).json
        if shown["status"] in words:
            return shown
        await asyncio.sleep(0.01)
    raise AssertionError(shown)


# Runway


async def test_runway_answers_a_create_with_nothing_but_an_id(runway: Client) -> None:
    answer = await runway.post("/v1/text_to_video", gen4())
    assert (answer.status, list(answer.json)) == (200, ["id"])
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.json["id"])


async def test_a_task_succeeds_with_its_cost_and_a_fresh_address_each_time(
    twin: Judge, runway: Client
) -> None:
    task = (await runway.post("/v1/text_to_video", gen4())).json
    shown = await ended(runway, f"/v1/tasks/{task['id']}", {"SUCCEEDED"})
    assert shown["cost"] == {"credits": 60}
    again = (await runway.get(f"/v1/tasks/{task['id']}")).json
    urls = [shown["output"][0], again["output"][0]]
    assert urls[0] != urls[1]
    async with Client("") as anybody:
        films = [(await anybody.get(url)).body for url in urls]
    assert films[0] == films[1]
    assert urls[0].startswith(f"{twin.media}/media/runway/")
    balance = (await runway.get("/v1/organization")).json
    assert balance["creditBalance"] == 100_000 - 60
    assert balance["usage"]["models"] == {"gen4.5": {"dailyGenerations": 1}}
    usage = (await runway.post("/v1/organization/usage", {})).json
    assert usage["results"][0]["usedCredits"] == [{"model": "gen4.5", "amount": 60}]


async def test_a_running_task_shows_a_fraction_and_an_estimate(runway: Client) -> None:
    task = (await runway.post("/v1/text_to_video", gen4("a [twin:stuck]"))).json
    shown = await ended(runway, f"/v1/tasks/{task['id']}", {"RUNNING"})
    assert 0 <= shown["progress"] <= 0.99
    assert shown["estimatedCost"] == {"credits": 60}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("failed", "INTERNAL.BAD_OUTPUT.CODE01"),
        ("moderated-after", "SAFETY.OUTPUT.VIDEO"),
        ("failed-without-reason", None),
    ],
)
async def test_a_failed_task_says_why_and_costs_nothing(runway: Client, fault: str, code: str | None) -> None:
    task = (await runway.post("/v1/text_to_video", gen4(f"a [twin:{fault}]"))).json
    shown = await ended(runway, f"/v1/tasks/{task['id']}", {"FAILED"})
    assert (shown["failureCode"], shown["cost"]) == (code, {"credits": 0})


async def test_deleting_cancels_what_runs_and_forgets_what_has_ended(twin: Judge, runway: Client) -> None:
    waiting = (await runway.post("/v1/text_to_video", gen4("a [twin:long-queue seconds=90000]"))).json
    path = f"/v1/tasks/{waiting['id']}"
    assert (await runway.get(path)).json["status"] == "PENDING"
    deleted = await runway.ask("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    shown = (await runway.get(path)).json
    assert (shown["status"], shown["cost"]) == ("CANCELLED", {"credits": 0})
    assert (await runway.ask("DELETE", path)).status == 204
    missing = await runway.get(path)
    assert (missing.status, list(missing.json)) == (404, ["error"])
    running = (await runway.post("/v1/text_to_video", gen4("a [twin:stuck]"))).json
    await ended(runway, f"/v1/tasks/{running['id']}", {"RUNNING"})
    await runway.ask("DELETE", f"/v1/tasks/{running['id']}")
    assert twin.bill()["billed_micro_usd"] == 600_000


async def test_more_than_the_plan_allows_waits_as_throttled(runway: Client) -> None:
    prompt = "a [twin:long-queue seconds=90000]"
    tasks = [(await runway.post("/v1/text_to_video", gen4(prompt))).json["id"] for _ in range(6)]
    words = [(await runway.get(f"/v1/tasks/{task}")).json["status"] for task in tasks]
    assert words == ["PENDING"] * 5 + ["THROTTLED"]


async def test_the_version_has_to_be_named(twin: Judge) -> None:
    for headers in ({}, {"X-Runway-Version": "2020-01-01"}):
        async with Client(twin.url("runway"), {"Authorization": "Bearer k", **headers}) as client:
            answer = await client.post("/v1/text_to_video", gen4())
        assert (answer.status, "X-Runway-Version" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("text_to_video", gen4(ratio="1:1"), 400),
        ("text_to_video", gen4(duration=11), 400),
        ("text_to_video", gen4(duration="5"), 400),
        ("text_to_video", gen4(promptText="x" * 1001), 400),
        ("text_to_video", gen4(promptText=""), 400),
        ("image_to_video", gen4(), 400),
        ("image_to_video", gen4(promptImage="https://a/b.png", ratio="960:960"), 200),
        ("text_to_video", {"model": "wan3", "promptText": "a", "ratio": "16:9", "duration": 4}, 200),
        ("video_to_video", {"model": "aleph2", "videoUri": "https://a/b.mp4", "promptText": "a"}, 200),
        ("generate/video", {"configId": "c", "input": {"promptText": "a"}}, 200),
        ("generate/video", {"configId": "c"}, 400),
        ("uploads", {"filename": "a.png", "type": "ephemeral"}, 200),
        ("films", {}, 404),
    ],
)
async def test_runway_checks_what_it_is_asked(runway: Client, path: str, body: Any, status: int) -> None:
    answer = await runway.post(f"/v1/{path}", body)
    assert answer.status == status, answer.body


async def test_runways_429_is_about_the_day(twin: Judge, runway: Client) -> None:
    twin.fault("rate-limited-silent")
    answer = await runway.post("/v1/text_to_video", gen4())
    assert (answer.status, list(answer.json), "daily" in answer.json["error"]) == (429, ["error"], True)


# Ark


async def test_ark_shows_a_task_with_text_where_a_number_was_expected(twin: Judge, ark: Client) -> None:
    made = await ark.post(TASKS, seedance(safety_identifier="job_1", seed=42))
    assert (made.status, list(made.json)) == (200, ["id"])
    assert re.fullmatch(r"cgt-\d{14}-[a-z0-9]{5}", made.json["id"])
    shown = await ended(ark, f"{TASKS}/{made.json['id']}", {"succeeded"})
    assert shown["content"]["video_url"].startswith(f"{twin.media}/media/ark/")
    assert shown["usage"]["total_tokens"] == str(854 * 480 * 24 * 4 // 1024)
    assert (shown["duration"], shown["seed"], shown["framespersecond"]) == ("4", 42, 24)
    listed = (await ark.get(f"{TASKS}?page_num=1&page_size=100")).json
    assert (listed["total"], listed["items"][0]["duration"]) == (1, 4)
    assert listed["items"][0]["safety_identifier"] == "job_1"
    assert twin.ledger()[0]["safety_identifier"] == "job_1"


async def test_arks_listing_is_filtered_and_hides_flex(ark: Client) -> None:
    first = (await ark.post(TASKS, seedance())).json["id"]
    second = (await ark.post(TASKS, seedance("a [twin:stuck]"))).json["id"]
    flexible = seedance(model="seedance-1-0-pro-250528", service_tier="flex")
    third = (await ark.post(TASKS, flexible)).json["id"]
    assert "-batch-" in third
    await ended(ark, f"{TASKS}/{first}", {"succeeded"})

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await ark.get(f"{TASKS}?{query}")).json["items"]]

    assert await ids("") == [second, first]
    assert await ids("filter.service_tier=flex") == [third]
    assert await ids("filter.status=succeeded") == [first]
    assert await ids(f"filter.task_ids={first}&filter.task_ids={third}") == [first]
    assert await ids(f"filter.model={SEEDANCE}&page_size=1&page_num=2") == [first]
    assert (await ark.get(f"{TASKS}?page_size=501")).status == 400


async def test_ark_cancels_the_queued_keeps_the_running_and_forgets_the_ended(
    twin: Judge, ark: Client
) -> None:
    queued = (await ark.post(TASKS, seedance("a [twin:long-queue seconds=90000]"))).json["id"]
    cancelled = await ark.ask("DELETE", f"{TASKS}/{queued}")
    assert (cancelled.status, cancelled.json) == (200, {})
    assert (await ark.get(f"{TASKS}/{queued}")).json["status"] == "cancelled"
    running = (await ark.post(TASKS, seedance("a [twin:stuck]"))).json["id"]
    await ended(ark, f"{TASKS}/{running}", {"running"})
    assert (await ark.ask("DELETE", f"{TASKS}/{running}")).status == 409
    done = (await ark.post(TASKS, seedance())).json["id"]
    await ended(ark, f"{TASKS}/{done}", {"succeeded"})
    await ark.ask("DELETE", f"{TASKS}/{done}")
    missing = await ark.get(f"{TASKS}/{done}")
    assert (missing.status, missing.json["error"]["code"]) == (404, "NotFound")


async def test_a_task_that_takes_too_long_expires() -> None:
    asked = seedance("a [twin:long-queue seconds=90000]", execution_expires_after=3600)
    async with running_twin(speed=40_000) as twin:
        ark = Client(twin.url("ark"), {"Authorization": "Bearer key"})
        async with ark:
            made = (await ark.post(TASKS, asked)).json["id"]
            assert (await ended(ark, f"{TASKS}/{made}", {"expired"}))["id"] == made


@pytest.mark.parametrize(
    "change",
    [
        {"service_tier": "flex"},
        {"camera_fixed": True},
        {"negative_prompt": "rain"},
        {"resolution": "2k"},
        {"ratio": "2:1"},
        {"duration": 31},
        {"duration": "5"},
        {"execution_expires_after": 60},
        {"safety_identifier": "x" * 65},
        {"content": []},
        {
            "content": [
                {"type": "image_url", "image_url": {"url": "https://a/b"}, "role": "first_frame"},
                {"type": "image_url", "image_url": {"url": "https://a/c"}, "role": "reference_image"},
            ]
        },
    ],
)
async def test_ark_refuses_what_a_model_does_not_take(ark: Client, change: dict[str, Any]) -> None:
    answer = await ark.post(TASKS, seedance(**change))
    assert (answer.status, answer.json["error"]["code"]) == (400, "InvalidParameter")


async def test_ark_knows_its_models_by_both_names(ark: Client) -> None:
    assert (await ark.post(TASKS, seedance(model="doubao-seedance-2-5-260628"))).status == 200
    assert (await ark.post(TASKS, seedance(model="seedance-9"))).status == 404


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("bad", 401, "AuthenticationError"),
        ("k-forbidden", 403, "AccessDenied"),
        ("quota", 403, "AccountOverdueError"),
    ],
)
async def test_arks_keys_say_how_they_are_judged(twin: Judge, key: str, status: int, code: str) -> None:
    async with Client(twin.url("ark"), {"Authorization": f"Bearer {key}"}) as client:
        answer = await client.post(TASKS, seedance())
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("key", "status"), [("bad", 401), ("k-forbidden", 403), ("quota", 400)])
async def test_runways_keys_say_how_they_are_judged(twin: Judge, key: str, status: int) -> None:
    async with Client(twin.url("runway"), {"Authorization": f"Bearer {key}", **VERSION}) as client:
        assert (await client.post("/v1/text_to_video", gen4())).status == status
