"""Batches from files come to an end: made, cancelled, too late or too dear, and written down once."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest
from openai.types import Batch

from filmgate.app import Gate, open_gate
from filmgate.app.filing import file_batches_on
from filmgate.domain.budget import Budget, Span
from filmgate.domain.file_batch import FileBatchStatus
from filmgate.domain.money import Money
from filmgate.repositories.budgets import BudgetRepository
from filmgate.settings import ProviderSettings, Settings
from tests.integration.filing import (
    BATCHES,
    FILES,
    ask,
    codes,
    count,
    end_videos,
    ended,
    line,
    lines_of,
    show,
    steps_on,
    written,
)
from tests.integration.makers import until
from tests.integration.scripted import Scripted

pytestmark = pytest.mark.anyio

OURS = "/api/v1/batches"
# Five seconds of it cost 0.50.
MODEL = {"sizes": ["1280x720"], "min_seconds": 1, "max_seconds": 10, "price": "0.10"}
DEAR = {"model": "dear-1", "seconds": "5", "size": "1280x720"}


async def test_a_batch_of_which_every_line_is_refused_has_only_an_error_file(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("a", size="a lot")))
    steps = steps_on(gate)
    await steps.advance(made["id"])
    await steps.advance(made["id"])
    batch = await show(api, key, made["id"])
    assert (batch["status"], batch["output_file_id"]) == ("completed", None)
    assert set(await lines_of(api, key, batch["error_file_id"])) == {"a"}
    assert (await api.get(f"{OURS}/{batch['id']}", headers=key)).status_code == 404


async def test_a_film_that_failed_is_in_the_error_file_as_it_stands(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("good"), line("bad"), line("gone")))
    steps = steps_on(gate)
    await steps.advance(made["id"])
    await end_videos(gate, made["id"], good="completed", bad="failed")
    await steps.advance(made["id"])
    assert (await show(api, key, made["id"]))["status"] == "in_progress"
    await end_videos(gate, made["id"], gone="cancelled")
    await steps.advance(made["id"])
    batch = await show(api, key, made["id"])
    assert batch["request_counts"] == {"total": 3, "completed": 1, "failed": 2}
    assert set(await lines_of(api, key, batch["output_file_id"])) == {"good"}
    errors = await lines_of(api, key, batch["error_file_id"])
    for name, code in (("bad", "moderation_blocked"), ("gone", "cancelled")):
        assert errors[name]["response"]["body"]["status"] == "failed"
        assert errors[name]["response"]["body"]["error"]["code"] == code
        assert errors[name]["error"]["code"] == code


async def test_output_written_twice_is_one_file(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("a"), line("b")))
    await steps_on(gate).advance(made["id"])
    await end_videos(gate, made["id"], a="completed", b="failed")
    await asyncio.gather(*(steps_on(gate).advance(made["id"]) for _ in range(3)))
    # As if the last commit had been lost: the files are written once more, under the same names.
    before = await show(api, key, made["id"])
    await gate.database.execute("UPDATE file_batches SET status = 'finalizing', completed = NULL")
    await steps_on(gate).advance(made["id"])
    after = await show(api, key, made["id"])
    assert after["output_file_id"] == before["output_file_id"]
    assert after["error_file_id"] == before["error_file_id"]
    listed = (await api.get(FILES, params={"purpose": "batch_output"}, headers=key)).json()["data"]
    assert {file["id"] for file in listed} == {after["output_file_id"], after["error_file_id"]}


async def test_a_batch_is_cancelled_with_what_was_finished_in_its_output(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("done"), line("waiting")))
    await steps_on(gate).advance(made["id"])
    await end_videos(gate, made["id"], done="completed")
    for _ in range(2):
        answer = await api.post(f"{BATCHES}/{made['id']}/cancel", headers=key)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelling")
    await steps_on(gate).advance(made["id"])
    batch = await show(api, key, made["id"])
    Batch.model_validate(batch, strict=True)
    assert (batch["status"], batch["request_counts"]["completed"]) == ("cancelled", 1)
    assert batch["cancelling_at"] <= batch["cancelled_at"]
    assert set(await lines_of(api, key, batch["output_file_id"])) == {"done"}
    errors = await lines_of(api, key, batch["error_file_id"])
    assert (errors["waiting"]["response"], errors["waiting"]["error"]["code"]) == (None, "batch_cancelled")
    assert (await api.post(f"{BATCHES}/{made['id']}/cancel", headers=key)).json() == batch


async def test_a_batch_is_cancelled_before_its_file_is_validated(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("a")))
    await api.post(f"{BATCHES}/{made['id']}/cancel", headers=key)
    await steps_on(gate).advance(made["id"])
    batch = await show(api, key, made["id"])
    assert (batch["status"], batch["output_file_id"], batch["error_file_id"]) == ("cancelled", None, None)
    assert await count(gate, "videos") == 0


async def test_a_batch_that_has_ended_cannot_be_cancelled(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, b"nothing")
    await steps_on(gate).advance(made["id"])
    answer = await api.post(f"{BATCHES}/{made['id']}/cancel", headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "batch_already_final")


async def test_what_has_not_started_at_the_end_of_the_window_is_not_made(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("done"), line("sent"), line("waiting")))
    steps = steps_on(gate)
    await steps.advance(made["id"])
    await end_videos(gate, made["id"], done="completed", sent="in_progress")
    await gate.database.execute("UPDATE file_batches SET expires_at = now()")
    await steps.advance(made["id"])
    # What was sent is paid for, so it is waited for.
    assert (await show(api, key, made["id"]))["status"] == "finalizing"
    await end_videos(gate, made["id"], sent="completed")
    await steps.advance(made["id"])
    batch = await show(api, key, made["id"])
    Batch.model_validate(batch, strict=True)
    assert batch["status"] == "expired"
    assert batch["expired_at"] is not None
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    assert set(await lines_of(api, key, batch["output_file_id"])) == {"done", "sent"}
    errors = await lines_of(api, key, batch["error_file_id"])
    assert (errors["waiting"]["response"], errors["waiting"]["error"]["code"]) == (None, "batch_expired")


async def test_a_batch_that_is_done_at_the_end_of_its_window_is_completed(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("done")))
    await steps_on(gate).advance(made["id"])
    await end_videos(gate, made["id"], done="completed")
    await gate.database.execute("UPDATE file_batches SET expires_at = now()")
    await steps_on(gate).advance(made["id"])
    assert (await show(api, key, made["id"]))["status"] == "completed"


async def test_the_watcher_sees_what_is_due_and_nothing_else(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    names = [(await ask(api, key, written(line("a"))))["id"] for _ in range(4)]
    running, done, late, failed = names
    for name in (running, done, late):
        await steps_on(gate).advance(name)
    await file_batches_on(gate.database).fail(failed, [])
    await end_videos(gate, done, a="completed")
    await gate.database.execute("UPDATE file_batches SET expires_at = now() WHERE id = $1", late)
    await gate.database.execute("DELETE FROM pgqueuer")
    await steps_on(gate).watch()
    await steps_on(gate).watch()
    rows = await gate.database.fetch("SELECT payload FROM pgqueuer WHERE entrypoint = 'file_batch'")
    assert sorted(row["payload"].decode() for row in rows) == sorted([done, late])
    assert (await show(api, key, running))["status"] == "in_progress"


@pytest.fixture
async def dear(settings: Settings) -> AsyncGenerator[Gate, None]:
    """A gate with a model that costs money."""
    provider = ProviderSettings("scripted", "scripted", models={"dear-1": MODEL})
    settings = replace(settings, providers={"scripted": provider}, default_model="dear-1")
    async with open_gate(settings, work=False, providers={"scripted": Scripted()}) as opened:
        yield opened


async def dear_key(gate: Gate, limit: str) -> dict[str, str]:
    key, secret = await gate.services.keys.create("studio")
    budget = Budget(key.id, Span.TOTAL, Money.parse(limit))
    await BudgetRepository(gate.database).set_limit(budget, datetime.now(UTC))
    return {"Authorization": f"Bearer {secret}"}


async def test_a_batch_over_budget_fails_and_nothing_is_held(dear: Gate) -> None:
    key = await dear_key(dear, "1.20")
    transport = httpx2.ASGITransport(app=dear.application())
    async with httpx2.AsyncClient(transport=transport, base_url="http://gate.test", timeout=30) as api:
        made = await ask(api, key, written(*(line(f"{number}", **DEAR) for number in range(3))))
        await steps_on(dear).advance(made["id"])
        batch = await show(api, key, made["id"])
        assert (batch["status"], codes(batch)) == ("failed", [("budget_exceeded", None, None)])
        assert "1.50" in batch["errors"]["data"][0]["message"]
        assert (await count(dear, "videos"), await count(dear, "holds")) == (0, 0)
        assert await dear.database.value("SELECT sum(held_micros) FROM budget_periods") in {None, 0}
        two = await ask(api, key, written(*(line(f"{number}", **DEAR) for number in range(2))))
        await steps_on(dear).advance(two["id"])
        assert (await show(api, key, two["id"]))["status"] == "in_progress"
        assert await dear.database.value("SELECT sum(held_micros) FROM budget_periods") == 1_000_000


async def test_what_is_not_made_in_time_is_given_back_to_the_budget(dear: Gate) -> None:
    key = await dear_key(dear, "1.20")
    transport = httpx2.ASGITransport(app=dear.application())
    async with httpx2.AsyncClient(transport=transport, base_url="http://gate.test", timeout=30) as api:
        made = await ask(api, key, written(*(line(f"{number}", **DEAR) for number in range(2))))
        await steps_on(dear).advance(made["id"])
        await dear.database.execute("UPDATE file_batches SET expires_at = now()")
        await steps_on(dear).advance(made["id"])
        assert (await show(api, key, made["id"]))["status"] == "expired"
        assert await dear.database.value("SELECT sum(held_micros) FROM budget_periods") == 0


async def test_a_worker_carries_a_batch_through_and_cancels_one(
    working_api: httpx2.AsyncClient, key: dict[str, str], working_gate: Gate
) -> None:
    api = working_api
    long = {"seconds": "20", "size": "1920x1080"}
    made = await ask(api, key, written(*(line(f"{number}", **long) for number in range(20))))
    await ended(api, key, made["id"], "in_progress")
    await api.post(f"{BATCHES}/{made['id']}/cancel", headers=key)
    batch = await ended(api, key, made["id"], "cancelled")
    assert batch["request_counts"] == {"total": 20, "completed": 0, "failed": 20}
    assert len(await lines_of(api, key, batch["error_file_id"])) == 20

    async def nothing_left() -> bool:
        stood = await working_gate.database.value(
            "SELECT count(*) FROM videos WHERE status IN ('queued', 'in_progress')"
        )
        return stood == 0

    await until(nothing_left)


def test_every_status_is_one_that_the_sdk_knows() -> None:
    known = json.loads(json.dumps(Batch.model_json_schema()))["properties"]["status"]["enum"]
    assert {status.value for status in FileBatchStatus} == set(known)
