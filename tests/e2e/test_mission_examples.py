"""The mission's six examples, as written there, against a started process."""

import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest

from filmgate import __version__

_FILM_SECONDS = 90
_JSON = {"Content-Type": "application/json"}


class Server(Protocol):
    """A started filmgate, as the fixture gives it."""

    url: str
    key: str
    headers: dict[str, str]


def moment(value: Any) -> bool:
    return isinstance(value, str) and bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", value)
    )


def word(*values: str) -> Callable[[Any], bool]:
    return lambda value: value in values


def named(prefix: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def count(value: Any) -> bool:
    return type(value) is int and value > 0


def link(value: Any) -> bool:
    return isinstance(value, str) and bool(re.match(r"https?://[^/]+/", value))


def text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def assert_form(body: dict[str, Any], form: dict[str, Any]) -> None:
    """Every key of the mission's answer is there, and its value has the form the mission shows."""
    for name, fits in form.items():
        assert name in body, f"{name} is missing from {body}"
        if isinstance(fits, dict):
            assert_form(body[name], fits)
        else:
            assert fits(body[name]), f"{name} is {body[name]!r}"


RESULT = {
    "videoUrl": link,
    "thumbnailUrl": link,
    "duration": lambda value: type(value) in {int, float} and value > 0,
    "resolution": lambda value: bool(re.fullmatch(r"\d+x\d+", value)),
    "fileSize": count,
}


def post(server: Server, path: str, body: str) -> httpx2.Response:
    return httpx2.post(f"{server.url}{path}", content=body, headers=server.headers | _JSON, timeout=30)


def get(server: Server, path: str) -> httpx2.Response:
    return httpx2.get(f"{server.url}{path}", headers=server.headers, timeout=30)


def cancel(server: Server, job: str) -> httpx2.Response:
    return httpx2.delete(f"{server.url}/api/v1/videos/{job}", headers=server.headers, timeout=30)


@pytest.fixture(scope="module")
def film(server: Server) -> dict[str, Any]:
    """A finished film, with the mission's own request but a size that renders quickly."""
    asked = {"prompt": "A serene lake at sunset", "duration": 5, "resolution": "640x360", "model": "sora-1.0"}
    job = post(server, "/api/v1/videos", json.dumps(asked)).json()["jobId"]
    deadline = time.monotonic() + _FILM_SECONDS
    while time.monotonic() < deadline:
        shown: dict[str, Any] = get(server, f"/api/v1/videos/{job}").json()
        if shown["status"] not in {"pending", "processing"}:
            return shown
        time.sleep(0.2)
    raise AssertionError(f"not finished within {_FILM_SECONDS} s: {shown}")


def test_1_generate_a_single_video(server: Server) -> None:
    answer = post(
        server,
        "/api/v1/videos",
        """{
          "prompt": "A serene lake at sunset with mountains in the background",
          "duration": 5,
          "resolution": "1920x1080",
          "aspect_ratio": "16:9",
          "model": "sora-1.0",
          "webhookUrl": "https://example.com/webhook"
        }""",
    )
    body = answer.json()
    assert answer.status_code == 202
    form = {
        "jobId": named("job_"),
        "status": word("pending"),
        "createdAt": moment,
        "estimatedCompletionTime": moment,
    }
    assert_form(body, form)
    assert body["estimatedCompletionTime"] > body["createdAt"]
    cancel(server, body["jobId"])


def test_2_generate_batch_videos(server: Server) -> None:
    answer = post(
        server,
        "/api/v1/videos/batch",
        """{
          "videos": [
            {
              "prompt": "A serene lake at sunset",
              "duration": 5,
              "resolution": "1920x1080"
            },
            {
              "prompt": "A bustling city street",
              "duration": 3,
              "resolution": "1920x1080"
            }
          ],
          "webhookUrl": "https://example.com/webhook"
        }""",
    )
    body = answer.json()
    assert answer.status_code == 202
    form = {
        "batchId": named("batch_"),
        "totalVideos": lambda value: value == 2,
        "status": word("processing"),
        "createdAt": moment,
    }
    assert_form(body, form)
    assert len(body["jobs"]) == 2
    for job in body["jobs"]:
        assert_form(job, {"jobId": named("job_"), "status": word("pending")})
        cancel(server, job["jobId"])


def test_3_get_job_status(server: Server, film: dict[str, Any]) -> None:
    answer = get(server, f"/api/v1/videos/{film['jobId']}")
    assert answer.status_code == 200
    form = {
        "jobId": named("job_"),
        "status": word("completed"),
        "progress": lambda value: value == 100,
        "createdAt": moment,
        "completedAt": moment,
        "result": RESULT,
    }
    assert_form(answer.json(), form)
    assert answer.json()["result"]["resolution"] == "640x360"
    assert answer.json()["result"]["duration"] == pytest.approx(5, abs=0.1)


def test_4_get_video_result(server: Server, film: dict[str, Any]) -> None:
    answer = get(server, f"/api/v1/videos/{film['jobId']}/result")
    body = answer.json()
    assert answer.status_code == 200
    assert_form(body, RESULT | {"metadata": {"prompt": text, "model": text, "createdAt": moment}})
    assert body["metadata"]["prompt"] == "A serene lake at sunset"
    assert body["metadata"]["model"] == "sora-1.0"


def test_4_the_links_open_without_a_key(server: Server, film: dict[str, Any], tmp_path: Path) -> None:
    result = film["result"]
    saved = tmp_path / "film.mp4"
    with httpx2.stream("GET", result["videoUrl"], timeout=30) as answer:
        assert answer.headers["content-type"] == "video/mp4"
        saved.write_bytes(answer.read())
    assert saved.stat().st_size == result["fileSize"]
    assert saved.read_bytes()[4:8] == b"ftyp"
    assert httpx2.get(result["thumbnailUrl"]).headers["content-type"].startswith("image/")


def test_5_cancel_job(server: Server) -> None:
    job = post(server, "/api/v1/videos", '{"prompt": "never to be seen", "duration": 20}').json()["jobId"]
    answer = cancel(server, job)
    assert answer.status_code == 200
    form = {
        "jobId": word(job),
        "status": word("cancelled"),
        "message": lambda value: value.startswith("Job successfully cancelled"),
    }
    assert_form(answer.json(), form)


def test_6_health_check(server: Server) -> None:
    answer = httpx2.get(f"{server.url}/health")
    assert answer.status_code == 200
    assert_form(answer.json(), {"status": word("ok"), "timestamp": moment, "version": word(__version__)})


def test_every_status_the_mission_names_can_be_asked_for(server: Server) -> None:
    for status in ("pending", "processing", "completed", "failed", "cancelled"):
        answer = get(server, f"/api/v1/videos?status={status}")
        assert answer.status_code == 200
        assert all(video["status"] == status for video in answer.json()["videos"])


def test_the_swagger_page_is_there(server: Server) -> None:
    assert "swagger-ui" in httpx2.get(f"{server.url}/docs").text
    assert httpx2.get(f"{server.url}/openapi.json").json()["openapi"].startswith("3.")


def test_a_body_cut_short_or_a_length_given_twice_is_refused(server: Server) -> None:
    host = server.url.removeprefix("http://")
    head = f"POST /api/v1/videos HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.key}\r\n"
    doubled = f"{head}Content-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{{}}"
    assert raw_status(server, doubled.encode()) in {400, 422}
    odd = f"{head}Content-Type: application/json\r\nContent-Length: two\r\n\r\n{{}}"
    assert raw_status(server, odd.encode()) == 400


def raw_status(server: Server, request: bytes) -> int:
    name, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((name, int(port)), timeout=10) as connection:
        connection.sendall(request)
        return int(connection.recv(4096).split(b" ", 2)[1])
