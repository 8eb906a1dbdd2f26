"""OpenAI's wire over HTTP, against the real services and database."""

from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from filmgate.app import Gate
from filmgate.settings import Settings
from tests.integration.openai_wire import (
    KEYS,
    NOWHERE,
    OURS,
    TINY,
    VIDEOS,
    create,
    finished,
    form,
    ours,
    picture,
)

pytestmark = pytest.mark.anyio

# --- create ---


async def test_a_form_and_json_ask_for_the_same(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    asked = {"prompt": "a kite", "model": "sora-2", "seconds": "8", "size": "1280x720"}
    by_json = await api.post(VIDEOS, json=asked, headers=key)
    by_form = await api.post(VIDEOS, files=form(**asked), headers=key)
    assert (by_json.status_code, by_form.status_code) == (200, 200)
    for answer in (by_json, by_form):
        video = answer.json()
        assert list(video) == KEYS
        assert video["id"].startswith("job_")
        told = {name: video[name] for name in ("object", "model", "status", "progress", "seconds", "size")}
        assert told == {
            "object": "video",
            "model": "sora-2",
            "status": "queued",
            "progress": 0,
            "seconds": "8",
            "size": "1280x720",
        }
        assert isinstance(video["created_at"], int)
        assert [video[name] for name in ("completed_at", "expires_at", "remixed_from_video_id", "error")] == [
            None
        ] * 4


async def test_what_is_left_out_is_as_sora_had_it(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    video = await create(api, key)
    assert (video["model"], video["seconds"], video["size"]) == ("sora-2", "4", "720x1280")


@pytest.mark.parametrize("seconds", ["12", 12, 12.0])
async def test_seconds_may_be_text_or_number_and_are_told_as_text(
    api: httpx2.AsyncClient, key: dict[str, str], seconds: Any
) -> None:
    assert (await create(api, key, seconds=seconds))["seconds"] == "12"


@pytest.mark.parametrize("size", ["720x1280", "1280x720", "1024x1792", "1792x1024", "1080x1920", "1920x1080"])
async def test_every_size_of_sora_is_taken(api: httpx2.AsyncClient, key: dict[str, str], size: str) -> None:
    assert (await create(api, key, model="sora-2-pro", size=size))["size"] == size


async def test_our_own_fields_are_taken_in_a_form(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    fields = form(
        prompt="a kite",
        seed="7",
        audio="false",
        max_cost="0.50",
        webhook_url="https://example.com/hook",
        **{"metadata[shot]": "12b", "metadata[take]": "3"},
    )
    answer = await api.post(VIDEOS, files=fields, headers=key)
    shown = await ours(api, key, answer.json()["id"])
    assert (shown["sent"]["seed"], shown["sent"]["audio"]) == (7, False)
    assert shown["metadata"] == {"shot": "12b", "take": "3"}
    assert shown["requested"]["maxCost"] == "0.50"


async def test_answers_say_when_to_ask_again_and_who_makes_it(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made = await api.post(VIDEOS, json={"prompt": "a lake"}, headers=key)
    shown = await api.get(f"{VIDEOS}/{made.json()['id']}", headers=key)
    for answer in (made, shown):
        assert 500 <= int(answer.headers["openai-poll-after-ms"]) <= 5_000
        assert answer.headers["x-filmgate-provider"] == "embedded/procedural-1"
        assert answer.headers["openai-version"] == "2020-10-01"
        assert answer.headers["openai-processing-ms"].isdigit()
        assert answer.headers["x-request-id"].startswith("req_")
        assert "x-filmgate-adjustments" not in answer.headers


# --- list ---


async def test_pages_lead_through_all_videos_either_way(
    api: httpx2.AsyncClient, key: dict[str, str], other_key: dict[str, str]
) -> None:
    made = [(await create(api, key))["id"] for _ in range(5)]
    await create(api, other_key)
    for order, expected in (("desc", made[::-1]), ("asc", made)):
        seen: list[str] = []
        params: dict[str, Any] = {"limit": 2, "order": order}
        while True:
            page = (await api.get(VIDEOS, params=params, headers=key)).json()
            assert list(page) == ["object", "data", "first_id", "last_id", "has_more"]
            seen += [video["id"] for video in page["data"]]
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            if not page["has_more"]:
                break
            params["after"] = page["last_id"]
        assert seen == expected


async def test_a_page_of_none_says_whether_there_are_any(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    empty = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert (await api.get(VIDEOS, headers=key)).json() == empty
    await create(api, key)
    page = (await api.get(VIDEOS, params={"limit": 0}, headers=key)).json()
    assert page == empty | {"has_more": True}


@pytest.mark.parametrize("query", ["limit=101", "limit=-1", "limit=x", "order=up", "after=nothing", "page=2"])
async def test_a_query_that_cannot_be_used_is_refused(
    api: httpx2.AsyncClient, key: dict[str, str], query: str
) -> None:
    answer = await api.get(f"{VIDEOS}?{query}", headers=key)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


# --- retrieve, content, delete ---


@pytest.mark.parametrize("name", [NOWHERE, "video_68d7512d07848190b3e45da0ecbebcde004da08e1e0678d5", "%00"])
async def test_what_does_not_exist_is_not_found(
    api: httpx2.AsyncClient, key: dict[str, str], name: str
) -> None:
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = await api.request(method, f"{VIDEOS}/{name}{path}", headers=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_another_keys_video_is_not_found(
    api: httpx2.AsyncClient, key: dict[str, str], other_key: dict[str, str]
) -> None:
    made = await create(api, key)
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = await api.request(method, f"{VIDEOS}/{made['id']}{path}", headers=other_key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_a_cancelled_video_is_a_failed_one_that_says_so_and_can_be_deleted(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made = await create(api, key)
    await api.delete(f"{OURS}/{made['id']}", headers=key)
    shown = (await api.get(f"{VIDEOS}/{made['id']}", headers=key)).json()
    assert (shown["status"], shown["error"]) == (
        "failed",
        {"code": "cancelled", "message": "The video was cancelled."},
    )
    assert (await api.delete(f"{VIDEOS}/{made['id']}", headers=key)).json()["deleted"] is True


async def test_what_is_not_finished_has_no_content_and_cannot_be_deleted(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made = await create(api, key)
    content = await api.get(f"{VIDEOS}/{made['id']}/content", headers=key)
    deleted = await api.delete(f"{VIDEOS}/{made['id']}", headers=key)
    for answer in (content, deleted):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "video_not_finished")
        assert answer.headers["x-should-retry"] == "false"
    assert f"DELETE {OURS}/{made['id']}" in deleted.json()["error"]["message"]


async def test_a_video_is_made_downloaded_and_deleted_for_good(
    working_gate: Gate, working_api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    api = working_api
    fields = form(**TINY) | {"input_reference": ("upload", picture(), "application/octet-stream")}
    made = (await api.post(VIDEOS, files=fields, headers=key)).json()
    shown = await finished(api, key, made["id"])
    assert (shown["status"], shown["progress"], shown["error"]) == ("completed", 100, None)
    assert shown["completed_at"] >= shown["created_at"]
    content = f"{VIDEOS}/{made['id']}/content"
    whole = await api.get(content, headers=key | {"Accept": "application/binary"})
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.content[4:8] == b"ftyp"
    assert whole.headers["content-disposition"] == f'attachment; filename="{made["id"]}.mp4"'
    part = await api.get(content, headers=key | {"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{len(whole.content)}"
    head = await api.head(content, headers=key)
    assert (head.headers["content-length"], head.content) == (str(len(whole.content)), b"")
    assert (await api.get(content, headers=key | {"If-None-Match": whole.headers["etag"]})).status_code == 304
    for variant in ("thumbnail", "spritesheet"):
        answer = await api.get(content, params={"variant": variant}, headers=key)
        assert answer.headers["content-type"].startswith("image/")
        Image.open(BytesIO(answer.content)).verify()
    wrong = await api.get(content, params={"variant": "poster"}, headers=key)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "variant")

    assets = working_gate.settings.data / "assets"
    assert files_of(assets, made["id"])
    gone = await api.delete(f"{VIDEOS}/{made['id']}", headers=key)
    assert gone.json() == {"id": made["id"], "object": "video.deleted", "deleted": True}
    assert files_of(assets, made["id"]) == []
    for path in ("", "/content"):
        assert (await api.get(f"{VIDEOS}/{made['id']}{path}", headers=key)).status_code == 404
    assert (await api.get(VIDEOS, headers=key)).json()["data"] == []
    for path in ("result", "content"):
        answer = await api.get(f"{OURS}/{made['id']}/{path}", headers=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "result_gone")
    assert (await ours(api, key, made["id"]))["result"] is None
    assert (await api.delete(f"{VIDEOS}/{made['id']}", headers=key)).status_code == 404
    retried = await api.delete(f"{VIDEOS}/{made['id']}", headers=key | {"x-stainless-retry-count": "1"})
    assert (retried.status_code, retried.json()["deleted"]) == (200, True)


def files_of(assets: Path, video_id: str) -> list[Path]:
    return [path for path in assets.rglob("*") if path.is_file() and video_id in str(path)]


# --- models ---


async def test_models_are_listed_and_found_by_names_with_slashes(
    api: httpx2.AsyncClient, key: dict[str, str], settings: Settings
) -> None:
    page = (await api.get("/v1/models", headers=key)).json()
    assert page["object"] == "list"
    names = [model["id"] for model in page["data"]]
    assert {"sora-2", "sora-2-pro", "procedural-1"} <= set(names)
    for model in page["data"]:
        assert list(model) == ["id", "object", "created", "owned_by"]
        assert (await api.get(f"/v1/models/{model['id']}", headers=key)).json() == model
    answer = await api.get("/v1/models/acme/nothing%2F1", headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert "'acme/nothing/1'" in answer.json()["error"]["message"]
