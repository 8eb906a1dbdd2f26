"""Input that no honest client sends on OpenAI's wire: a 4xx that says why, never a 5xx."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio

NUL = "%00"
ENDPOINT = "/v1/webhook_endpoints"


async def endpoint(api: httpx2.AsyncClient, key: dict[str, str]) -> str:
    hook = {"name": "Room", "url": "http://127.0.0.1:9/hook", "event_types": ["video.failed"]}
    return f"{ENDPOINT}/{(await api.post(ENDPOINT, json=hook, headers=key)).json()['id']}"


@pytest.mark.parametrize("name", [NUL, f"evt_{NUL}", "x" * 3000, "%F0%9F%8E%AC", "%ED%A0%80"])
async def test_strange_ids_of_deliveries_are_not_found(
    api: httpx2.AsyncClient, key: dict[str, str], name: str
) -> None:
    mine = await endpoint(api, key)
    shown = await api.get(f"{mine}/deliveries/{name}", headers=key)
    assert shown.status_code == 404, shown.text
    resent = await api.post(f"{mine}/deliveries/{name}/resend", headers=key)
    assert resent.status_code == 404, resent.text


@pytest.mark.parametrize(
    "path", ["/v1/files", "/v1/batches", ENDPOINT, "/v1/videos", "/api/v1/videos", "/api/v1/batches"]
)
async def test_strange_cursors_are_no_faults_of_the_server(
    api: httpx2.AsyncClient, key: dict[str, str], path: str
) -> None:
    for name in ("after", "cursor"):
        for value in (NUL, "%ED%A0%80", "%FF", "'"):
            answer = await api.get(f"{path}?{name}={value}", headers=key)
            assert answer.status_code < 500, (path, value, answer.text)
    mine = await endpoint(api, key)
    answer = await api.get(f"{mine}/deliveries?after={NUL}", headers=key)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "field",
    [
        '"seconds": 1' + "0" * 400,
        '"seconds": 1e308',
        '"seconds": -4',
        '"max_cost": 1' + "0" * 400,
        '"max_cost": {"usd": 1}',
        '"max_cost": 1e-300',
        '"seed": 1' + "0" * 400,
        '"priority": -1' + "0" * 400,
        '"metadata": {"a": 1}',
        '"metadata": {"a\\u0000": "b"}',
        '"characters": [null]',
        '"characters": [{"id": "char_\\u0000"}]',
        '"input_reference": {"file_id": "\\u0000"}',
        '"input_reference": {"image_url": "data:image/png;base64,\\u00e9"}',
        '"input_reference": {"image_url": "https://[::1"}',
        '"input_reference": {"image_url": "http://\\u00e9.\\u00e9:99999/"}',
        '"size": "99999999999999999999x1"',
        '"webhook_url": "https://[::1"',
        '"prompt": "\\ud800"',
    ],
)
async def test_strange_values_are_refused_by_name(
    api: httpx2.AsyncClient, key: dict[str, str], field: str
) -> None:
    body = f'{{"prompt": "a lake", "model": "procedural-1", {field}}}'
    answer = await api.post(
        "/v1/videos", content=body.encode(), headers={**key, "Content-Type": "application/json"}
    )
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]["message"]


def part(name: bytes, text: bytes = b"a", extra: bytes = b"") -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + extra
    return head + b"\r\n\r\n" + text + b"\r\n"


@pytest.mark.parametrize(
    "name",
    [b"metadata[a\x00b]", b"metadata[\xff]", b"metadata[%00]", b"metadata[]", b"metadata[][]", b"[", b""],
)
async def test_strange_names_in_a_form_are_refused(
    api: httpx2.AsyncClient, key: dict[str, str], name: bytes
) -> None:
    body = part(b"prompt", b"a lake") + part(b"model", b"procedural-1") + part(name) + b"--x--\r\n"
    headers = {**key, "Content-Type": "multipart/form-data; boundary=x"}
    answer = await api.post("/v1/videos", content=body, headers=headers)
    allowed: Any = range(400, 500) if name != b"metadata[%00]" else range(200, 500)
    assert answer.status_code in allowed, answer.text


async def test_the_files_of_a_form_are_limited_together(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    half = b"\x00" * (11 * 1024**2)
    files = {"input_reference": ("a.png", half), "other": ("b.png", half)}
    answer = await api.post("/v1/videos", data={"prompt": "a lake"}, files=files, headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
