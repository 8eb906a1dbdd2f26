"""The schema moves forward only, once, and never over a schema it does not know."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from filmgate.app import MIGRATIONS
from filmgate.domain.errors import FilmgateError, SchemaTooNew
from filmgate.domain.ids import new_id
from filmgate.infrastructure import migrations
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.migrations import (
    Migration,
    MigrationChanged,
    MigrationFailed,
    migrate,
    read_migrations,
)
from tests.integration.conftest import Postgres

pytestmark = pytest.mark.anyio

ONE = Migration(1, "one", "CREATE TABLE one (id int); INSERT INTO one VALUES (1);")
TWO = Migration(2, "two", "ALTER TABLE one ADD COLUMN name text;")


@pytest.fixture
async def empty(postgres: Postgres) -> AsyncGenerator[Database, None]:
    name = new_id("empty")
    await postgres.execute(f"CREATE DATABASE {name}")
    opened = Database(postgres.of(name), size=8)
    await opened.open()
    yield opened
    await opened.close()
    await postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def tables(database: Database) -> set[str]:
    rows = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows if not row["tablename"].startswith("pgqueuer")}


async def versions(database: Database) -> list[int]:
    rows = await database.fetch("SELECT version FROM schema_migrations ORDER BY version")
    return [row["version"] for row in rows]


async def test_our_own_migrations_apply_to_an_empty_database_and_to_a_migrated_one(empty: Database) -> None:
    ours = read_migrations(MIGRATIONS)
    assert await migrate(empty, ours) == len(ours) > 0
    assert await migrate(empty, ours) == 0
    assert {"videos", "attempts", "lanes", "keys", "batches", "renders"} <= await tables(empty)


async def test_several_processes_at_once_apply_each_migration_once(empty: Database) -> None:
    assert sorted(await asyncio.gather(*(migrate(empty, [ONE, TWO]) for _ in range(4)))) == [0, 0, 0, 2]
    assert await empty.value("SELECT count(*) FROM one") == 1
    assert await versions(empty) == [1, 2]


async def test_only_what_is_missing_is_applied(empty: Database) -> None:
    assert await migrate(empty, [ONE]) == 1
    assert await migrate(empty, [ONE, TWO]) == 1


async def test_a_migration_that_reads_differently_now_is_refused_by_its_name(empty: Database) -> None:
    await migrate(empty, [ONE])
    changed = Migration(1, "one", ONE.sql + " ")
    with pytest.raises(MigrationChanged, match=r"0001 \(one\)"):
        await migrate(empty, [changed, TWO])
    assert await versions(empty) == [1]


async def test_a_schema_from_the_future_is_refused_with_both_numbers(empty: Database) -> None:
    await migrate(empty, [ONE, TWO])
    with pytest.raises(SchemaTooNew, match="has schema 2, this filmgate knows 1 at most"):
        await migrate(empty, [ONE])


async def test_a_migration_that_fails_leaves_nothing_and_can_be_mended(empty: Database) -> None:
    broken = Migration(2, "two", "CREATE TABLE half (id int); SELECT 1 / 0;")
    with pytest.raises(Exception, match="division by zero"):
        await migrate(empty, [ONE, broken])
    assert await tables(empty) == {"schema_migrations", "one"}
    assert await versions(empty) == [1]
    assert await migrate(empty, [ONE, TWO]) == 1


async def test_the_lock_is_free_again_after_a_failure(empty: Database) -> None:
    broken = Migration(1, "one", "no sql at all")
    for _ in range(2):
        with pytest.raises(MigrationFailed, match=r"0001 \(one\) was not applied, nothing of it was kept"):
            await migrate(empty, [broken])
    assert await empty.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_the_queue_has_its_tables_after_every_run(empty: Database) -> None:
    for _ in range(2):
        await migrate(empty, [ONE])
        assert await empty.value("SELECT count(*) FROM pgqueuer") == 0


async def test_a_server_that_is_too_old_is_refused(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no PostgreSQL 13 to test with, so this one is made too old by what counts as old.
    monkeypatch.setattr(migrations, "_OLDEST_POSTGRESQL", 990_000)
    with pytest.raises(FilmgateError, match=r"PostgreSQL \d+ is too old"):
        await migrate(empty, [ONE])
    assert await tables(empty) == set()


@pytest.mark.parametrize(
    "names", [["0001_a.sql", "0003_c.sql"], ["0002_b.sql"], ["0001_a.sql", "0001_b.sql"]], ids=",".join
)
def test_a_gap_in_the_numbers_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;", encoding="utf-8")
    with pytest.raises(FilmgateError, match="without a gap"):
        read_migrations(tmp_path)


def test_migrations_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("0002_b.sql", "README.md", "0001_a.sql", "0003.sql", "x0001_a.sql"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    read = read_migrations(tmp_path)
    assert [(step.version, step.name, step.sql) for step in read] == [
        (1, "a", "0001_a.sql"),
        (2, "b", "0002_b.sql"),
    ]
    assert read[0].checksum != read[1].checksum
