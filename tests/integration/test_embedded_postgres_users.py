"""Root runs the embedded PostgreSQL as somebody else, and shares a user's data folder with that user."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from filmgate.infrastructure.postgres_binaries import find_binaries
from tests.integration.postgres_members import (
    PACKAGES,
    Member,
    answers,
    copied,
    members,
    running,
    runtime,
    soon,
    value,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        sys.platform == "win32" or os.geteuid() != 0, reason="only root can drop to another user"
    ),
]

LINUX = sys.platform.startswith("linux")
NOBODY = 65534
NAMELESS = 54_321


@pytest.fixture
def member() -> Iterator[Callable[..., Member]]:
    with members() as make:
        yield make


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Give a folder that every user may pass, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="filmgate-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def capabilities(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("CapEff:")[1].split()[0], 16)


async def test_root_serves_closed_folders_as_another_user_and_opens_none(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    wheel = find_binaries(None).folder.parents[1]
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(folder, closed / folder.name, ignore=shutil.ignore_patterns("pginstall", "include"))
    modes = {path: path.stat().st_mode for path in (closed, *closed.parents)}
    binaries = closed / wheel.name / "pginstall18" / "bin"
    async with running(closed / "data", binaries=binaries) as (_, dsn):
        assert await value(dsn, "SELECT lower('ÄÖ')") == "äö"
        process = psutil.Process(runtime(closed / "data")["pid"])
        assert 0 not in process.uids()
        assert set(process.gids()) != {0}
        # At most the one capability to pass and read, or where root lacks that, to override.
        assert not LINUX or capabilities(process.pid) in (1 << 2, 1 << 1)
    assert modes == {path: path.stat().st_mode for path in modes}


async def test_root_keeps_no_capability_where_the_folders_are_open(open_path: Path) -> None:
    data = open_path / "data"
    data.mkdir(mode=0o755)
    async with running(data):
        process = psutil.Process(runtime(data)["pid"])
        assert 0 not in process.uids()
        assert not LINUX or capabilities(process.pid) == 0


async def test_a_cluster_that_a_copy_gave_to_root_is_given_back(tmp_path: Path) -> None:
    async with running(tmp_path / "made"):
        pass
    data = copied(tmp_path / "made", tmp_path / "data", "-r")
    (data / "postgres" / "cluster").chmod(0o700)
    async with running(data) as (_, dsn):
        assert await answers(dsn)


def user(uid: int) -> dict[str, Any]:
    return {"user": uid, "group": uid, "extra_groups": [], "cwd": "/"}


def python_for_everybody() -> str:
    """Return an interpreter of our version that an ordinary user can run with our packages."""
    name = f"python3.{sys.version_info.minor}"
    for python in (sys.executable, *(f"{folder}/{name}" for folder in ("/usr/bin", "/usr/local/bin"))):
        with contextlib.suppress(OSError):
            tried = subprocess.run(
                [python, "-B", "-c", "import uvloop, filmgate.infrastructure.embedded_postgres"],
                env={"PYTHONPATH": PACKAGES},
                capture_output=True,
                check=False,
                **user(NOBODY),
            )
            if tried.returncode == 0:
                return python
    pytest.skip("no interpreter and packages here that an ordinary user may run")


async def test_an_ordinary_user_and_root_share_the_users_folder(
    open_path: Path, member: Callable[..., Member]
) -> None:
    python = python_for_everybody()
    data = open_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY, NOBODY)
    async with running(data) as (postgres, dsn):
        assert postgres.owner
        assert psutil.Process(runtime(data)["pid"]).uids().real == NOBODY
        other = member(data, python=python, **user(NOBODY))
        assert await other.joined() == {"dsn": dsn, "owner": False}
        await postgres.stop()
        await soon(lambda: answers(dsn))
        assert await other.owns()
        assert psutil.Process(runtime(data)["pid"]).uids().real == NOBODY
        assert await postgres.start() == dsn
        assert not postgres.owner
    await other.leave()
    assert {path.stat().st_uid for path in data.rglob("*")} == {NOBODY}


async def test_a_user_without_a_name_is_told_the_way_out(
    open_path: Path, member: Callable[..., Member]
) -> None:
    python = python_for_everybody()
    os.chown(open_path, NAMELESS, NAMELESS)
    with pytest.raises(AssertionError, match=rf"User {NAMELESS} has no name.*DATABASE_URL"):
        await member(open_path / "data", python=python, **user(NAMELESS)).joined()
