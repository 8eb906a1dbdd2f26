"""Processes that start before their database is there wait for it, and say so."""

import asyncio
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres
from tests.chaos.processes import Member, World

READY = {"serve": "(  API )", "worker": "(worker ready)"}


@pytest.fixture
def start_postgres(world: World) -> Generator[Callable[[], None], None, None]:
    """Tell the world of a PostgreSQL that is stopped, and lend what starts it again."""
    with asyncio.Runner() as runner:
        postgres = EmbeddedPostgres(world.root / "postgres")
        world.database_url = runner.run(postgres.start())
        runner.run(postgres.stop())

        def start() -> None:
            assert runner.run(postgres.start()) == world.database_url

        try:
            yield start
        finally:
            for member in world.members:
                member.kill()
            runner.run(postgres.stop())


def started(world: World, verb: str, **extra: str) -> Member:
    arguments = ("--port", "0", "--no-worker") if verb == "serve" else ()
    return world.start(verb, *arguments, **extra)


def ended(member: Member) -> int:
    """Return the exit code of a process that is to end by itself."""
    return member.process.wait(60)


def test_a_gateway_and_a_worker_wait_for_a_database_that_is_away(
    world: World, start_postgres: Callable[[], None]
) -> None:
    members = {verb: started(world, verb) for verb in READY}
    for member in members.values():
        world.wait_for(member, "(database_awaited)")
    start_postgres()
    for verb, member in members.items():
        world.wait_for(member, READY[verb])
    assert [world.stop(member) for member in members.values()] == [0, 0]


@pytest.mark.usefixtures("start_postgres")
@pytest.mark.parametrize("verb", READY)
def test_a_database_that_stays_away_ends_the_wait_with_a_sentence(world: World, verb: str) -> None:
    member = started(world, verb, DATABASE_WAIT_SECONDS="1")
    assert ended(member) == 1
    last = Path(member.log).read_text().splitlines()[-1]
    assert last.startswith("filmgate: The database cannot be used now")
    assert "Traceback" not in member.said()


@pytest.mark.usefixtures("start_postgres")
@pytest.mark.parametrize("verb", READY)
def test_whoever_is_asked_to_stop_waits_no_longer(world: World, verb: str) -> None:
    member = started(world, verb, DATABASE_WAIT_SECONDS="3600")
    world.wait_for(member, "(database_awaited)")
    assert world.stop(member) == 1
    assert "Traceback" not in member.said()


def test_a_database_that_lets_nobody_in_is_not_waited_for(
    world: World, start_postgres: Callable[[], None]
) -> None:
    start_postgres()
    assert world.database_url is not None
    world.database_url = f"{world.database_url.rsplit('/', 1)[0]}/nowhere"
    member = started(world, "worker")
    assert ended(member) == 2
    assert 'DATABASE_URL: the server does not let us in: database "nowhere" does not exist' in member.said()
