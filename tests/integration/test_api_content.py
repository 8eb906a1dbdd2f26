"""A film that was really rendered is shown, linked and downloaded, whole and in part."""

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

pytestmark = pytest.mark.anyio

VIDEOS = "/api/v1/videos"
LINKS = {"videoUrl": "video/mp4", "thumbnailUrl": "image/webp", "spritesheetUrl": "image/webp"}
_RENDER_SECONDS = 60


async def finished(api: httpx2.AsyncClient, key: dict[str, str]) -> dict[str, Any]:
    asked = {"prompt": "a lake", "duration": 1, "resolution": "640x360", "audio": False}
    made = (await api.post(VIDEOS, json=asked, headers=key)).json()
    deadline = time.monotonic() + _RENDER_SECONDS
    while time.monotonic() < deadline:
        shown = (await api.get(f"{VIDEOS}/{made['jobId']}", headers=key)).json()
        if shown["status"] not in {"pending", "processing"}:
            assert shown["status"] == "completed", shown
            return shown
        await asyncio.sleep(0.1)
    raise AssertionError(f"not finished within {_RENDER_SECONDS} s")


async def check_shape(api: httpx2.AsyncClient, key: dict[str, str], shown: dict[str, Any]) -> None:
    film = shown["result"]
    assert shown["progress"] == 100
    assert shown["completedAt"].endswith("Z")
    assert (film["resolution"], shown["delivered"]["size"]) == ("640x360", "640x360")
    assert film["duration"] == pytest.approx(1, abs=0.2)
    result = (await api.get(f"{VIDEOS}/{shown['jobId']}/result", headers=key)).json()
    assert result["metadata"] == {
        "prompt": "a lake",
        "model": shown["model"],
        "createdAt": shown["createdAt"],
    }
    assert result["fileSize"] == film["fileSize"]


async def check_links(api: httpx2.AsyncClient, shown: dict[str, Any]) -> None:
    for name, media in (
        ("videoUrl", "video/mp4"),
        ("thumbnailUrl", "image/webp"),
        ("spritesheetUrl", "image/webp"),
    ):
        link = shown["result"][name]
        answer = await api.get(link)
        assert link.startswith("http://gate.test/api/v1/videos/job_")
        assert (answer.status_code, answer.headers["content-type"]) == (200, media)
        assert int(answer.headers["content-length"]) == len(answer.content)
    link = shown["result"]["videoUrl"]
    query = parse_qs(urlsplit(link).query)
    signature, expires = query["signature"][0], query["expires"][0]
    other = "A" if signature[0] != "A" else "B"
    for changed in (
        link.replace(signature, other + signature[1:]),
        link.replace(expires, str(int(expires) + 1)),
        link.replace(expires, "1"),
        link.replace("variant=video", "variant=thumbnail"),
        link.split("&expires")[0],
        link.split("?")[0],
    ):
        assert (await api.get(changed)).status_code == 401


async def check_ranges(api: httpx2.AsyncClient, key: dict[str, str], shown: dict[str, Any]) -> None:
    path = f"{VIDEOS}/{shown['jobId']}/content"
    whole = await api.get(path, headers=key)
    film, size, etag = whole.content, len(whole.content), whole.headers["etag"]
    assert size == shown["result"]["fileSize"]
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-disposition"] == f'inline; filename="{shown["jobId"]}.mp4"'
    for asked, start, stop in (("0-9", 0, 10), ("-5", size - 5, size), (f"{size - 3}-", size - 3, size)):
        part = await api.get(path, headers=key | {"range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, film[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    beyond = await api.get(path, headers=key | {"range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    same = await api.get(path, headers=key | {"range": "bytes=0-9", "if-range": etag})
    other = await api.get(path, headers=key | {"range": "bytes=0-9", "if-range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)
    known = await api.get(path, headers=key | {"if-none-match": etag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    dated = await api.get(path, headers=key | {"if-modified-since": whole.headers["last-modified"]})
    assert dated.status_code == 304


async def check_head_and_download(
    api: httpx2.AsyncClient, key: dict[str, str], shown: dict[str, Any]
) -> None:
    path = f"{VIDEOS}/{shown['jobId']}/content"
    head = await api.head(path, headers=key)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == shown["result"]["fileSize"]
    saved = await api.get(path, params={"download": "1", "variant": "thumbnail"}, headers=key)
    assert saved.headers["content-disposition"].startswith("attachment; filename=")
    assert ".webp" in saved.headers["content-disposition"]
    wrong = await api.get(path, params={"variant": "poster"}, headers=key)
    assert (wrong.status_code, wrong.json()["problems"][0]["field"]) == (422, "variant")


async def test_a_finished_film_is_shown_linked_and_sent(
    working_api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    # One film serves every check: rendering is what takes the time.
    shown = await finished(working_api, key)
    await check_shape(working_api, key, shown)
    await check_links(working_api, shown)
    await check_ranges(working_api, key, shown)
    await check_head_and_download(working_api, key, shown)
    late = await working_api.delete(f"{VIDEOS}/{shown['jobId']}", headers=key)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "video_already_final")
