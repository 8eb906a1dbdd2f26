"""A database that falls silent is noticed, and one that is only slow is left in peace."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from filmgate.domain.errors import DatabaseSilent, DatabaseUnavailable
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.pulse import patience
from tests.integration.makers import until

pytestmark = pytest.mark.anyio


class Wire:
    """A relay to PostgreSQL that can stop carrying anything without hanging up."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._carriers: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def stop(self) -> None:
        self._flowing.clear()

    def go_on(self) -> None:
        self._flowing.set()

    async def hang_up(self) -> None:
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            carrier = asyncio.create_task(self._carry(source, sink))
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while piece := await source.read(65536):
                    await self._flowing.wait()
                    sink.write(piece)
                    await sink.drain()
        finally:
            sink.close()


@pytest.fixture
async def wire(dsn: str) -> AsyncGenerator[Wire, None]:
    address = urlsplit(dsn)
    wire = Wire(address.hostname or "", address.port or 5432)
    server = await wire.open()
    yield wire
    server.close()
    await wire.hang_up()


@pytest.fixture
async def database(wire: Wire, dsn: str) -> AsyncGenerator[Database, None]:
    address = urlsplit(dsn)
    user = address.netloc.rpartition("@")[0]
    opened = Database(address._replace(netloc=f"{user}@127.0.0.1:{wire.port}").geturl(), size=2)
    await opened.open()
    yield opened
    wire.go_on()
    await opened.close()


async def is_silent(database: Database) -> bool:
    try:
        await database.value("SELECT 1")
    except DatabaseSilent:
        return True
    except DatabaseUnavailable:
        return False
    return False


async def test_a_slow_statement_of_a_living_server_takes_its_time(database: Database) -> None:
    assert await database.value("SELECT 1 FROM pg_sleep(4)") == 1


async def test_a_request_is_cut_off_when_the_server_falls_silent_and_others_are_told_at_once(
    wire: Wire, database: Database
) -> None:
    reading = asyncio.create_task(database.value("SELECT 1 FROM pg_sleep(30)"))
    writing = asyncio.create_task(database.execute("UPDATE lanes SET tokens = 0 FROM pg_sleep(30)"))
    # There are two connections, and both are taken.
    waiting = asyncio.create_task(database.value("SELECT 1"))
    await asyncio.sleep(0.2)
    wire.stop()
    tasks = (reading, writing, waiting)
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert kinds == ["DatabaseUnavailable", "CommitUnknown", "DatabaseUnavailable"]
    assert await is_silent(database)
    wire.go_on()
    await until(lambda: database_answers(database), 30)


async def database_answers(database: Database) -> bool:
    try:
        return await database.value("SELECT 1") == 1
    except DatabaseUnavailable:
        return False


async def test_what_has_patience_waits_and_gets_its_answer(wire: Wire, database: Database) -> None:
    with patience():
        reading = asyncio.create_task(database.value("SELECT 1 FROM pg_sleep(0.5)"))
    await asyncio.sleep(0.2)
    wire.stop()
    await until(lambda: is_silent(database), 30)
    assert not reading.done()
    wire.go_on()
    assert await asyncio.wait_for(reading, 30) == 1


async def test_a_request_does_not_wait_for_a_free_connection_for_ever(database: Database) -> None:
    async with database.session(), database.session():
        with pytest.raises(DatabaseUnavailable):
            await database.value("SELECT 1")
    assert await database.value("SELECT 1") == 1


async def test_a_server_that_was_replaced_is_not_silent(wire: Wire, database: Database) -> None:
    slow = asyncio.create_task(database.value("SELECT 1 FROM pg_sleep(2)"))
    await asyncio.sleep(1.5)
    await wire.hang_up()
    with pytest.raises(DatabaseUnavailable):
        await slow
    assert not await is_silent(database)
    await until(lambda: database_answers(database), 30)
