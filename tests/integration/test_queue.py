"""A step runs if and only if its transaction was committed, again until it is done, and never for ever."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from filmgate.domain.errors import DatabaseUnavailable
from filmgate.infrastructure import queue
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.queue import QueueWorker, Step, enqueue, prune_queue_log, release_held
from tests.integration.makers import cut_connections, steps_of, until

pytestmark = pytest.mark.anyio

SECONDS = timedelta(seconds=10)


class Log:
    """Note which steps ran, and do to each what the test says."""

    def __init__(self, work: Callable[[str], Awaitable[None]] | None = None) -> None:
        self.ran: list[str] = []
        self.gone: list[tuple[Step, str, str]] = []
        self._work = work

    async def handle(self, name: str) -> None:
        self.ran.append(name)
        if self._work is not None:
            await self._work(name)

    async def exhausted(self, step: Step, name: str, error: Exception) -> None:
        self.gone.append((step, name, str(error)))


@asynccontextmanager
async def at_work(database: Database, log: Log, concurrency: int = 8) -> AsyncGenerator[QueueWorker, None]:
    worker = QueueWorker(
        database,
        {Step.COLLECT: log.handle, Step.RENDER: log.handle},
        log.exhausted,
        concurrency=concurrency,
    )
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop(timedelta(0))
        await asyncio.wait_for(running, 10)


async def put(database: Database, *names: str, **options: object) -> None:
    async with database.transaction() as session:
        await enqueue(session, Step.COLLECT, names, **options)  # type: ignore[arg-type]  # both are keywords


def waits(database: Database) -> Awaitable[list[str]]:
    return steps_of(database, "collect")


async def left(database: Database) -> int:
    return await database.value("SELECT count(*) FROM pgqueuer")


async def is_empty(database: Database) -> bool:
    return await left(database) == 0


async def is_empty_by_now(database: Database) -> bool:
    """Tell whether nothing is left, and bear that a connection was cut."""
    with suppress(DatabaseUnavailable):
        return await is_empty(database)
    return False


async def test_a_step_runs_with_its_subject_and_is_gone(database: Database) -> None:
    log = Log()
    await put(database, "a", "b")
    async with at_work(database, log):
        await until(lambda: len(log.ran) == 2)
        await until(lambda: is_empty(database))
    assert sorted(log.ran) == ["a", "b"]
    assert log.gone == []


async def test_a_step_that_arrives_later_is_taken_up_at_once(database: Database) -> None:
    log = Log()
    async with at_work(database, log):
        await put(database, "first")
        await until(lambda: log.ran)
        async with asyncio.timeout(2):
            await put(database, "second")
            await until(lambda: len(log.ran) == 2)


async def test_a_step_of_a_transaction_that_rolled_back_does_not_exist(database: Database) -> None:
    async def enqueue_and_fail() -> None:
        async with database.transaction() as session:
            await enqueue(session, Step.COLLECT, ["a"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await enqueue_and_fail()
    assert await left(database) == 0


async def test_nothing_to_enqueue_enqueues_nothing(database: Database) -> None:
    await put(database)
    assert await left(database) == 0


async def test_a_step_that_waits_already_is_enqueued_once_unless_wanted_twice(database: Database) -> None:
    await put(database, "a")
    await put(database, "a", "b")
    assert await waits(database) == ["a", "b"]
    await put(database, "a", once=False)
    assert await waits(database) == ["a", "b", "a"]


async def test_the_same_subject_may_wait_for_different_steps(database: Database) -> None:
    await put(database, "a")
    async with database.transaction() as session:
        await enqueue(session, Step.RENDER, ["a"])
    assert await left(database) == 2


async def test_a_delayed_step_waits_for_its_time(database: Database) -> None:
    log = Log()
    await put(database, "late", delay=timedelta(hours=1))
    await put(database, "now")
    async with at_work(database, log):
        await until(lambda: log.ran)
    assert log.ran == ["now"]
    assert await waits(database) == ["late"]


async def test_no_more_steps_run_at_once_than_allowed(database: Database) -> None:
    running, most = 0, 0

    async def work(_: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    log = Log(work)
    await put(database, *(f"s{number}" for number in range(30)))
    async with at_work(database, log, concurrency=4):
        await until(lambda: len(log.ran) == 30)
    assert most <= 4


async def test_a_step_that_fails_is_tried_again_until_it_works(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_MAX_DELAY", timedelta(0))

    async def work(_: str) -> None:
        if len(log.ran) < 3:
            raise ValueError("not yet")

    log = Log(work)
    await put(database, "a")
    async with at_work(database, log):
        await until(lambda: len(log.ran) == 3)
        await until(lambda: is_empty(database))
    assert log.gone == []


async def test_each_failure_waits_twice_as_long_as_the_one_before(database: Database) -> None:
    async def work(_: str) -> None:
        raise ValueError("never")

    log = Log(work)
    delays: list[float] = []
    await put(database, "a")
    async with at_work(database, log):
        for number in range(1, 4):
            await until(lambda number=number: len(log.ran) == number)
            await until(lambda: waits(database))
            delays.append(
                await database.value(
                    "SELECT extract(epoch FROM execute_after - updated)::float8 FROM pgqueuer"
                )
            )
            await database.execute("UPDATE pgqueuer SET execute_after = now()")
    assert [round(delay) for delay in delays] == [1, 2, 4]


async def test_a_step_that_never_works_is_given_up_with_its_last_error(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_MAX_DELAY", timedelta(0))
    monkeypatch.setattr(queue, "_MAX_TRIES", 3)

    async def work(_: str) -> None:
        raise ValueError(f"try {len(log.ran)}")

    log = Log(work)
    await put(database, "a")
    async with at_work(database, log):
        await until(lambda: log.gone)
        await until(lambda: is_empty(database))
    assert log.gone == [(Step.COLLECT, "a", "try 3")]
    assert len(log.ran) == 3


async def test_a_step_that_is_postponed_waits_as_long_as_it_says_and_is_never_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_MAX_TRIES", 2)

    async def wait_for_better_times(_name: str) -> None:
        if len(log.ran) < 6:
            raise queue.Postponed("the disk is full", timedelta(milliseconds=50))

    log = Log(wait_for_better_times)
    await put(database, "a")
    async with at_work(database, log):
        await until(lambda: is_empty(database), 60)
    assert log.ran == ["a"] * 6
    assert log.gone == []


async def test_stopping_lets_a_step_finish_that_is_nearly_done(database: Database) -> None:
    go = asyncio.Event()
    finished: list[str] = []

    async def work(name: str) -> None:
        await go.wait()
        finished.append(name)

    log = Log(work)
    await put(database, "a")
    async with at_work(database, log) as worker:
        await until(lambda: log.ran)
        stopping = asyncio.create_task(worker.stop(SECONDS))
        await put(database, "too late")
        await asyncio.sleep(0)
        go.set()
        await stopping
    assert finished == ["a"]
    assert await waits(database) == ["too late"]


async def test_a_step_that_is_not_done_at_the_deadline_is_finished_by_another_worker(
    database: Database,
) -> None:
    async def work(_: str) -> None:
        await asyncio.sleep(60)

    slow, other = Log(work), Log()
    await put(database, "a")
    async with at_work(database, slow) as worker:
        await until(lambda: slow.ran)
        await worker.stop(timedelta(milliseconds=50))
    async with at_work(database, other):
        await until(lambda: other.ran, 5)
    assert other.ran == ["a"]
    assert slow.gone == []


async def test_a_step_that_is_handed_back_has_not_been_tried(database: Database) -> None:
    async def work(_: str) -> None:
        await asyncio.sleep(60)

    await put(database, "a")
    for _ in range(3):
        log = Log(work)
        async with at_work(database, log) as worker:
            await until(lambda log=log: log.ran)
            await worker.stop(timedelta(milliseconds=50))
        assert await waits(database) == ["a"]
    assert await database.value("SELECT attempts FROM pgqueuer") == 0


async def test_two_workers_share_the_steps_and_none_runs_twice(database: Database) -> None:
    log = Log()
    await put(database, *(f"s{number}" for number in range(40)))
    async with at_work(database, log), at_work(database, log):
        await until(lambda: len(log.ran) >= 40)
    assert len(log.ran) == len(set(log.ran)) == 40


async def test_the_loss_of_every_connection_is_survived(database: Database, dsn: str) -> None:
    log = Log()
    async with at_work(database, log):
        await put(database, "before")
        await until(lambda: log.ran)
        assert await cut_connections(dsn) > 0
        async with asyncio.timeout(10):
            while True:
                try:
                    await put(database, "after")
                    break
                except Exception:  # noqa: BLE001 - the pool meets its dead connections one after the other
                    await asyncio.sleep(0.05)
        await until(lambda: "after" in log.ran, 20)


async def test_a_step_under_way_when_the_connections_are_lost_runs_on_and_is_not_given_up(
    database: Database, dsn: str
) -> None:
    go = asyncio.Event()

    async def work(_: str) -> None:
        await go.wait()

    log = Log(work)
    await put(database, "a")
    async with at_work(database, log):
        await until(lambda: log.ran)
        await cut_connections(dsn)
        go.set()
        await until(lambda: is_empty_by_now(database), 30)
    assert log.gone == []


async def test_steps_that_were_held_as_failed_are_put_back_in_line(database: Database) -> None:
    await put(database, "a")
    await database.execute("UPDATE pgqueuer SET status = 'failed'")
    await release_held(database)
    assert await waits(database) == ["a"]


async def test_a_step_that_was_held_twice_is_put_back_once(database: Database) -> None:
    for _ in range(2):
        await put(database, "a")
        await database.execute("UPDATE pgqueuer SET status = 'failed'")
    await put(database, "b")
    await release_held(database)
    await release_held(database)
    assert sorted(await waits(database)) == ["a", "b"]


async def test_the_log_of_the_queue_is_kept_for_a_while_only(database: Database) -> None:
    await put(database, "a")
    await put(database, "b")
    await database.execute(
        """
        UPDATE pgqueuer_log SET created = now() - interval '7 hours'
        WHERE id = (SELECT min(id) FROM pgqueuer_log)
        """
    )
    await prune_queue_log(database, timedelta(hours=6))
    assert await database.value("SELECT count(*) FROM pgqueuer_log") == 1
