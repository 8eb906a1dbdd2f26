"""A create that comes a second time with its key makes nothing, and answers as it did the first time."""

import asyncio
import json
import random
from typing import Any

import asyncpg
import httpx2
import pytest

from filmgate.app import Gate, open_gate
from filmgate.domain.idempotency import Mark
from filmgate.domain.key import Key
from filmgate.repositories.idempotency import IdempotencyRepository
from filmgate.services.asked import AskedVideo
from filmgate.settings import Settings
from tests.integration.clients import post, wire_to

pytestmark = pytest.mark.anyio

VIDEOS = "/api/v1/videos"
BATCH = "/api/v1/videos/batch"
LAKE = {"prompt": "a lake", "duration": 5, "metadata": {"shot": "1", "take": "2"}, "seed": 3}
IMAGE = "data:image/png;base64,iVBORw0KGgo="


async def count(gate: Gate, table: str = "videos") -> int:
    return await gate.database.value("SELECT count(*) FROM " + table)  # type: ignore[arg-type]  # ours


def keyed(key: dict[str, str], name: str = "k1") -> dict[str, str]:
    return {**key, "Idempotency-Key": name}


async def test_two_hundred_requests_with_one_key_make_one_video(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    answers = await asyncio.gather(*(api.post(VIDEOS, json=LAKE, headers=keyed(key)) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    first = [answer for answer in answers if "idempotent-replayed" not in answer.headers]
    assert len(first) == 1
    assert {answer.headers.get("idempotent-replayed") for answer in answers} == {None, "true"}
    assert await count(gate) == 1


async def test_the_same_request_spelled_differently_is_the_same(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    chance = random.Random(7)
    answers: set[bytes] = set()
    for _ in range(30):
        fields = [*LAKE.items(), ("audio", None), ("aspect_ratio", "16:9")]
        chance.shuffle(fields)
        text = json.dumps(dict(fields), indent=chance.choice([None, 1, 4])).replace(
            '"aspect_ratio"', chance.choice(['"aspect_ratio"', '"aspectRatio"', '"aspect\\u005fratio"'])
        )
        text = text.replace('"duration": 5', '"duration": ' + chance.choice(["5", "5.0", "0.5e1"]))
        headers = keyed(key) | {
            "Content-Type": chance.choice(["application/json", "application/json;charset=utf8"])
        }
        answer = await api.post(VIDEOS, content=text, headers=headers)
        assert answer.status_code == 202, answer.text
        answers.add(answer.content)
    assert (len(answers), await count(gate)) == (1, 1)


@pytest.mark.parametrize("change", [{"prompt": "a lakeside"}, {"seed": 4}, {"inputReference": IMAGE}])
async def test_a_key_that_stood_for_something_else_is_refused(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str], change: dict[str, Any]
) -> None:
    assert (await api.post(VIDEOS, json=LAKE, headers=keyed(key))).status_code == 202
    answer = await api.post(VIDEOS, json=LAKE | change, headers=keyed(key))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (
        422,
        "idempotency_key_reused",
        "Idempotency-Key",
    )
    assert "Idempotency-Key" in error["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert await count(gate) == 1


async def test_a_key_that_cannot_be_kept_is_refused(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    for name in ("", "a" * 256, "two words"):
        for path, body in ((VIDEOS, LAKE), (BATCH, {"videos": [LAKE]})):
            answer = await api.post(path, json=body, headers=keyed(key, name))
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (400, "invalid_idempotency_key")
            assert "Idempotency-Key" in error["message"]
    assert await count(gate) == 0


async def test_ten_requests_for_one_batch_make_one_batch(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    body = {"videos": [{"prompt": f"number {number}"} for number in range(100)], "name": "ten"}
    answers = await asyncio.gather(*(api.post(BATCH, json=body, headers=keyed(key)) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len(answers[0].json()["jobs"]) == 100
    assert (await count(gate), await count(gate, "batches")) == (100, 1)
    other = await api.post(BATCH, json=body | {"name": "eleven"}, headers=keyed(key))
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


async def test_a_key_counts_by_project_and_by_route(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str], other_key: dict[str, str]
) -> None:
    _, colleague = await gate.services.keys.create("colleague", "default")
    first = await api.post(VIDEOS, json=LAKE, headers=keyed(key))
    foreign = await api.post(VIDEOS, json=LAKE, headers=keyed(other_key))
    batch = await api.post(BATCH, json={"videos": [LAKE]}, headers=keyed(key))
    same = await api.post(VIDEOS, json=LAKE, headers=keyed({"Authorization": f"Bearer {colleague}"}))
    assert foreign.json()["jobId"] != first.json()["jobId"]
    assert "idempotent-replayed" not in foreign.headers | batch.headers
    assert same.content == first.content
    assert await count(gate) == 3


async def test_a_key_is_free_again_after_three_days(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    made: list[str] = []
    for age in ("71 hours 59 minutes", "72 hours", "73 hours"):
        made.append((await api.post(VIDEOS, json=LAKE, headers=keyed(key))).json()["jobId"])
        await gate.database.execute(
            "UPDATE idempotency_keys SET created_at = now() - $1::text::interval", age
        )
    again = await api.post(VIDEOS, json=LAKE | {"seed": 9}, headers=keyed(key))
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (202, None)
    assert made[0] == made[1] != made[2]
    assert (await count(gate), await count(gate, "idempotency_keys")) == (3, 1)


async def test_what_is_recognised_no_longer_is_cleared_away(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    for name in ("old", "new"):
        await api.post(VIDEOS, json=LAKE, headers=keyed(key, name))
    await api.post(VIDEOS, json=LAKE, headers={**key, "x-stainless-retry-count": "0"})
    await gate.database.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '73 hours' WHERE key = 'old'"
    )
    repository = IdempotencyRepository(gate.database)
    await repository.prune()
    assert (await count(gate, "idempotency_keys"), await count(gate, "counted_creates")) == (1, 1)
    await gate.database.execute("UPDATE counted_creates SET created_at = now() - interval '16 minutes'")
    await repository.prune()
    assert (await count(gate, "idempotency_keys"), await count(gate, "counted_creates")) == (1, 0)


async def test_a_refused_request_leaves_its_key_free(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    assert (await api.post(VIDEOS, json={"prompt": ""}, headers=keyed(key))).status_code == 422
    assert (await api.post(VIDEOS, json=LAKE | {"model": "none"}, headers=keyed(key))).status_code == 404
    assert (await api.post(VIDEOS, json=LAKE, headers=keyed({}))).status_code == 401
    assert await count(gate, "idempotency_keys") == 0
    assert (await api.post(VIDEOS, json=LAKE, headers=keyed(key))).status_code == 202


async def test_the_answer_stays_what_it_was_whatever_becomes_of_the_video(
    gate: Gate, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    first = await api.post(VIDEOS, json=LAKE, headers=keyed(key))
    job = first.json()["jobId"]
    await gate.database.execute(
        "UPDATE videos SET provider = 'other', price_micros = 5, estimated_at = now() WHERE id = $1", job
    )
    assert (await api.delete(f"{VIDEOS}/{job}", headers=key)).status_code == 200
    again = await api.post(VIDEOS, json=LAKE, headers=keyed(key))
    assert (again.status_code, again.content) == (202, first.content)


async def test_a_request_whose_twin_is_still_open_waits_and_is_then_told_to_come_back(
    gate: Gate, dsn: str, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        """
        INSERT INTO idempotency_keys (project, route, key, fingerprint, subject)
        VALUES ('default', 'POST /api/v1/videos', 'k1', sha256('x'), 'job_x')
        """
    )
    answer = await api.post(VIDEOS, json=LAKE, headers=keyed(key))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "still_being_created")
    assert (answer.headers["retry-after"], answer.headers.get("x-should-retry")) == ("1", None)
    waiting = asyncio.create_task(api.post(VIDEOS, json=LAKE, headers=keyed(key)))
    await asyncio.sleep(0.3)
    await transaction.rollback()
    await connection.close()
    assert (await waiting).status_code == 202
    assert await count(gate) == 1


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("keyed", b"COMMIT;"),
        ("keyed", b"INSERT INTO videos"),
        ("counted", b"COMMIT;"),
        ("counted", b"INSERT INTO videos"),
        # Without a mark the statement is its own commit.
        ("blind", b"INSERT INTO videos"),
    ],
)
async def test_a_commit_whose_answer_is_lost_says_what_may_be_done_now(
    settings: Settings, how: str, word: bytes
) -> None:
    marks = {"keyed": {"Idempotency-Key": "k1"}, "counted": {"x-stainless-retry-count": "0"}, "blind": {}}
    assert settings.database_url is not None
    async with (
        wire_to(settings.database_url) as (wire, address),
        open_gate(Settings(data=settings.data, database_url=address, environment="test"), work=False) as gate,
    ):
        key = {"Authorization": f"Bearer {gate.api_key}"}
        app = gate.application()
        wire.fatal = word
        heard = await post(app, VIDEOS, {**key, **marks[how]}, LAKE)
        check_refusal(heard.status, heard.headers, json.loads(heard.body), how, word)
    async with open_gate(settings, work=False) as gate:
        again = {**marks[how], "x-stainless-retry-count": "1"} if how == "counted" else marks[how]
        if how != "blind":
            heard = await post(gate.application(), VIDEOS, {**key, **again}, LAKE)
            assert (heard.status, heard.replayed) == (202, word == b"COMMIT;")
            assert await count(gate) == 1


def check_refusal(status: int, headers: dict[str, str], body: dict[str, Any], how: str, word: bytes) -> None:
    assert status == 503, body
    code, advice = body["error"]["code"], body["error"]["message"]
    if how == "blind":
        assert (code, headers.get("x-should-retry"), headers.get("retry-after")) == (
            "acceptance_unknown",
            "false",
            None,
        )
        assert "Look at the list" in advice
    elif word == b"COMMIT;":
        assert (code, headers.get("x-should-retry"), headers.get("retry-after")) == (
            "acceptance_unknown",
            None,
            "5",
        )
        assert ("same Idempotency-Key" if how == "keyed" else "SDK") in advice
    else:
        # Cut off before the commit was asked for, it is known that nothing was done.
        assert (code, headers.get("retry-after")) == ("database_unavailable", "5")


async def test_the_later_of_two_that_race_past_the_first_look_gets_the_earlier_ones_answer(
    gate: Gate, owner: Key
) -> None:
    services = gate.services
    creations = [services.videos.creation(owner, AskedVideo("a lake", model="sora-2")) for _ in range(20)]
    mark = Mark("POST /x", "k")
    made = await asyncio.gather(*(services.idempotency.create(owner, mark, one) for one in creations))
    assert len({one.made.id for one in made}) == 1
    assert sum(not one.replayed for one in made) == 1
