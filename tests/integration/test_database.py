"""The database is reached through a pool that survives what databases do."""

import asyncio
from datetime import timedelta
from threading import Thread

import asyncpg
import pytest

from filmgate.domain.errors import DatabaseUnavailable
from filmgate.infrastructure.database import Database, RowRejected, changed, storable
from filmgate.infrastructure.notifications import Notifications
from filmgate.infrastructure.nudge import Nudge
from filmgate.services import commit
from filmgate.services.commit import commit_at_last, commit_surely
from tests.integration.makers import cut_connections, until

pytestmark = pytest.mark.anyio


async def works(database: Database) -> bool:
    try:
        return await database.value("SELECT 1") == 1
    except DatabaseUnavailable:
        return False


async def test_every_way_to_ask_works(database: Database) -> None:
    assert await database.value("SELECT $1::int", 5) == 5
    assert [row["n"] for row in await database.fetch("SELECT generate_series(1, 3) AS n")] == [1, 2, 3]
    row = await database.row("SELECT 1 AS one")
    assert row is not None
    assert row["one"] == 1
    assert changed(await database.execute("DELETE FROM keys")) == 0
    async with database.session() as session:
        assert await session.value("SELECT 1") == 1
        assert await session.row("SELECT 1 WHERE false") is None
        assert len(await session.fetch("SELECT 1")) == 1


async def test_a_transaction_that_stumbles_keeps_nothing(database: Database) -> None:
    async def insert_and_fail() -> None:
        async with database.transaction() as session:
            await session.execute("INSERT INTO lanes (name, max_in_flight) VALUES ('a', 1)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await insert_and_fail()
    assert await database.value("SELECT count(*) FROM lanes") == 0


async def test_a_database_that_is_not_open_says_so(dsn: str) -> None:
    closed = Database(dsn)
    with pytest.raises(DatabaseUnavailable, match="not open"):
        await closed.value("SELECT 1")
    await closed.close()


async def test_a_server_that_is_not_there_is_told_at_once() -> None:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable):
        await nowhere.open()
    with pytest.raises(DatabaseUnavailable):
        await nowhere.connect()


async def test_the_loss_of_every_connection_is_told_in_our_words_and_over_soon(
    database: Database, dsn: str
) -> None:
    await asyncio.gather(*(database.value("SELECT pg_sleep(0.05)") for _ in range(4)))
    await cut_connections(dsn)
    await until(lambda: works(database), 10)
    for _ in range(8):
        assert await works(database)


async def test_a_statement_that_is_cut_off_is_told_in_our_words(database: Database, dsn: str) -> None:
    slow = asyncio.create_task(database.value("SELECT pg_sleep(30)"))
    await until(lambda: database.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(30)'"))
    await cut_connections(dsn)
    with pytest.raises(DatabaseUnavailable):
        await slow


async def test_a_transaction_that_is_cut_off_is_told_in_our_words(database: Database, dsn: str) -> None:
    async def insert() -> None:
        async with database.transaction() as session:
            await session.execute("INSERT INTO lanes (name, max_in_flight) VALUES ('a', 1)")
            await cut_connections(dsn)

    with pytest.raises(DatabaseUnavailable):
        await insert()
    await until(lambda: works(database), 10)
    assert await database.value("SELECT count(*) FROM lanes") == 0


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT $1::text", "a\x00b"),
        ("SELECT $1::text", "\ud800"),
        ("SELECT $1::text::jsonb", '"\\u0000"'),
        ("SELECT $1::smallint", 40_000),
        ("SELECT $1::int", "x"),
    ],
)
async def test_a_value_that_cannot_be_kept_is_refused_and_the_connection_goes_on(
    database: Database, sql: str, value: object
) -> None:
    with pytest.raises(RowRejected):
        await database.fetch(sql, value)  # type: ignore[arg-type]  # one of the literals above
    assert await works(database)


@pytest.mark.parametrize("text", ["plain", "a\x00b", "\ud800", "💥", "\x00\udfff\n"])
async def test_a_text_made_storable_can_be_stored(database: Database, text: str) -> None:
    kept = storable(text)
    assert await database.value("SELECT $1::text", kept) == kept
    assert len(kept) == len(text)
    assert kept == text or "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text)


async def test_a_commit_is_repeated_until_the_database_answers(database: Database, dsn: str) -> None:
    tries = 0

    async def try_it() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise DatabaseUnavailable("away")
        await database.execute("INSERT INTO lanes VALUES ('a', 1) ON CONFLICT DO NOTHING")

    await commit_surely(try_it)
    assert tries == 2


@pytest.mark.parametrize("repeat", [commit_surely, commit_at_last])
async def test_a_commit_that_fails_for_another_reason_is_not_repeated(repeat: object) -> None:
    tries = 0

    async def try_it() -> None:
        nonlocal tries
        tries += 1
        raise RowRejected("no")

    with pytest.raises(RowRejected):
        await repeat(try_it)  # type: ignore[operator]  # both are functions
    assert tries == 1


async def test_a_commit_gives_up_when_the_database_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_PAUSE_SECONDS", 0.01)
    tries = 0

    async def try_it() -> None:
        nonlocal tries
        tries += 1
        raise DatabaseUnavailable("away")

    with pytest.raises(DatabaseUnavailable):
        await commit_surely(try_it)
    assert tries == 4


async def test_what_is_written_down_nowhere_else_is_committed_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commit, "_PAUSE_SECONDS", 0.01)
    tries = 0

    async def try_it() -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise DatabaseUnavailable("away")

    await commit_at_last(try_it)
    assert tries == 4


async def test_a_listener_is_called_once_at_first_and_then_at_each_notification(database: Database) -> None:
    calls: list[str] = []
    listening = Notifications(database, {"one": lambda: calls.append("1"), "two": lambda: calls.append("2")})
    task = asyncio.create_task(listening.run())
    await until(lambda: calls == ["1", "2"])
    await database.notify(["two"])
    await until(lambda: calls == ["1", "2", "2"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_listener_hears_again_after_its_connection_was_lost(database: Database, dsn: str) -> None:
    calls: list[None] = []
    task = asyncio.create_task(Notifications(database, {"bell": lambda: calls.append(None)}).run())
    await until(lambda: calls)
    for _ in range(2):
        before = len(calls)
        await cut_connections(dsn)
        await until(lambda before=before: len(calls) > before, 10)
        await until(lambda: works(database), 10)
    before = len(calls)
    await database.notify(["bell"])
    await until(lambda: len(calls) > before)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_listener_survives_being_cut_off_while_it_begins_to_listen(
    database: Database, dsn: str
) -> None:
    calls: list[str] = []

    def cut_at_first() -> None:
        calls.append("first")
        if len(calls) == 1:
            # In a thread that is waited for, so that it happens between the two LISTENs.
            cutting = Thread(target=asyncio.run, args=[cut_connections(dsn)])
            cutting.start()
            cutting.join()

    callbacks = {"one": cut_at_first, "two": lambda: calls.append("second")}
    task = asyncio.create_task(Notifications(database, callbacks).run())
    await until(lambda: "second" in calls or task.done(), 10)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_many_nudges_that_come_close_together_are_one_notification(database: Database) -> None:
    calls: list[None] = []
    task = asyncio.create_task(Notifications(database, {"bell": lambda: calls.append(None)}).run())
    await until(lambda: calls)
    nudge = Nudge(database, "bell")
    for _ in range(100):
        nudge()
    await until(lambda: len(calls) == 2)
    nudge()
    await until(lambda: len(calls) == 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_nudge_that_gets_lost_does_no_harm(dsn: str) -> None:
    nudge = Nudge(Database(dsn), "bell")
    nudge()
    await asyncio.sleep(0.05)
    nudge()
    await asyncio.sleep(0.05)


async def test_the_driver_is_told_of_a_read_only_server_in_our_words(database: Database) -> None:
    async def write() -> None:
        async with database.transaction() as session:
            await session.execute("SET TRANSACTION READ ONLY")
            await session.execute("DELETE FROM keys")

    with pytest.raises(DatabaseUnavailable):
        await write()


async def test_a_statement_that_takes_too_long_is_told_in_our_words(database: Database) -> None:
    async def wait() -> None:
        async with database.transaction() as session:
            await session.execute("SET LOCAL statement_timeout = '20ms'")
            await session.execute("SELECT pg_sleep(10)")

    with pytest.raises(DatabaseUnavailable):
        await wait()


async def test_a_lone_connection_is_the_callers_to_close(database: Database) -> None:
    connection = await database.connect()
    assert isinstance(connection, asyncpg.Connection)
    assert await connection.fetchval("SELECT $1::interval", timedelta(seconds=1)) == timedelta(seconds=1)
    await connection.close()
