"""Money over HTTP: limits that the client sets, budgets that hold, and what it all came to."""

import asyncio
import csv
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import httpx2
import pytest

from filmgate.app import Gate, open_gate
from filmgate.domain.budget import Budget, Span
from filmgate.domain.key import ROOT_KEY_ID
from filmgate.domain.money import Money
from filmgate.repositories.budgets import BudgetRepository
from filmgate.services.budgets import BudgetService
from filmgate.settings import ProviderSettings, Settings
from tests.integration.accounts import ERROR, Accounts
from tests.integration.scripted import Scripted

pytestmark = pytest.mark.anyio

VIDEOS = "/api/v1/videos"
BATCH = f"{VIDEOS}/batch"
USAGE = "/api/v1/usage"
# Five seconds of it cost 0.50.
MODEL = {"sizes": ["1280x720"], "min_seconds": 1, "max_seconds": 10, "price": "0.10"}
ASKED = {"prompt": "a lake", "duration": 5, "model": "dear-1"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    dear = ProviderSettings(
        "scripted", "scripted", models={"dear-1": MODEL, "free-1": {**MODEL, "price": "0"}}
    )
    return replace(settings, providers={"scripted": dear}, default_model="dear-1")


@pytest.fixture
async def gate(settings: Settings) -> AsyncGenerator[Gate, None]:
    async with open_gate(settings, work=False, providers={"scripted": Scripted()}) as opened:
        yield opened


async def a_key(gate: Gate, **limits: str) -> tuple[str, dict[str, str]]:
    """Make a key with budgets; return its id and its headers."""
    key, secret = await gate.services.keys.create("studio")
    for span, limit in limits.items():
        budget = Budget(key.id, Span(span), Money.parse(limit))
        await BudgetRepository(gate.database).set_limit(budget, datetime.now(UTC))
    return key.id, {"Authorization": f"Bearer {secret}"}


async def test_an_answer_tells_the_price_before_and_the_cost_after(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = (await api.post(VIDEOS, json=ASKED, headers=key)).json()
    assert made["estimatedCost"] == {"amount": "0.50", "currency": "USD"}
    accounts = Accounts(gate.database)
    video = await accounts.videos.get(made["jobId"])
    assert video is not None
    await accounts.fail(await accounts.accept(video), "0.20")
    shown = (await api.get(f"{VIDEOS}/{video.id}", headers=key)).json()
    assert (shown["estimatedCost"]["amount"], shown["cost"]["amount"]) == ("0.50", "0.20")


@pytest.mark.parametrize("limit", ["0.50", 0.5, 1, "7"])
async def test_a_video_within_its_max_cost_is_accepted(
    api: httpx2.AsyncClient, key: dict[str, str], limit: Any
) -> None:
    answer = await api.post(VIDEOS, json=ASKED | {"maxCost": limit}, headers=key)
    assert answer.status_code == 202
    shown = (await api.get(f"{VIDEOS}/{answer.json()['jobId']}", headers=key)).json()
    assert float(shown["requested"]["maxCost"]) == float(limit)


async def test_a_video_beyond_its_max_cost_is_refused_with_the_price(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    answer = await api.post(VIDEOS, json=ASKED | {"maxCost": "0.49"}, headers=key)
    (problem,) = answer.json()["problems"]
    assert (answer.status_code, problem["field"], problem["code"]) == (422, "maxCost", "too_dear")
    assert problem["message"] == "This video costs $0.50 at least, and maxCost is $0.49."
    assert "Raise maxCost to $0.50" in problem["suggestion"]


@pytest.mark.parametrize(
    "limit", ["cheap", "NaN", "-1", -0.5, "1e400", 1e300, "0.0000001", "9" * 500, True, [], {}], ids=str
)
async def test_a_max_cost_that_is_no_amount_is_one_clear_problem(
    api: httpx2.AsyncClient, key: dict[str, str], limit: Any
) -> None:
    single = await api.post(VIDEOS, json=ASKED | {"maxCost": limit}, headers=key)
    batch = await api.post(BATCH, json={"videos": [ASKED], "maxCost": limit}, headers=key)
    for answer in (single, batch):
        (problem,) = answer.json()["problems"]
        assert (answer.status_code, problem["field"]) == (422, "maxCost")
        assert problem["suggestion"] == 'Give an amount of US dollars, for example "0.50".'
    row = await api.post(BATCH, json={"videos": [ASKED, ASKED | {"maxCost": limit}]}, headers=key)
    assert [(problem["row"], problem["field"]) for problem in row.json()["problems"]] == [(1, "maxCost")]


async def test_a_batch_beyond_its_max_cost_is_refused_whole(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    answer = await api.post(BATCH, json={"videos": [ASKED] * 5, "maxCost": "2.49"}, headers=key)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["message"] == (
        "These 5 videos cost up to $2.50 together, and maxCost is $2.49."
    )
    assert await gate.database.value("SELECT count(*) FROM videos") == 0
    made = await api.post(BATCH, json={"videos": [ASKED] * 5, "maxCost": "2.50"}, headers=key)
    assert (made.status_code, made.json()["estimatedCost"]["amount"]) == (202, "2.50")
    assert await Accounts(gate.database).adds_up()


async def test_a_batch_shows_what_it_costs_and_has_cost(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = (await api.post(BATCH, json={"videos": [ASKED] * 3}, headers=key)).json()
    accounts = Accounts(gate.database)
    video = await accounts.videos.get(made["jobs"][0]["jobId"])
    assert video is not None
    await accounts.fail(await accounts.accept(video), "0.15")
    shown = (await api.get(f"/api/v1/batches/{made['batchId']}", headers=key)).json()
    assert (shown["estimatedCost"]["amount"], shown["cost"]["amount"]) == ("1.50", "0.15")


async def test_a_batch_shows_the_limit_that_its_client_gave(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    limited = (await api.post(BATCH, json={"videos": [ASKED], "maxCost": "0.75"}, headers=key)).json()
    free = (await api.post(BATCH, json={"videos": [ASKED]}, headers=key)).json()
    shown = (await api.get(f"/api/v1/batches/{limited['batchId']}", headers=key)).json()
    assert shown["maxCost"] == {"amount": "0.75", "currency": "USD"}
    assert (await api.get(f"/api/v1/batches/{free['batchId']}", headers=key)).json()["maxCost"] is None
    listed = (await api.get("/api/v1/batches", headers=key)).json()["batches"]
    assert {one["batchId"]: one["maxCost"] for one in listed} == {
        limited["batchId"]: shown["maxCost"],
        free["batchId"]: None,
    }


async def test_the_operators_own_key_is_held_to_its_budget(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    budgets = BudgetService(BudgetRepository(gate.database))
    assert (await api.post(VIDEOS, json=ASKED, headers=key)).status_code == 202
    await budgets.grant(ROOT_KEY_ID, {Span.DAY: Money.parse("1.00"), Span.TOTAL: Money.parse("40")})
    assert (await api.post(VIDEOS, json=ASKED, headers=key)).status_code == 202
    refused = await api.post(VIDEOS, json=ASKED, headers=key)
    assert (refused.status_code, refused.json()["budget"]["scope"]) == (402, ROOT_KEY_ID)
    assert refused.json()["budget"]["used"]["amount"] == "1.00"
    await budgets.lift(ROOT_KEY_ID, [Span.DAY])
    assert (await api.post(VIDEOS, json=ASKED, headers=key)).status_code == 202
    assert await Accounts(gate.database).adds_up()


@pytest.mark.parametrize("route", [VIDEOS, BATCH])
async def test_an_over_budget_refusal_of_a_keyed_create_leaves_nothing_half_done(
    api: httpx2.AsyncClient, gate: Gate, route: str
) -> None:
    name, headers = await a_key(gate, day="0.75", month="100")
    again = headers | {"Idempotency-Key": "k"}
    asked = ASKED if route == VIDEOS else {"videos": [ASKED, ASKED], "maxCost": "5", "name": "all or none"}
    if route == VIDEOS:
        assert (await api.post(VIDEOS, json=ASKED, headers=headers)).status_code == 202
    before = await _everything(gate)
    for _ in range(2):
        assert (await api.post(route, json=asked, headers=again)).status_code == 402
    assert await _everything(gate) == before
    assert await Accounts(gate.database).adds_up()
    room = Budget(name, Span.DAY, Money.parse("5"))
    await BudgetRepository(gate.database).set_limit(room, datetime.now(UTC))
    made = [await api.post(route, json=asked, headers=again) for _ in range(2)]
    assert [answer.status_code for answer in made] == [202, 202]
    assert made[0].json() == made[1].json()


async def _everything(gate: Gate) -> dict[str, object]:
    """Return all that a create writes, row by row."""
    tables = ("videos", "batches", "holds", "ledger", "budgets", "budget_periods", "idempotency_keys")
    return {
        table: [str(row) for row in await gate.database.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
        for table in tables
    }


async def test_an_exceeded_budget_is_402_with_figures_and_the_mend(
    api: httpx2.AsyncClient, gate: Gate
) -> None:
    name, headers = await a_key(gate, day="0.75")
    assert (await api.post(VIDEOS, json=ASKED, headers=headers)).status_code == 202
    for extra in ({}, {"Idempotency-Key": "k"}):
        answer = await api.post(VIDEOS, json=ASKED, headers=headers | extra)
        body = answer.json()
        assert (answer.status_code, body["error"]["code"]) == (402, "budget_exceeded")
        assert answer.headers["x-should-retry"] == "false"
        assert {field: sum_["amount"] for field, sum_ in body["budget"].items() if "amount" in sum_} == {
            "limit": "0.75",
            "used": "0.50",
            "needed": "0.50",
            "left": "0.25",
        }
        assert (body["budget"]["scope"], body["budget"]["span"]) == (name, "day")
        assert "Ask for less, wait for tomorrow, or have the operator raise the budget." in body["detail"]
    batch = await api.post(BATCH, json={"videos": [ASKED] * 2}, headers=headers)
    assert (batch.status_code, batch.json()["budget"]["needed"]["amount"]) == (402, "1.00")
    assert (await api.post(VIDEOS, json=ASKED | {"model": "free-1"}, headers=headers)).status_code == 202


async def test_a_refused_create_can_be_sent_again_with_its_idempotency_key_when_there_is_room(
    api: httpx2.AsyncClient, gate: Gate
) -> None:
    name, headers = await a_key(gate, total="0.10")
    again = headers | {"Idempotency-Key": "k"}
    assert (await api.post(VIDEOS, json=ASKED, headers=again)).status_code == 402
    budget = Budget(name, Span.TOTAL, Money.parse("1"))
    await BudgetRepository(gate.database).set_limit(budget, datetime.now(UTC))
    first = await api.post(VIDEOS, json=ASKED, headers=again)
    second = await api.post(VIDEOS, json=ASKED, headers=again)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert await gate.database.value("SELECT count(*) FROM holds") == 1


@pytest.mark.parametrize("way", ["plain", "keyed", "counted", "batch"])
async def test_of_200_parallel_creates_at_the_edge_of_a_budget_exactly_as_many_are_accepted_as_fit(
    api: httpx2.AsyncClient, gate: Gate, way: str
) -> None:
    name, headers = await a_key(gate, total="18.70", month="100")
    assert (await api.post(VIDEOS, json=ASKED, headers=headers)).status_code == 202

    async def create(number: int) -> int:
        match way:
            case "batch":
                body, extra, path = {"videos": [ASKED]}, {}, BATCH
            case "keyed":
                body, extra, path = ASKED, {"Idempotency-Key": f"k{number}"}, VIDEOS
            case "counted":
                body, extra, path = ASKED, {"x-stainless-retry-count": "0"}, VIDEOS
            case _:
                body, extra, path = ASKED, {}, VIDEOS
        return (await api.post(path, json=body, headers=headers | extra)).status_code

    answers = await asyncio.gather(*map(create, range(200)))
    assert (answers.count(202), answers.count(402)) == (36, 164)
    assert await gate.database.value("SELECT count(*) FROM videos WHERE key_id = $1", name) == 37
    standing = await Accounts(gate.database).standing(name)
    assert standing[Span.TOTAL][0] == Money.parse("18.50")
    assert await Accounts(gate.database).adds_up()


async def test_two_gates_on_one_database_share_a_budget(settings: Settings, gate: Gate) -> None:
    _, headers = await a_key(gate, total="10")
    async with open_gate(settings, work=False, providers={"scripted": Scripted()}) as second:
        clients = [
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=one.application()), base_url="http://gate.test", timeout=30
            )
            for one in (gate, second)
        ]
        creates = [clients[number % 2].post(VIDEOS, json=ASKED, headers=headers) for number in range(200)]
        answers = [answer.status_code for answer in await asyncio.gather(*creates)]
        for client in clients:
            await client.aclose()
    assert (answers.count(202), answers.count(402)) == (20, 180)
    assert await Accounts(gate.database).adds_up()


async def spend(api: httpx2.AsyncClient, gate: Gate, headers: dict[str, str]) -> None:
    """Ask for a batch of three and two more, and let them end in all ways there are."""
    await api.post(BATCH, json={"videos": [ASKED] * 3}, headers=headers)
    for model in ("dear-1", "free-1"):
        await api.post(VIDEOS, json=ASKED | {"model": model}, headers=headers)
    accounts = Accounts(gate.database)
    names = await gate.database.fetch("SELECT id FROM videos WHERE price_micros > 0 ORDER BY id")
    first, second, third, _ = await accounts.videos.get_many([row["id"] for row in names])
    assert first is not None
    assert second is not None
    assert third is not None
    await accounts.fail(await accounts.accept(first), "0.20")
    await accounts.attempts.lose(await accounts.send(second), "cut")
    await accounts.videos.cancel(third.id)
    assert await accounts.adds_up()


@pytest.mark.parametrize("by", ["key", "batch", "model", "provider", "day"])
async def test_usage_sums_are_those_of_the_ledger(api: httpx2.AsyncClient, gate: Gate, by: str) -> None:
    _, headers = await a_key(gate)
    await spend(api, gate, headers)
    usage = (await api.get(f"{USAGE}?by={by}", headers=headers)).json()
    rows = await gate.database.fetch("SELECT kind, sum(micros)::bigint AS micros FROM ledger GROUP BY kind")
    moved = {row["kind"]: Money(row["micros"]) for row in rows}
    total = {
        name: Money.parse(figure["amount"])
        for name, figure in usage["total"].items()
        if isinstance(figure, dict)
    }
    assert total["charged"] == moved["settle"] == Money.parse("0.20")
    assert total["released"] == moved["release"] == Money.parse("0.80")
    assert total["held"] == moved["hold"] - moved["settle"] - moved["release"] == Money.parse("1")
    assert total["unknown"] == Money.parse("0.50")
    assert (usage["total"]["videos"], usage["total"]["failed"]) == (5, 1)
    for name, figure in total.items():
        groups = [Money.parse(group[name]["amount"]) for group in usage["groups"]]
        assert sum(groups, Money(0)) == figure
    assert len(usage["groups"]) == {"batch": 2, "model": 2}.get(by, 1)


@pytest.mark.parametrize(
    ("query", "accept"), [("&format=csv", "*/*"), ("", "text/csv"), ("", "text/csv, */*")]
)
async def test_usage_comes_as_a_table(api: httpx2.AsyncClient, gate: Gate, query: str, accept: str) -> None:
    _, headers = await a_key(gate)
    await spend(api, gate, headers)
    answer = await api.get(f"{USAGE}?by=model{query}", headers=headers | {"accept": accept})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "usage-by-model.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert [(row["model"], row["videos"], row["charged"], row["held"]) for row in rows] == [
        ("dear-1", "4", "0.20", "1.00"),
        ("free-1", "1", "0.00", "0.00"),
    ]
    assert {row["currency"] for row in rows} == {"USD"}


async def test_usage_is_json_where_both_are_taken(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    for accept in ("*/*", "application/json, text/csv", "text/html", ""):
        answer = await api.get(USAGE, headers=key | {"accept": accept})
        assert answer.headers["content-type"] == "application/json"
    answer = await api.get(f"{USAGE}?format=json", headers=key | {"accept": "text/csv"})
    assert answer.json()["by"] == "key"


async def test_usage_counts_what_was_asked_for_in_its_span_of_time(
    api: httpx2.AsyncClient, gate: Gate
) -> None:
    _, headers = await a_key(gate)
    await spend(api, gate, headers)
    await gate.database.execute(
        "UPDATE videos SET created_at = '2026-03-04T05:06:07Z' WHERE batch_id IS NULL"
    )
    march = await api.get(f"{USAGE}?by=day&since=2026-03-01&until=2026-04-01T00:00:00Z", headers=headers)
    assert march.status_code == 422
    query = "by=day&since=2026-03-01T00:00:00Z&until=2026-04-01T00:00:00Z"
    march = await api.get(f"{USAGE}?{query}", headers=headers)
    assert [(group["group"], group["videos"]) for group in march.json()["groups"]] == [("2026-03-04", 2)]
    assert march.json()["since"] == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("by=colour", "by"),
        ("since=yesterday", "since"),
        ("since=2026-04-01T00:00:00Z&until=2026-03-01T00:00:00Z", "since"),
        ("format=xml", "format"),
        ("bye=key", "bye"),
    ],
)
async def test_a_wrong_question_is_one_clear_problem(
    api: httpx2.AsyncClient, key: dict[str, str], query: str, field: str
) -> None:
    answer = await api.get(f"{USAGE}?{query}", headers=key)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == [field]


async def test_usage_from_the_beginning_of_time_is_answered(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    for query in ("until=0001-01-02T00:00:00Z", "since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z"):
        assert (await api.get(f"{USAGE}?{query}", headers=key)).status_code == 200


async def test_usage_is_that_of_ones_own_project(
    api: httpx2.AsyncClient, gate: Gate, other_key: dict[str, str]
) -> None:
    _, headers = await a_key(gate)
    await spend(api, gate, headers)
    assert (await api.get(USAGE, headers=other_key)).json()["groups"] == []
    assert (await api.get(USAGE)).status_code == 401


async def test_what_was_released_can_be_spent_again(api: httpx2.AsyncClient, gate: Gate) -> None:
    _, headers = await a_key(gate, total="0.50")
    made = (await api.post(VIDEOS, json=ASKED, headers=headers)).json()
    assert (await api.post(VIDEOS, json=ASKED, headers=headers)).status_code == 402
    await Accounts(gate.database).videos.fail(made["jobId"], ERROR)
    assert (await api.post(VIDEOS, json=ASKED, headers=headers)).status_code == 202


async def test_the_list_of_models_says_when_one_retires(settings: Settings) -> None:
    soon = datetime.now(UTC).date() + timedelta(days=3)
    going = ProviderSettings("scripted", "scripted", models={"dear-1": {**MODEL, "retires_on": soon}})
    changed = replace(settings, providers={"scripted": going})
    async with open_gate(changed, work=False, providers={"scripted": Scripted()}) as gate:
        transport = httpx2.ASGITransport(app=gate.application())
        async with httpx2.AsyncClient(transport=transport, base_url="http://gate.test") as client:
            headers = {"Authorization": f"Bearer {gate.api_key}"}
            listed = (await client.get("/api/v1/models", headers=headers)).json()["models"]
    (target,) = next(one for one in listed if one["name"] == "dear-1")["targets"]
    assert target["retiresOn"] == soon.isoformat()
    assert target["warning"] == (
        f"Its provider retires it on {soon}, in 3 days; from then on it is no longer sent to."
    )
