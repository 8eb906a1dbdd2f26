"""Every vendor says no in its own words."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract.twins import Client, Judge, Seen, running_twin

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Vendor:
    """How to ask a vendor for a film, and what its refusals look like, as paths into their JSON."""

    path: str
    body: dict[str, Any]
    throttled: tuple[str, object]
    moderated: tuple[int, str, object]
    broken: tuple[str, object]
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": "Bearer k"})
    form: bool = False


VENDORS = {
    "openai": Vendor(
        "/v1/videos",
        {"prompt": "a kite"},
        ("error.code", "rate_limit_exceeded"),
        (400, "error.code", "moderation_blocked"),
        ("error.type", "server_error"),
    ),
    "vllm": Vendor(
        "/v1/videos",
        {"prompt": "a kite"},
        ("detail", "Too Many Requests"),
        (400, "detail", "The prompt was refused by the safety filter"),
        ("detail", "something went wrong on our side"),
        form=True,
    ),
    "sglang": Vendor(
        "/v1/videos",
        {"prompt": "a kite"},
        ("detail", "Too Many Requests"),
        (400, "detail", "The prompt was refused by the safety filter"),
        ("detail", "something went wrong on our side"),
    ),
    "litellm": Vendor(
        "/v1/videos",
        {"prompt": "a kite"},
        ("error.code", "429"),
        (400, "error.code", "moderation_blocked"),
        ("error.code", "503"),
    ),
    "fal": Vendor(
        "/queue/fal-ai/veo3.1",
        {"prompt": "a kite"},
        ("detail", "Concurrent requests limit reached."),
        (422, "detail.0.type", "content_policy_violation"),
        ("detail", "something went wrong on our side"),
        {"Authorization": "Key k"},
    ),
    "gemini": Vendor(
        "/v1beta/interactions",
        {"model": "gemini-omni-1.2-flash", "input": "a kite", "background": True},
        ("error.status", "RESOURCE_EXHAUSTED"),
        (400, "error.code", "invalid_request"),
        ("error.status", "UNAVAILABLE"),
        {"x-goog-api-key": "k"},
    ),
    "runway": Vendor(
        "/v1/text_to_video",
        {"model": "gen4.5", "promptText": "a kite", "ratio": "1280:720", "duration": 5},
        ("error", "You have reached the daily limit of generations for this model."),
        (400, "error", "The prompt did not pass content moderation."),
        ("error", "something went wrong on our side"),
        {"Authorization": "Bearer k", "X-Runway-Version": "2024-11-06"},
    ),
    "ark": Vendor(
        "/api/v3/contents/generations/tasks",
        {"model": "dreamina-seedance-2-5-260628", "content": [{"type": "text", "text": "a kite"}]},
        ("error.type", "TooManyRequests"),
        (400, "error.code", "InputTextSensitiveContentDetected"),
        ("error.code", "InternalServiceError"),
    ),
    "replicate": Vendor(
        "/v1/models/a/b/predictions",
        {"input": {"prompt": "a kite"}},
        ("detail", "Request was throttled. Your rate limit resets in ~30s."),
        (422, "status", 422),
        ("title", "Server error"),
    ),
}
NO_MONEY = {"vllm", "sglang"}
every_vendor = pytest.mark.parametrize("name", VENDORS)


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


async def ask(twin: Judge, name: str, **headers: str) -> Seen:
    vendor = VENDORS[name]
    async with Client(twin.url(name), vendor.headers | headers) as client:
        body = {"data" if vendor.form else "json": vendor.body}
        return await client.ask("POST", vendor.path, **body)


def at(document: Any, path: str) -> object:
    for step in path.split("."):
        document = document[int(step) if step.isdigit() else step]
    return document


@every_vendor
async def test_a_create_is_taken_written_down_and_billed(twin: Judge, name: str) -> None:
    answer = await ask(twin, name)
    assert answer.status in {200, 201}, answer.body
    (entry,) = twin.ledger()
    assert (entry["vendor"], entry["created"], entry["prompt"]) == (name, True, "a kite")
    assert (entry["billed_micro_usd"] > 0) is (name not in NO_MONEY)
    assert answer.headers["content-type"].startswith("application/json")


@every_vendor
async def test_throttling_has_the_vendors_shape(twin: Judge, name: str) -> None:
    twin.fault("rate-limited-silent")
    answer = await ask(twin, name)
    path, expected = VENDORS[name].throttled
    assert (answer.status, at(answer.json, path)) == (429, expected)


@every_vendor
async def test_moderation_has_the_vendors_shape(twin: Judge, name: str) -> None:
    twin.fault("moderated-before")
    answer = await ask(twin, name)
    status, path, expected = VENDORS[name].moderated
    assert (answer.status, at(answer.json, path)) == (status, expected)


@every_vendor
async def test_a_server_error_has_the_vendors_shape(twin: Judge, name: str) -> None:
    twin.fault("error-before", status=503)
    answer = await ask(twin, name)
    path, expected = VENDORS[name].broken
    assert (answer.status, at(answer.json, path)) == (503, expected)


@every_vendor
@pytest.mark.parametrize("word", ["bad", "forbidden", "quota"])
async def test_a_key_that_is_refused_makes_nothing(twin: Judge, name: str, word: str) -> None:
    scheme = {"fal": "Key k-", "gemini": ""}.get(name, "Bearer k-")
    header = "x-goog-api-key" if name == "gemini" else "Authorization"
    answer = await ask(twin, name, **{header: f"{scheme}{word}"})
    assert answer.status in {400, 401, 402, 403, 429}
    assert (twin.bill()["received"], twin.bill()["created"]) == (1, 0)


async def test_a_media_host_says_no_as_storage_does(twin: Judge) -> None:
    made = (await ask(twin, "replicate")).json
    job = twin.twin.world.of("replicate").named(made["id"])
    assert job is not None
    job.finish(twin.twin.world.now())
    async with Client("") as anybody:
        async with Client(twin.url("replicate"), VENDORS["replicate"].headers) as client:
            url = (await client.get(made["urls"]["get"])).json["output"]
        twin.fault("rate-limited", operation="download", times=1)
        answer = await anybody.get(url)
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert answer.headers["content-type"] == "application/xml"
        assert (await anybody.get(url)).status == 200
