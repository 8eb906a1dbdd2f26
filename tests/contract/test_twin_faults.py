"""Every fault that can be ordered can be observed, on a wire that all of them fit."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import closing
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.contract.twins import Client, Judge, Seen, running_twin

pytestmark = pytest.mark.anyio

TASKS = "/api/v3/contents/generations/tasks"
MODEL = "dreamina-seedance-2-0-fast-260128"


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def ark(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("ark"), {"Authorization": "Bearer key"}) as client:
        yield client


def order(prompt: str = "a kite") -> dict[str, Any]:
    content = [{"type": "text", "text": prompt}]
    return {"model": MODEL, "content": content, "duration": 4, "resolution": "480p", "ratio": "16:9"}


async def create(ark: Client, prompt: str = "a kite") -> Seen:
    return await ark.post(TASKS, order(prompt))


async def show(ark: Client, task_id: str) -> Seen:
    return await ark.get(f"{TASKS}/{task_id}")


async def status_of(ark: Client, made: Seen, until: str) -> dict[str, Any]:
    for _ in range(100):
        shown = (await show(ark, made.json["id"])).json
        if shown.get("status") == until:
            return shown
        await asyncio.sleep(0.01)
    raise AssertionError(shown)


# what happens to an answer


@pytest.mark.parametrize(
    ("fault", "created"),
    [("drop-before-reading", 0), ("lost-before-accept", 0), ("lost-after-accept", 1)],
)
@pytest.mark.parametrize("way", ["rule", "magic word"])
async def test_a_lost_answer_is_lost_and_the_bill_knows_what_was_made(
    twin: Judge, ark: Client, fault: str, created: int, way: str
) -> None:
    if way == "rule":
        twin.fault(fault, vendor="ark")
    with pytest.raises(aiohttp.ClientError):
        await create(ark, f"a kite [twin:{fault}]" if way == "magic word" else "a kite")
    assert twin.bill()["created"] == created
    assert [record["fault"] for record in twin.requests(vendor="ark")] == [fault]
    for entry in twin.ledger():
        assert (entry["status"], entry["fault"], entry["created"]) == (None, fault, bool(created))


async def test_a_late_create_is_answered_late(twin: Judge, ark: Client) -> None:
    twin.fault("created-late", seconds=0.1)
    pending = asyncio.create_task(create(ark))
    await asyncio.sleep(0.05)
    assert twin.bill()["created"] == 0
    assert (await pending).status == 200
    assert twin.bill()["created"] == 1


async def test_a_create_may_take_effect_long_after_the_connection_broke(twin: Judge, ark: Client) -> None:
    twin.fault("dropped-created-late", seconds=0.1)
    with pytest.raises(aiohttp.ClientError):
        await create(ark)
    assert twin.bill()["created"] == 0
    await asyncio.sleep(0.15)
    assert twin.bill()["created"] == 1


async def test_a_late_create_takes_effect_though_the_client_has_left(twin: Judge, ark: Client) -> None:
    twin.fault("created-late", seconds=0.1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(create(ark), 0.03)
    await asyncio.sleep(0.15)
    assert twin.bill()["created"] == 1


@pytest.mark.parametrize(("fault", "header"), [("rate-limited", "9"), ("rate-limited-silent", None)])
async def test_throttling_may_or_may_not_say_when_to_return(
    twin: Judge, ark: Client, fault: str, header: str | None
) -> None:
    twin.fault(fault, **({"retry_after": 9} if header else {}))
    answer = await create(ark)
    assert (answer.status, answer.headers.get("retry-after")) == (429, header)
    assert answer.json["error"]["type"] == "TooManyRequests"
    assert twin.bill()["created"] == 0


@pytest.mark.parametrize(("fault", "created"), [("error-before", 0), ("error-after", 1)])
async def test_a_server_error_comes_before_or_after_the_work(
    twin: Judge, ark: Client, fault: str, created: int
) -> None:
    twin.fault(fault, status=504)
    answer = await create(ark)
    assert (answer.status, answer.json["error"]["code"]) == (504, "InternalServiceError")
    assert twin.bill()["created"] == created
    assert twin.ledger()[0]["status"] == 504


async def test_a_redirect_names_its_target(twin: Judge, ark: Client) -> None:
    twin.fault("redirect", status=308, to="http://127.0.0.1:9/")
    answer = await create(ark)
    assert (answer.status, answer.headers["location"]) == (308, "http://127.0.0.1:9/")
    assert twin.bill()["created"] == 0


async def test_a_page_comes_instead_of_json(twin: Judge, ark: Client) -> None:
    twin.fault("html")
    answer = await create(ark)
    assert (answer.status, answer.body[:15]) == (200, b"<!doctype html>")
    assert twin.bill()["created"] == 1


@pytest.mark.parametrize("fault", ["truncated-json", "empty-answer"])
async def test_json_that_is_not_whole_cannot_be_read(twin: Judge, ark: Client, fault: str) -> None:
    twin.fault(fault)
    answer = await create(ark)
    assert answer.status == 200
    with pytest.raises(msgspec.DecodeError):
        _ = answer.json
    assert twin.bill()["created"] == 1


async def test_an_answer_without_an_id_is_still_a_job(twin: Judge, ark: Client) -> None:
    twin.fault("without-id")
    answer = await create(ark)
    assert (answer.status, answer.json, twin.bill()["created"]) == (200, {}, 1)


async def test_an_error_may_come_with_200(twin: Judge, ark: Client) -> None:
    twin.fault("error-in-200")
    answer = await create(ark)
    assert (answer.status, list(answer.json), twin.bill()["created"]) == (200, ["error"], 0)


async def test_json_may_be_deep_or_huge(twin: Judge, ark: Client) -> None:
    twin.fault("deep-json", times=1)
    assert (await create(ark)).body.count(b"[") == 10_000
    twin.fault("huge-body", megabytes=3)
    assert len((await create(ark)).body) > 3 * 1024**2


@pytest.mark.parametrize("fault", ["slow-headers", "slow-body"])
async def test_a_slow_answer_takes_its_time_and_is_whole(twin: Judge, ark: Client, fault: str) -> None:
    twin.fault(fault, seconds=0.15)
    start = time.monotonic()
    answer = await create(ark)
    assert time.monotonic() - start >= 0.14
    assert answer.json["id"].startswith("cgt-")


async def test_headers_may_never_end(twin: Judge, ark: Client) -> None:
    twin.fault("endless-headers", seconds=0.15)
    with pytest.raises(aiohttp.ClientError):
        await create(ark)
    assert twin.bill()["created"] == 1


async def test_a_prompt_may_be_refused_at_once(twin: Judge, ark: Client) -> None:
    answer = await create(ark, "a kite [twin:moderated-before]")
    assert (answer.status, answer.json["error"]["code"]) == (400, "InputTextSensitiveContentDetected")
    assert twin.bill()["created"] == 0


# what happens to a job


async def test_a_job_may_stick_at_99(twin: Judge) -> None:
    async with Client(twin.url("openai"), {"Authorization": "Bearer k"}) as client:
        made = (await client.post("/v1/videos", {"prompt": "a [twin:stuck]"})).json
        await asyncio.sleep(0.1)
        shown = (await client.get(f"/v1/videos/{made['id']}")).json
    assert (shown["status"], shown["progress"]) == ("in_progress", 99)


async def test_a_job_may_never_end_and_still_move(twin: Judge) -> None:
    async with Client(twin.url("openai"), {"Authorization": "Bearer k"}) as client:
        made = (await client.post("/v1/videos", {"prompt": "a [twin:never-ends]"})).json
        await asyncio.sleep(0.1)
        shown = (await client.get(f"/v1/videos/{made['id']}")).json
    assert shown["status"] == "in_progress"
    assert 50 <= shown["progress"] <= 98


async def test_progress_may_go_back(twin: Judge) -> None:
    async with Client(twin.url("sglang")) as client:
        made = (await client.post("/v1/videos", {"prompt": "a [twin:progress-backwards]"})).json
    job = twin.twin.world.of("sglang").named(made["id"])
    assert job is not None
    seen = [job.progress(job.started_at + job.run / job.speed * step / 100) for step in range(101)]
    assert sum(later < earlier for earlier, later in pairwise(seen)) >= 3
    assert all(0 <= progress <= 0.99 for progress in seen)


async def test_a_status_may_be_a_word_nobody_knows(ark: Client) -> None:
    made = await create(ark, "a kite [twin:unknown-status word=simmering] [twin:stuck]")
    await status_of(ark, made, "simmering")


@pytest.mark.parametrize("fault", ["vanish-while-running", "vanish-after-success"])
async def test_a_job_may_vanish(ark: Client, fault: str) -> None:
    made = await create(ark, f"a kite [twin:{fault}]")
    if fault == "vanish-after-success":
        await status_of(ark, made, "succeeded")
    else:
        await asyncio.sleep(0.1)
    assert (await show(ark, made.json["id"])).status == 404
    assert (await ark.get(TASKS)).json["items"] == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("failed", "InternalServiceError"),
        ("failed-without-reason", None),
        ("moderated-after", "OutputVideoSensitiveContentDetected"),
    ],
)
async def test_a_failed_job_is_not_billed(twin: Judge, ark: Client, fault: str, code: str | None) -> None:
    shown = await status_of(ark, await create(ark, f"a kite [twin:{fault}]"), "failed")
    assert shown.get("error", {}).get("code") == code
    assert twin.bill()["billed_micro_usd"] == 0


async def test_a_job_may_succeed_without_a_film(ark: Client) -> None:
    shown = await status_of(ark, await create(ark, "a kite [twin:result-missing]"), "succeeded")
    assert "video_url" not in shown["content"]


async def test_listings_may_lag_or_omit(ark: Client) -> None:
    lagging = await create(ark, "a kite [twin:list-lag seconds=0.3]")
    await create(ark, "a kite [twin:list-omits]")
    assert (await ark.get(TASKS)).json["total"] == 0
    await asyncio.sleep(0.32)
    assert [task["id"] for task in (await ark.get(TASKS)).json["items"]] == [lagging.json["id"]]


# what happens to the port


async def test_the_port_may_refuse_connections_and_come_back(twin: Judge, ark: Client) -> None:
    answer = await ark.post(f"{twin.address}/_twin/faults", {"fault": "refuse-connection", "seconds": 0.4})
    assert answer.status == 201
    with pytest.raises(aiohttp.ClientConnectorError):
        await create(ark)
    await asyncio.sleep(0.5)
    assert (await create(ark)).status == 200


async def test_connections_may_be_closed_before_anything_is_read(twin: Judge, ark: Client) -> None:
    await ark.post(f"{twin.address}/_twin/faults", {"fault": "close-on-accept", "seconds": 0.4})
    with pytest.raises(aiohttp.ClientError):
        await create(ark)
    assert twin.requests(vendor="ark") == []
    await asyncio.sleep(0.5)
    assert (await create(ark)).status == 200


async def test_a_dropped_request_ends_in_a_reset_and_not_in_silence(twin: Judge) -> None:
    twin.fault("drop-before-reading")

    def knock() -> bytes:
        port = int(twin.address.rpartition(":")[2])
        with closing(socket.create_connection(("127.0.0.1", port), timeout=2)) as connection:
            connection.sendall(f"POST /ark{TASKS} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode())
            return connection.recv(1)

    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(knock)


# which request meets which fault


async def test_rules_can_ask_for_operation_prompt_model_and_number(twin: Judge, ark: Client) -> None:
    twin.fault("rate-limited", match={"prompt": "storm", "nth": 2})
    twin.fault("error-before", operation="poll", match={"model": MODEL}, times=1)
    twin.fault("html", match={"model": "another"})
    twin.fault("html", vendor="fal")
    seen = [(await create(ark, prompt)).status for prompt in ("storm", "calm", "storm", "storm")]
    assert seen == [200, 200, 429, 200]
    made = await create(ark)
    assert (await show(ark, made.json["id"])).status == 503
    assert (await show(ark, made.json["id"])).status == 200


async def test_a_magic_word_can_name_operation_and_number_of_times(twin: Judge, ark: Client) -> None:
    made = await create(ark, "a kite [twin:rate-limited@poll retry_after=3 times=2]")
    seen = [(await show(ark, made.json["id"])).status for _ in range(3)]
    assert (made.status, seen) == (200, [429, 429, 200])


async def test_words_that_are_no_magic_are_only_words(ark: Client) -> None:
    for word in (
        "[twin:nothing]",
        "[twin:stuck pace=3]",
        "[twin:refuse-connection]",
        "twin:stuck",
        "[twin:]",
    ):
        assert (await create(ark, f"a kite {word}")).status == 200


async def test_rules_are_added_shown_and_dropped_over_http(twin: Judge, ark: Client) -> None:
    faults = f"{twin.address}/_twin/faults"
    added = await ark.post(faults, {"fault": "rate-limited", "vendor": "ark", "retry_after": 5})
    assert (added.status, added.json["retry_after"], added.json["followed"]) == (201, 5, 0)
    assert (await create(ark)).status == 429
    shown = (await ark.get(faults)).json
    assert (shown["rules"][0]["asked"], shown["rules"][0]["followed"]) == (1, 1)
    assert {kind["fault"] for kind in shown["faults"]} >= {"stuck", "rate-limited"}
    assert (await ark.ask("DELETE", f"{faults}/{added.json['id']}")).status == 200
    assert (await ark.ask("DELETE", f"{faults}/{added.json['id']}")).status == 404
    assert (await create(ark)).status == 200
    wrong = await ark.post(faults, {"fault": "gremlins"})
    assert (wrong.status, "gremlins" in wrong.json["error"]) == (400, True)
    wrong = await ark.post(faults, {"fault": "stuck", "vendor": "arc"})
    assert (wrong.status, "there is no vendor 'arc'" in wrong.json["error"]) == (400, True)
    assert (await ark.ask("DELETE", faults)).json == {"deleted": True}
