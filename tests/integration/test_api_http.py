"""What HTTP itself demands, on the quick lane and beside it: keys, methods, types, sizes, ids, logs."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from filmgate.api.application import ApiOptions, create_api
from filmgate.api.hot import MAX_BODY
from filmgate.app import Gate
from filmgate.app.gate import _nothing
from filmgate.domain.errors import DatabaseUnavailable

pytestmark = pytest.mark.anyio

VIDEOS = "/api/v1/videos"
JSON = {"content-type": "application/json"}
# A query is not plain, so the same request goes through the framework.
LANES = pytest.mark.parametrize("lane", ["", "?beside=1"], ids=["hot", "framework"])


async def warm(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    """Make the key one that is remembered, so that the quick lane takes it."""
    assert (await api.get("/api/v1/models", headers=key)).status_code == 200


def shape(body: Any) -> Any:
    """Return a body without what differs from request to request."""
    own = {"instance", "jobId", "createdAt", "estimatedCompletionTime"}
    return {name: value for name, value in body.items() if name not in own}


async def test_health_needs_no_key_and_has_the_missions_shape(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/health")
    body = answer.json()
    assert (answer.status_code, set(body), body["status"]) == (200, {"status", "timestamp", "version"}, "ok")
    assert body["timestamp"].endswith("Z")


async def test_readiness_names_every_part(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/ready")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "ready")
    assert {"database", "storage", "migrations", "engine"} <= set(body["parts"])
    assert all(set(part) == {"ok", "state", "detail"} for part in body["parts"].values())


async def test_readiness_is_503_while_the_database_is_away(api: httpx2.AsyncClient, gate: Gate) -> None:
    await gate.database.close()
    answer = await api.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["parts"]["database"]["ok"] is False


@LANES
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "Bearer " + "x" * 600]
)
async def test_without_a_known_key_nothing_is_shown(
    api: httpx2.AsyncClient, lane: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for answer in (
        await api.get(f"{VIDEOS}/job_01k7m3z9f4t8q2v6x0c5b1n7dh{lane}", headers=headers),
        await api.post(VIDEOS + lane, json={"prompt": "a"}, headers=headers),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_scheme_is_read_in_any_case(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    secret = key["Authorization"].removeprefix("Bearer ")
    answer = await api.get(VIDEOS, headers={"authorization": f"bearer {secret}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", VIDEOS, {"GET", "HEAD", "OPTIONS", "POST"}),
        ("POST", f"{VIDEOS}/job_01k7m3z9f4t8q2v6x0c5b1n7dh", {"DELETE", "GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_a_wrong_method_is_405_with_the_right_ones(
    api: httpx2.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await api.request(method, path)
    asked = await api.options(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert (asked.status_code, asked.content) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == set(asked.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/docs/../../etc/passwd", "/docs/secret.txt", "//"])
async def test_an_unknown_address_is_404_with_the_one_body(api: httpx2.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    if path != "//":
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {},
    ],
)
async def test_a_body_of_another_type_is_415_and_names_the_right_one(
    api: httpx2.AsyncClient, key: dict[str, str], headers: dict[str, str]
) -> None:
    await warm(api, key)
    answer = await api.post(VIDEOS, content=b'{"prompt":"a"}', headers=key | headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@LANES
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"prompt":\n NaN}', 400),
        (b'{"prompt":"\xff"}', 400),
        (b'{"prompt":"\\ud800"}', 400),
        (b'{"x":' * 10_000, 400),
        (b"[" * 20_000, 422),
        (b"[]", 422),
        (b'{"prompt":"\\u0000"}', 422),
        (b'{"prompt":"a","seed":' + b"9" * 5000 + b"}", 422),
        (b'{"prompt":"a","duration":1e400}', 422),
        (b'{"prompt":"a","duration":1e308}', 422),
        (b'{"prompt":"a","duration":-0.0}', 422),
        (b'{"prompt":""}', 422),
        (b"{}", 422),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else None,
)
async def test_a_body_that_cannot_be_used_is_never_a_fault_of_ours(
    api: httpx2.AsyncClient, key: dict[str, str], lane: str, body: bytes, status: int
) -> None:
    await warm(api, key)
    answer = await api.post(VIDEOS + lane, content=body, headers=key | JSON)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["instance"] == answer.headers["x-request-id"]


async def test_both_lanes_answer_alike(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    await warm(api, key)
    for body in ({"prompt": "a lake"}, {"prompt": ""}, {"promt": 5}, {"prompt": "a", "model": "none"}):
        hot = await api.post(VIDEOS, json=body, headers=key)
        beside = await api.post(f"{VIDEOS}?beside=1", json=body, headers=key)
        assert (hot.status_code, shape(hot.json())) == (beside.status_code, shape(beside.json()))
        assert set(hot.headers) == set(beside.headers)
    made = (await api.post(VIDEOS, json={"prompt": "a"}, headers=key)).json()["jobId"]
    for job in (made, "job_" + "0" * 26, "job_short"):
        hot = await api.get(f"{VIDEOS}/{job}", headers=key)
        beside = await api.get(f"{VIDEOS}/{job}?beside=1", headers=key)
        assert (hot.status_code, shape(hot.json())) == (beside.status_code, shape(beside.json()))
        assert set(hot.headers) == set(beside.headers)


async def test_a_body_too_large_for_the_quick_lane_goes_beside_it(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    await warm(api, key)
    answer = await api.post(VIDEOS, json={"prompt": "a", "model": "m" * MAX_BODY}, headers=key)
    assert answer.status_code == 404


async def test_a_body_over_the_limit_is_413_whether_announced_or_not(gate: Gate, key: dict[str, str]) -> None:
    limited = create_api(gate.services, ApiOptions("1", None, max_body_bytes=1000), _nothing)
    transport = httpx2.ASGITransport(app=limited)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 500

    async with httpx2.AsyncClient(transport=transport, base_url="http://gate.test") as api:
        for path in (f"{VIDEOS}/batch", f"{VIDEOS}?beside=1"):
            for content in (b" " * 1001, chunks()):
                answer = await api.post(path, content=content, headers=key | JSON)
                assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
                assert "1,000 bytes" in answer.json()["detail"]


async def test_a_chunked_body_is_read(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"prompt":'
        yield b'"a lake"}'

    await warm(api, key)
    assert (await api.post(VIDEOS, content=chunks(), headers=key | JSON)).status_code == 202


@LANES
@pytest.mark.parametrize(
    ("given", "kept"),
    [("mine-1.2_3", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False)],
)
async def test_a_usable_request_id_is_kept_and_another_replaced(
    api: httpx2.AsyncClient, key: dict[str, str], lane: str, given: str, kept: bool
) -> None:
    await warm(api, key)
    answer = await api.post(VIDEOS + lane, json={"prompt": ""}, headers=key | {"x-request-id": given})
    request_id = answer.headers["x-request-id"]
    assert (request_id == given) is kept
    assert kept or request_id.startswith("req_")
    assert answer.json()["instance"] == request_id


@LANES
async def test_a_request_is_one_line_in_the_log_without_secrets(
    api: httpx2.AsyncClient, key: dict[str, str], lane: str
) -> None:
    await warm(api, key)
    with capture_logs() as lines:
        answer = await api.post(VIDEOS + lane, json={"prompt": "my secret idea"}, headers=key)
        job = answer.json()["jobId"]
        await api.get(f"{VIDEOS}/{job}{lane}", headers=key)
    create, read = [line for line in lines if line["event"] == "request"]
    assert (create["method"], create["route"], create["status"]) == ("POST", VIDEOS, 202)
    assert (read["method"], read["route"], read["status"]) == ("GET", f"{VIDEOS}/{{jobId}}", 200)
    assert create["request_id"] == answer.headers["x-request-id"]
    assert create["job_id"] == read["job_id"] == job
    assert create["key_id"] == "key_root"
    assert create["ms"] >= 0
    written = json.dumps(lines, default=str)
    for secret in (key["Authorization"].removeprefix("Bearer "), "my secret idea", "beside"):
        assert secret not in written


async def test_a_head_is_a_get_without_its_body(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    for path in ("/health", "/docs", "/openapi.json", VIDEOS, "/nothing"):
        got, head = await api.get(path, headers=key), await api.head(path, headers=key)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers["content-length"] == got.headers["content-length"] or path == "/nothing"


@LANES
async def test_answers_may_neither_be_sniffed_nor_kept(
    api: httpx2.AsyncClient, key: dict[str, str], lane: str
) -> None:
    await warm(api, key)
    answer = await api.post(VIDEOS + lane, json={"prompt": "a"}, headers=key)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


@LANES
async def test_a_database_that_is_away_is_503_with_a_time_to_come_back(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate, lane: str
) -> None:
    await warm(api, key)
    await gate.database.close()
    answer = await api.get(f"{VIDEOS}/job_01k7m3z9f4t8q2v6x0c5b1n7dh{lane}", headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) >= DatabaseUnavailable.retry_after.total_seconds()
    assert "x-should-retry" not in answer.headers


async def test_a_public_address_in_production_asks_browsers_for_tls(gate: Gate) -> None:
    options = ApiOptions("1", "https://films.example.com/", production=True)
    transport = httpx2.ASGITransport(app=create_api(gate.services, options, _nothing))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gate.test") as api:
        assert "max-age" in (await api.get("/health")).headers["strict-transport-security"]


async def test_the_root_leads_to_the_documentation(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")


async def test_the_documentation_and_all_it_loads_come_from_here(api: httpx2.AsyncClient) -> None:
    page = await api.get("/docs")
    policy = page.headers["content-security-policy"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "docs.js", "docs.css"):
        file = await api.get(f"/docs/{name}")
        assert file.status_code == 200
        assert Path(name).suffix[1:] in file.headers["content-type"].replace("javascript", "js")
        again = await api.get(f"/docs/{name}", headers={"if-none-match": file.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_every_error_code_has_its_place_on_the_page_of_errors(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    address = (await api.post(VIDEOS, json={"prompt": ""}, headers=key)).json()["type"]
    path, _, anchor = address.partition("#")
    page = await api.get(path)
    assert page.status_code == 200
    assert f'id="{anchor}"' in page.text


async def test_the_openapi_document_is_served(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert f"{VIDEOS}/{{jobId}}/content" in document["paths"]
