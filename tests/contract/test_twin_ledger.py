"""The twin keeps a bill, has the same luck under the same seed, and starts from the command line."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from filmgate.twin.command import twin as command
from tests.contract.twins import Client, Judge, running_twin

pytestmark = pytest.mark.anyio

MODEL = "/v1/models/a/b/predictions"


def order(prompt: str = "a kite", reference: str = "job_1", **given: Any) -> dict[str, Any]:
    return {
        "input": {"prompt": prompt, "duration": 5} | given,
        "webhook": f"http://127.0.0.1:9/hooks/{reference}",
    }


def keyed(twin: Judge, vendor: str = "replicate") -> Client:
    return Client(twin.url(vendor), {"Authorization": "Bearer k"})


async def test_every_paid_request_is_written_down() -> None:
    async with running_twin() as twin, keyed(twin) as client:
        made = (await client.post(MODEL, order(seed=7), headers={"Idempotency-Key": "once"})).json
        await client.post(MODEL, {}, headers={"Idempotency-Key": "twice"})
        await asyncio.sleep(0.1)
        good, bad = twin.ledger()
    assert (good["number"], good["vendor"], good["path"]) == (1, "replicate", f"/replicate{MODEL}")
    assert (good["model"], good["prompt"], good["seed"], good["seconds"]) == ("a/b", "a kite", 7, 5.0)
    assert good["references"] == {"idempotency-key": "once", "webhook": "job_1"}
    assert (good["job"], good["state"], good["status"]) == (made["id"], "succeeded", 201)
    assert (good["created"], good["billed_micro_usd"]) == (True, 450_000)
    assert (bad["created"], bad["job"], bad["status"], bad["billed_micro_usd"]) == (False, None, 422, 0)


async def test_what_was_made_twice_is_named() -> None:
    async with running_twin() as twin, keyed(twin) as client:
        for reference in ("job_1", "job_2", "job_1"):
            await client.post(MODEL, order(reference=reference))
        bill = twin.bill()
        assert bill["duplicates_by_reference"] == [{"vendor": "replicate", "key": "job_1", "created": 2}]
        assert [row["created"] for row in bill["duplicates_by_body"]] == [2]
        assert (bill["received"], bill["created"], bill["film_seconds"]) == (3, 3, 15.0)
        page = await client.get(f"{twin.address}/_twin/")
    assert page.body.count(b"class=twice") == 2


async def test_refused_and_cancelled_jobs_cost_nothing() -> None:
    async with running_twin() as twin, keyed(twin) as client:
        waiting = (await client.post(MODEL, order("a [twin:long-queue seconds=90000]"))).json
        await client.post(f"/v1/predictions/{waiting['id']}/cancel")
        await client.post(MODEL, order("a [twin:failed]"))
        await client.post(MODEL, order("a [twin:rate-limited]"))
        await asyncio.sleep(0.1)
        assert twin.bill()["billed_micro_usd"] == 0
        assert [entry["state"] for entry in twin.ledger()] == ["cancelled", "failed", None]


async def test_the_ledger_is_chosen_from_over_http() -> None:
    async with running_twin() as twin, keyed(twin) as client:
        made = (await client.post(MODEL, order())).json
        for wanted, count in (
            ("vendor=replicate", 1),
            ("vendor=fal", 0),
            ("reference=job_1", 1),
            (f"job={made['id']}", 1),
            ("prompt=kite", 1),
            ("created=false", 0),
        ):
            found = (await client.get(f"{twin.address}/_twin/ledger?{wanted}")).json
            assert (len(found["entries"]), found["summary"]["received"]) == (count, count), wanted
        brief = (await client.get(f"{twin.address}/_twin/ledger?entries=none")).json
        assert list(brief) == ["summary"]
        seen = (await client.get(f"{twin.address}/_twin/requests?operation=create")).json["requests"]
        assert (seen[0]["status"], "a kite" in seen[0]["body"]) == (201, True)


async def test_the_page_is_whole_in_itself_and_escapes_what_it_shows() -> None:
    async with running_twin() as twin, keyed(twin) as client:
        await client.post(MODEL, order("<script>alert(1)</script>"))
        page = (await client.get(f"{twin.address}/_twin/")).body.decode()
        assert (await client.get(twin.address)).headers["location"] == "/_twin/"
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "light dark" in page


async def test_a_reset_forgets_all_but_the_rules() -> None:
    async with running_twin() as twin, keyed(twin) as client:
        twin.fault("rate-limited", times=1)
        assert [(await client.post(MODEL, order())).status for _ in range(2)] == [429, 201]
        await client.post(f"{twin.address}/_twin/reset")
        assert (twin.ledger(), twin.requests()) == ([], [])
        assert (await client.get("/v1/predictions")).json["results"] == []
        assert [(await client.post(MODEL, order())).status for _ in range(2)] == [429, 201]


async def luck(seed: int, *, reset: bool = False) -> list[Any]:
    async with running_twin(seed=seed) as twin, keyed(twin) as client:
        twin.fault("error-before", probability=0.4)
        twin.fault("failed", probability=0.4)
        if reset:
            await client.post(MODEL, order())
            await client.post(f"{twin.address}/_twin/reset")
        for number in range(12):
            await client.post(MODEL, order(f"kite {number}"))
        jobs = [(entry["job"], entry["status"], entry["job_faults"]) for entry in twin.ledger()]
        lengths = [(job.queue, job.run) for job in twin.twin.world.of("replicate").newest_first()]
    return [jobs, lengths]


async def test_the_same_seed_and_requests_meet_the_same_luck() -> None:
    first = await luck(5)
    assert first == await luck(5)
    assert first == await luck(5, reset=True)
    assert first != await luck(6)
    statuses = {status for _, status, _ in first[0]}
    assert statuses == {201, 503}


async def test_a_path_that_does_not_exist_is_refused_in_the_vendors_shape() -> None:
    async with running_twin() as twin, keyed(twin) as client:
        answer = await client.ask("PATCH", "/v1/predictions")
        assert (answer.status, answer.json["detail"]) == (405, "Method Not Allowed")
        assert (await client.get("/v2")).json["detail"] == "Not Found"
        assert (await client.get(f"{twin.address}/nobody")).status == 404


async def test_bodies_that_cannot_be_read_are_refused() -> None:
    async with running_twin() as twin, keyed(twin) as client:
        for body in (b"{", b"[]", b"\xff"):
            answer = await client.ask("POST", MODEL, data=body, headers={"Content-Type": "application/json"})
            assert answer.status == 400
        form = {"Content-Type": "multipart/form-data"}
        assert (await client.ask("POST", MODEL, data=b"x", headers=form)).status == 400


async def test_another_public_address_is_used_in_what_is_shown() -> None:
    async with running_twin(public_url="https://twin.example/") as twin:
        port = twin.twin.wires.port
        async with Client(f"http://127.0.0.1:{port}/fal", {"Authorization": "Key k"}) as client:
            made = (await client.post("/queue/a/b", {"prompt": "a"})).json
    assert made["status_url"].startswith("https://twin.example/fal/queue/a/b/requests/")


def test_a_file_of_rules_that_cannot_be_followed_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    for text, reason in (
        ("[[fault]]\nfault = 'gremlins'", "gremlins"),
        ("[[fault]]\nfault = 'stuck'\npace = 3", "pace"),
        ("[[rule]]\n", "only [[fault]]"),
        ("fault = [", "rules.toml"),
    ):
        file.write_text(text, "utf-8")
        result = CliRunner().invoke(command, ["--port", "0", "--faults", str(file)])
        assert (result.exit_code, reason in result.output) == (1, True), result.output


def test_a_twin_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        "[[fault]]\nvendor = 'replicate'\nfault = 'rate-limited'\n[fault.match]\nnth = 2\n", "utf-8"
    )
    code = "from filmgate.twin.command import twin; twin()"
    options = ["--port", "0", "--media-port", "0", "--seed", "3", "--speed", "500", "--faults", str(rules)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *options], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(13)]
        address = next(line.split()[1] for line in lines if "replicate" in line)
        statuses = asyncio.run(_two_posts(address))
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert time.monotonic() - started < 5
    assert "seed 3" in lines[0]
    assert statuses == [201, 429]


async def _two_posts(address: str) -> list[int]:
    headers = {"Authorization": "Bearer k"}
    async with aiohttp.ClientSession(headers=headers) as session:
        answers = [await session.post(f"{address}{MODEL}", json=order()) for _ in range(2)]
        return [answer.status for answer in answers]
