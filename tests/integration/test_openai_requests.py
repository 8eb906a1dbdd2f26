"""What OpenAI's wire takes as an image, what it refuses, and what it knows again."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from filmgate.app import Gate
from tests.integration.openai_wire import (
    VIDEOS,
    create,
    form,
    picture,
)

pytestmark = pytest.mark.anyio

# --- images ---


async def reference_of(gate: Gate, api: httpx2.AsyncClient, key: dict[str, str], video_id: str) -> bytes:
    """Return the bytes that were stored as a video's image."""
    (found,) = (gate.settings.data / "assets" / "references").glob(f"{video_id}.*")
    return found.read_bytes()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_an_image_comes_as_a_file_whatever_type_it_is_said_to_be(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str], kind: str
) -> None:
    fields = form(prompt="a kite") | {
        "input_reference": ("upload", picture(kind), "application/octet-stream")
    }
    answer = await api.post(VIDEOS, files=fields, headers=key)
    assert answer.status_code == 200, answer.text
    assert await reference_of(gate, api, key, answer.json()["id"]) == picture(kind)


async def test_an_image_comes_as_a_data_address_in_json_and_in_a_form(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    url = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    made = await create(api, key, input_reference={"image_url": url})
    assert await reference_of(gate, api, key, made["id"]) == picture()
    fields = form(prompt="a kite", **{"input_reference[image_url]": url})
    answer = await api.post(VIDEOS, files=fields, headers=key)
    assert await reference_of(gate, api, key, answer.json()["id"]) == picture()


@asynccontextmanager
async def host_of(answers: dict[str, bytes]) -> AsyncGenerator[tuple[str, list[str]], None]:
    """Serve raw answers by path on loopback, and note what was asked for."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        asked.append(path)
        writer.write(answers[path])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def test_an_image_is_fetched_from_its_address_also_where_that_leads_on(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    answers = {"/a.png": http(picture()), "/old": http(b"", "302 Found", "Location: /a.png")}
    async with host_of(answers) as (host, asked):
        made = await create(api, key, input_reference={"image_url": f"{host}/old"})
    assert asked == ["/old", "/a.png"]
    assert await reference_of(gate, api, key, made["id"]) == picture()


async def test_an_address_that_gives_no_image_is_refused_with_its_reason(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    answers = {
        "/gone": http(b"", "404 Not Found"),
        "/page": http(b"<html>"),
        "/inward": http(b"", "302 Found", "Location: http://169.254.169.254/latest"),
        "/loop": http(b"", "302 Found", "Location: /loop"),
    }
    async with host_of(answers) as (host, _):
        for path, words in {
            "/gone": "answered 404",
            "/page": "neither PNG, JPEG nor WebP",
            "/inward": "169.254.169.254",
            "/loop": "leads on",
        }.items():
            body = {"prompt": "a kite", "input_reference": {"image_url": host + path}}
            answer = await api.post(VIDEOS, json=body, headers=key)
            error = answer.json()["error"]
            assert answer.status_code == 400
            assert words in error["message"]
            assert error["param"].startswith("input_reference")


async def test_a_file_that_was_uploaded_before_is_the_image(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str], other_key: dict[str, str]
) -> None:
    fields = form(purpose="vision") | {"file": ("a.png", picture(), "image/png")}
    file = (await api.post("/v1/files", files=fields, headers=key)).json()["id"]
    made = await create(api, key, input_reference={"file_id": file})
    assert await reference_of(gate, api, key, made["id"]) == picture()
    body = {"prompt": "a kite", "input_reference": {"file_id": file}}
    answer = await api.post(VIDEOS, json=body, headers=other_key)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input_reference[file_id]")


async def test_an_empty_file_counts_as_left_out(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    fields = form(prompt="a kite") | {"input_reference": ("upload", b"", "application/octet-stream")}
    assert (await api.post(VIDEOS, files=fields, headers=key)).status_code == 200


async def test_nothing_of_an_upload_is_left_behind(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    for fields in (
        form(prompt="a kite") | {"input_reference": ("a.png", picture(), "image/png")},
        form(prompt="a kite") | {"input_reference": ("a.txt", b"no image", "image/png")},
        form(prompt="a kite", nonsense="1") | {"input_reference": ("a.png", picture(), "image/png")},
    ):
        await api.post(VIDEOS, files=fields, headers=key)
    assert list((gate.settings.data / "assets" / ".work").iterdir()) == []


# --- refusals ---


@pytest.mark.parametrize(
    ("asked", "param", "code"),
    [
        ({"prompt": ""}, "prompt", "required"),
        ({"prompt": 5}, "prompt", "wrong_type"),
        ({"prompt": "a" * 32_001}, "prompt", "too_long"),
        ({"seconds": "soon"}, "seconds", "invalid_value"),
        ({"seconds": True}, "seconds", "invalid_value"),
        ({"seconds": "7.5", "model": "gen4"}, "model", "model_not_found"),
        ({"seconds": "400"}, "seconds", "invalid_value"),
        ({"size": "1x1"}, "size", "invalid_value"),
        ({"size": "large"}, "size", "invalid_value"),
        ({"seed": "a"}, "seed", "invalid_value"),
        ({"audio": "loud"}, "audio", "wrong_type"),
        ({"metadata": "x"}, "metadata", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata", "invalid_value"),
        ({"max_cost": "much"}, "max_cost", "invalid_value"),
        ({"webhook_url": "ftp://x"}, "webhook_url", "invalid_value"),
        ({"webhookUrl": "ftp://x"}, "webhook_url", "invalid_value"),
        ({"negative_prompt": "rain", "strict": True}, "negative_prompt", "unsupported"),
        ({"charcters": []}, "charcters", "unknown_parameter"),
        ({"input_reference": 5}, "input_reference", "wrong_type"),
        ({"input_reference": {}}, "input_reference", "invalid_value"),
        ({"input_reference": {"image_url": "ftp://x"}}, "input_reference", "invalid_value"),
        (
            {"input_reference": {"image_url": "https://a/b", "file_id": "file_1"}},
            "input_reference",
            "invalid_value",
        ),
        ({"input_reference": {"file_id": "file_1"}}, "input_reference[file_id]", "not_found"),
        (
            {"input_reference": {"image_url": "data:image/png;base64,AAA="}},
            "input_reference",
            "bad_reference",
        ),
        ({"characters": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}, "characters", "invalid_value"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else None,
)
async def test_a_field_that_cannot_be_used_is_named_as_openai_names_it(
    api: httpx2.AsyncClient, key: dict[str, str], asked: dict[str, Any], param: str, code: str
) -> None:
    answer = await api.post(VIDEOS, json={"prompt": "a lake", **asked}, headers=key)
    body = answer.json()
    assert answer.status_code == body["status"] == (404 if code == "model_not_found" else 400)
    assert (body["error"]["param"], body["error"]["code"]) == (param, code)
    assert body["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["content-type"] == "application/json"
    words = body["error"]["message"] + json.dumps(body["problems"])
    assert not re.search(r"\b(duration|resolution|inputReference|webhookUrl|maxCost)\b", words)


async def test_every_problem_is_told_at_once(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    answer = await api.post(VIDEOS, json={"seconds": "soon", "seed": -1, "colour": 1}, headers=key)
    fields = [problem["field"] for problem in answer.json()["problems"]]
    assert fields == ["seconds", "seed", "colour", "prompt"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"prompt": "a\\u0000b"}', "application/json", 400),
        (b"prompt=a", "application/x-www-form-urlencoded", 415),
        (b"{}", "", 415),
        (b"--x\r\n", "multipart/form-data", 400),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\xff\xfe\r\n--x--',
            "multipart/form-data; boundary=x",
            400,
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="video[[id"\r\n\r\na\r\n--x--',
            "multipart/form-data; boundary=x",
            400,
        ),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    api: httpx2.AsyncClient, key: dict[str, str], body: bytes, content_type: str, status: int
) -> None:
    answer = await api.post(VIDEOS, content=body, headers=key | {"Content-Type": content_type})
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")


async def test_a_file_beyond_the_limit_is_refused_and_not_kept(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    large = picture().ljust(20 * 1024**2 + 1, b"\0")
    fields = form(prompt="a kite") | {"input_reference": ("a.png", large, "image/png")}
    answer = await api.post(VIDEOS, files=fields, headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert list((gate.settings.data / "assets" / ".work").iterdir()) == []


async def test_without_a_key_openais_error_comes(api: httpx2.AsyncClient) -> None:
    answer = await api.post(VIDEOS, json={"prompt": "a lake"})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (
        401,
        "authentication_error",
        "invalid_api_key",
    )


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/v1/chat/completions"])
async def test_an_unknown_route_has_openais_shape(
    api: httpx2.AsyncClient, key: dict[str, str], path: str
) -> None:
    answer = await api.post(path, json={}, headers=key)
    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "message": f"Invalid URL (POST {path})",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


# --- repeats ---


async def test_a_keyed_create_is_carried_out_once_also_with_an_image(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    headers = key | {"Idempotency-Key": "one"}

    def fields(**other: str) -> dict[str, Any]:
        return form(prompt="a kite", **other) | {"input_reference": ("upload", picture(), "image/png")}

    first = await api.post(VIDEOS, files=fields(), headers=headers)
    again = await api.post(VIDEOS, files=fields(), headers=headers)
    other = await api.post(VIDEOS, files=fields(seconds="8"), headers=headers)
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_key_reused")


async def test_a_form_and_json_of_the_same_are_one_request(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    headers = key | {"Idempotency-Key": "two"}
    by_form = await api.post(VIDEOS, files=form(prompt="a kite", seconds="8"), headers=headers)
    by_json = await api.post(VIDEOS, json={"seconds": 8, "prompt": "a kite"}, headers=headers)
    assert by_form.json() == by_json.json()
    assert by_json.headers["idempotent-replayed"] == "true"


async def test_an_address_is_not_fetched_again_for_a_replay(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    headers = key | {"Idempotency-Key": "three"}
    async with host_of({"/a.png": http(picture())}) as (host, asked):
        body = {"prompt": "a kite", "input_reference": {"image_url": f"{host}/a.png"}}
        answers = [await api.post(VIDEOS, json=body, headers=headers) for _ in range(3)]
    assert asked == ["/a.png"]
    assert len({answer.json()["id"] for answer in answers}) == 1
