"""Several API processes and several workers share one PostgreSQL, and behave as one."""

import asyncio
import os
import time
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest

from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres
from tests.chaos import processes
from tests.chaos.processes import Member, World, note

# 200 for a measurement; the suite has no time for that.
COUNT = int(os.environ.get("SCALE_OUT_COUNT", "16"))
SLOTS = 4


@pytest.fixture
def world(tmp_path: Path) -> Generator[World, None, None]:
    """A world whose PostgreSQL belongs to none of its processes, as a managed one does."""
    with processes.world(tmp_path / "world") as lent, asyncio.Runner() as runner:
        postgres = EmbeddedPostgres(lent.root / "postgres")
        dsn = runner.run(postgres.start())
        try:
            lent.database_url = runner.run(made(dsn))
            yield lent
        finally:
            for process in lent.members:
                process.kill()
            runner.run(postgres.stop())


async def made(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE DATABASE shared")
    finally:
        await connection.close()
    return f"{dsn.rsplit('/', 1)[0]}/shared"


def test_two_apis_and_two_workers_do_every_job_once_and_keep_to_the_slots(world: World) -> None:
    world.settle(SLOTS)
    apis = [world.serve("--no-worker"), world.serve("--no-worker")]
    assert_seen_and_cancelled_at_the_other(*apis)
    workers = [world.work(), world.work()]
    begun = time.monotonic()
    batch_id, ids = apis[0].create_batch(COUNT)
    most = 0
    runners: set[str] = set()
    while not apis[1].finished(batch_id):
        assert time.monotonic() - begun < 10 + COUNT * 2, apis[0].counts(batch_id)
        under_way, taken, by = world.rows(
            """
            SELECT (SELECT count(*) FROM attempts WHERE state IN ('sending', 'accepted', 'unknown')),
                   (SELECT count(*) FROM videos WHERE status IN ('queued', 'in_progress')
                                                  AND admitted_at IS NOT NULL),
                   (SELECT array_agg(DISTINCT runner) FROM renders WHERE runner IS NOT NULL)
            """
        )[0]
        most = max(most, under_way, taken)
        runners.update(by or ())
    note(f"{COUNT} videos in {time.monotonic() - begun:.1f} s, at most {most} under way of {SLOTS}")
    assert most <= SLOTS
    assert most > 1
    assert len(runners) == len(workers), "both workers take part"
    tally = world.settled_tally(ids)
    assert tally.clean, tally
    assert tally.attempts == {"succeeded": COUNT}
    assert done_once(world)
    assert [told(api, batch_id, ids) for api in apis] == [told(apis[0], batch_id, ids)] * 2


def assert_seen_and_cancelled_at_the_other(one: Member, other: Member) -> None:
    video_id = one.create()
    assert other.ask("GET", f"/api/v1/videos/{video_id}").body["status"] == "pending"
    assert other.ask("DELETE", f"/api/v1/videos/{video_id}").status == 200
    assert one.ask("GET", f"/api/v1/videos/{video_id}").body["status"] == "cancelled"


def done_once(world: World) -> bool:
    """Tell from the queue's own log that each step has succeeded exactly once for each video."""
    rows = world.rows(
        "SELECT entrypoint, count(*) FROM pgqueuer_log WHERE status = 'successful' GROUP BY entrypoint"
    )
    counts = {row["entrypoint"]: row["count"] for row in rows}
    assert counts == {"submit": COUNT, "render": COUNT, "collect": COUNT}
    return True


def told(api: Member, batch_id: str, ids: list[str]) -> list[object]:
    """Return what one API says of a batch and all its videos, but for its own address."""
    films = [api.ask("GET", f"/api/v1/videos/{name}").body for name in ids]
    stable = [(film["jobId"], film["status"], film["progress"], film["completedAt"]) for film in films]
    return [api.ask("GET", f"/api/v1/batches/{batch_id}").body, *stable]
