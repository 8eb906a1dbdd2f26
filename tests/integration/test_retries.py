"""A retry that an SDK sends without a key gets what its first try made, if that one's answer was lost."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from filmgate.app import Gate, open_gate
from filmgate.domain.errors import StillBeingCreated
from filmgate.domain.idempotency import Claim, CountedCreate, First
from filmgate.infrastructure.database import Database, Session
from filmgate.repositories.idempotency import IdempotencyRepository
from filmgate.settings import Settings
from tests.integration.clients import Heard, post
from tests.integration.makers import until

pytestmark = pytest.mark.anyio

VIDEOS = "/api/v1/videos"
BATCH = "/api/v1/videos/batch"
LAKE = {"prompt": "a lake"}


class Sdk:
    """Send creates as an SDK does: with a count of tries, and no key."""

    def __init__(self, app: Any, key: Mapping[str, str], gate: Gate) -> None:
        self._app = app
        self._key = key
        self.database = gate.database

    async def send(
        self,
        tries: int,
        *,
        leaves: str | asyncio.Event | None = None,
        body: object = LAKE,
        path: str = VIDEOS,
        key: Mapping[str, str] | None = None,
    ) -> Heard:
        """Send one try."""
        headers = {**(key or self._key), "x-stainless-retry-count": str(tries), "x-stainless-lang": "python"}
        return await post(self._app, path, headers, body, leaves=leaves)

    async def videos(self) -> int:
        """Return how many videos there are."""
        return await self.database.value("SELECT count(*) FROM videos")

    async def states(self) -> list[str]:
        """Return where the creates stand."""
        rows = await self.database.fetch("SELECT state FROM counted_creates ORDER BY state")
        return [row["state"] for row in rows]

    def all_are(self, *states: str) -> Callable[[], Any]:
        """Return a condition: the creates stand exactly so."""

        async def check() -> bool:
            return await self.states() == sorted(states)

        return check


@pytest.fixture
def sdk(gate: Gate, key: dict[str, str]) -> Sdk:
    return Sdk(gate.application(), key, gate)


@pytest.mark.parametrize("leaves", ["start", "middle"])
@pytest.mark.parametrize("creates", [1, 4, 16])
async def test_lost_answers_to_the_same_request_are_each_made_good_once(
    sdk: Sdk, creates: int, leaves: str
) -> None:
    lost = await asyncio.gather(*(sdk.send(0, leaves=leaves) for _ in range(creates)))
    assert not any(heard.complete for heard in lost)
    retried = await asyncio.gather(*(sdk.send(1) for _ in range(creates)))
    assert all(heard.status == 202 and heard.replayed for heard in retried)
    assert len({heard.job for heard in retried}) == creates
    assert await sdk.videos() == creates


@pytest.mark.parametrize("creates", [4, 16])
async def test_whoever_got_an_answer_keeps_the_video_to_itself(sdk: Sdk, creates: int) -> None:
    first = await asyncio.gather(
        *(sdk.send(0, leaves="start" if number % 2 else None) for number in range(creates))
    )
    kept = {heard.job for heard in first if heard.complete}
    retried = await asyncio.gather(*(sdk.send(1) for heard in first if not heard.complete))
    assert len(kept) == creates // 2
    assert len(kept | {heard.job for heard in retried}) == creates
    assert await sdk.videos() == creates


async def test_a_retry_lost_in_its_turn_is_made_good_by_the_next(sdk: Sdk) -> None:
    await sdk.send(0, leaves="start")
    await sdk.send(1, leaves="middle")
    last = await sdk.send(2)
    assert (last.replayed, await sdk.videos()) == (True, 1)
    await until(sdk.all_are("answered"))


async def test_the_replayed_answer_is_the_one_that_was_lost(sdk: Sdk) -> None:
    await sdk.send(0, leaves="start")
    row = await sdk.database.row("SELECT id, created_at FROM videos")
    assert row is not None
    await sdk.database.execute("UPDATE videos SET provider = 'other', progress = 3")
    body = json.loads((await sdk.send(1)).body)
    assert (body["jobId"], body["provider"], body["status"]) == (row["id"], "embedded", "pending")
    assert body["createdAt"] == row["created_at"].isoformat().replace("+00:00", "Z")


async def test_a_batch_is_made_good_like_a_video(sdk: Sdk) -> None:
    body = {"videos": [{"prompt": f"number {number}"} for number in range(300)]}
    await sdk.send(0, leaves="middle", body=body, path=BATCH)
    retried = await sdk.send(1, body=body, path=BATCH)
    assert retried.replayed
    assert len(json.loads(retried.body)["jobs"]) == 300
    assert await sdk.videos() == 300


async def test_an_answered_video_is_never_given_twice(sdk: Sdk) -> None:
    first = await sdk.send(0)
    await until(sdk.all_are("answered"))
    # The try before this one never came to us: the client really wants another video.
    second = await sdk.send(1)
    assert (first.complete, second.replayed) == (True, False)
    assert first.job != second.job


async def test_only_the_same_request_of_the_same_key_within_a_quarter_of_an_hour_is_recognised(
    sdk: Sdk, gate: Gate
) -> None:
    _, colleague = await gate.services.keys.create("colleague", "default")
    await sdk.send(0, leaves="start")
    others = [
        await sdk.send(1, body={"prompt": "a lake "}),
        await sdk.send(1, body={"videos": [LAKE]}, path=BATCH),
        await sdk.send(1, key={"Authorization": f"Bearer {colleague}"}),
        await sdk.send(0),
    ]
    assert not any(heard.replayed for heard in others)
    await sdk.database.execute("UPDATE counted_creates SET created_at = now() - interval '15 minutes'")
    assert not (await sdk.send(1)).replayed
    assert await sdk.videos() == 6


async def test_a_request_with_a_key_is_not_counted(sdk: Sdk, key: dict[str, str]) -> None:
    for tries in range(2):
        await sdk.send(tries, leaves="start", key={**key, "Idempotency-Key": "k"})
    assert (await sdk.states(), await sdk.videos()) == ([], 1)


async def test_a_plain_request_is_not_counted(sdk: Sdk, gate: Gate, key: dict[str, str]) -> None:
    await post(gate.application(), VIDEOS, key, LAKE)
    assert (await sdk.states(), await sdk.videos()) == ([], 1)


async def test_a_refused_request_leaves_nothing(sdk: Sdk) -> None:
    assert (await sdk.send(0, body={"prompt": "a", "model": "none"})).status == 404
    assert await sdk.states() == []


async def test_another_process_recognises_the_retry(
    sdk: Sdk, settings: Settings, key: dict[str, str]
) -> None:
    await sdk.send(0, leaves="start")
    async with open_gate(settings, work=False) as beside:
        heard = await Sdk(beside.application(), key, beside).send(1)
    assert (heard.replayed, await sdk.videos()) == (True, 1)


async def test_what_a_dead_process_had_made_is_found(sdk: Sdk) -> None:
    # It died after the commit, so nobody ever said what became of the answer.
    await sdk.send(0)
    await until(sdk.all_are("answered"))
    await sdk.database.execute("UPDATE counted_creates SET state = 'open', changed_at = now()")
    heard = await asyncio.wait_for(sdk.send(1), 5)
    assert (heard.replayed, await sdk.videos()) == (True, 1)


async def test_what_another_retry_has_claimed_is_not_claimed_again(sdk: Sdk) -> None:
    await sdk.send(0, leaves="start")
    await sdk.send(1, leaves="middle")
    another = await sdk.send(1)
    later = await sdk.send(2)
    # Only the try after the one that claimed it can come from the same client.
    assert (another.replayed, later.replayed) == (False, True)
    assert later.job != another.job
    assert await sdk.videos() == 2


@pytest.mark.parametrize("seconds", [0.3, 4])
async def test_a_retry_waits_for_what_its_first_try_is_just_making(
    sdk: Sdk, dsn: str, seconds: float
) -> None:
    gone = asyncio.Event()
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE videos IN SHARE MODE")
    first = asyncio.create_task(sdk.send(0, leaves=gone))
    await until(sdk.all_are("begun"))
    gone.set()
    retry = asyncio.create_task(sdk.send(1))
    await asyncio.sleep(seconds)
    await transaction.rollback()
    await connection.close()
    assert (await first).status == 0
    assert (await retry).replayed
    assert await sdk.videos() == 1


async def test_a_first_try_that_was_given_up_makes_nothing_any_more(sdk: Sdk) -> None:
    # The process of the first try hangs between its two commits, longer than a retry waits.
    await sdk.send(0, leaves="start")
    await sdk.database.execute("DELETE FROM videos")
    await sdk.database.execute(
        "UPDATE counted_creates SET state = 'begun', subject = NULL, changed_at = now()"
    )
    heard = await asyncio.wait_for(sdk.send(1), 10)
    assert (heard.replayed, await sdk.videos()) == (False, 1)
    assert await sdk.database.value("SELECT count(*) FROM counted_creates WHERE tries = 0") == 0


async def test_a_create_that_was_overtaken_is_not_carried_out(database: Database) -> None:
    repository = IdempotencyRepository(database)
    slow = CountedCreate("create_1", "key_1", "POST /x", bytes(32), 0)
    inserted = False

    async def insert(_: Session) -> None:
        nonlocal inserted
        inserted = True

    await repository.begin([slow])
    retry = replace(slow, id="create_2", tries=1)
    assert await repository.claim(retry, open_for=1, begun_for=60) == Claim("create_1", None)
    assert await repository.claim(retry, open_for=1, begun_for=0) is None
    with pytest.raises(StillBeingCreated):
        await repository.carry_out(slow, First("job_1"), insert)
    assert not inserted
