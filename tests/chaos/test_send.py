"""A worker is killed in the middle of sending, where nobody can know yet whether a job was made."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from tests.chaos.processes import World, note, until

SETTLED_SECONDS = 30
_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND application_name = 'filmgate' AND query ILIKE '%' || $1 || '%'
"""


def test_a_send_cut_off_before_or_after_the_job_was_made_settles_by_itself(world: World) -> None:
    api = world.serve("--no-worker")
    before, after = api.create(), api.create()
    asyncio.run(kill_while_sending(world, before, after))
    states = {row["video_id"]: row["state"] for row in world.rows("SELECT video_id, state FROM attempts")}
    assert states == {before: "sending", after: "sending"}
    assert {row["id"] for row in world.rows("SELECT id FROM renders")} == {after}
    begun = time.monotonic()
    world.work()
    wanted = "SELECT count(*) FROM videos WHERE status = 'completed'"
    until(lambda: world.value(wanted) == 2, 2 * SETTLED_SECONDS, "both films")
    note(f"settled and finished {time.monotonic() - begun:.1f} s after the restart")
    assert time.monotonic() - begun < SETTLED_SECONDS
    tally = world.settled_tally([before, after])
    assert tally.clean, tally
    rows = world.rows("SELECT video_id, ordinal, state FROM attempts ORDER BY ordinal")
    assert [(row["ordinal"], row["state"]) for row in rows if row["video_id"] == after] == [(1, "succeeded")]
    # Proven not to have been made, and only therefore sent again.
    assert [(row["ordinal"], row["state"]) for row in rows if row["video_id"] == before] == [
        (1, "not_created"),
        (2, "succeeded"),
    ]


async def kill_while_sending(world: World, before: str, after: str) -> None:
    """Kill a worker whose sends hang: one before its job is made, the other once it is made.

    Locks of ours hold them there, and end with the sends that wait for them.
    """
    async with held(world) as first, held(world) as second, held(world) as answer:
        for connection, name in ((first, before), (second, after)):
            await connection.execute(
                "INSERT INTO renders (id, order_body, state, frames) VALUES ($1, '', 'pending', 1)", name
            )
        worker = world.work()
        until(lambda: world.value(_WAITING, "INSERT INTO renders") == 2, 20, "two sends to hang")
        await answer.execute("SELECT 1 FROM attempts WHERE video_id = $1 FOR UPDATE", after)
        await second.execute("ROLLBACK")
        until(lambda: world.value(_WAITING, "UPDATE attempts") > 0, 20, "an answer to hang")
        worker.kill()
        await second.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND application_name = 'filmgate'
            """
        )
        until(lambda: world.value(_WAITING, "") == 0, 10, "what the dead worker asked for to be dropped")


@asynccontextmanager
async def held(world: World) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]", None]:
    """Lend a connection with an open transaction that is rolled back at the end."""
    connection = await asyncpg.connect(world.dsn)
    try:
        await connection.execute("BEGIN")
        yield connection
    finally:
        await connection.close()
