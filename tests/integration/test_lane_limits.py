"""Processes that come and go do not change each other's limits."""

from dataclasses import replace

import pytest

from filmgate.app import open_gate
from filmgate.infrastructure.database import Database
from filmgate.settings import Settings
from tests.integration.makers import until

pytestmark = pytest.mark.anyio


async def limit(database: Database) -> int:
    return await database.value("SELECT max_in_flight FROM lanes WHERE name = 'embedded'")


async def workers(database: Database) -> int:
    return await database.value("SELECT count(*) FROM workers")


async def test_the_usual_limit_is_that_of_the_first_worker_whoever_joins_it(
    database: Database, settings: Settings
) -> None:
    async with open_gate(settings, work=False):
        usual = await limit(database)
    async with open_gate(settings, work=True):
        await until(lambda: workers(database))
        # As if it had more cores than those that join it.
        await database.execute("UPDATE lanes SET max_in_flight = $1 WHERE name = 'embedded'", usual + 7)
        for work in (False, True):
            async with open_gate(settings, work=work):
                assert await limit(database) == usual + 7
    assert await workers(database) == 0
    async with open_gate(settings, work=False):
        assert await limit(database) == usual + 7
    async with open_gate(settings, work=True):
        assert await limit(database) == usual


async def test_a_limit_of_the_file_is_in_force_from_the_next_start_and_stays(
    database: Database, settings: Settings
) -> None:
    async with open_gate(settings, work=True):
        await until(lambda: workers(database))
        async with open_gate(replace(settings, lanes={"embedded": 3}), work=False):
            assert await limit(database) == 3
        async with open_gate(settings, work=True):
            assert await limit(database) == 3
