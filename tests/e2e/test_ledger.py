"""The command line sets budgets and checks the books of a real installation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import environment


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("installation")


def filmgate(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "filmgate", *arguments, "--data", str(data)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=data,
    )


def test_a_key_is_made_with_budgets_and_listed_with_what_is_left(data: Path) -> None:
    made = filmgate(data, "keys", "create", "studio", "--budget", "40", "--budget", "2.50/day")
    assert (made.returncode, made.stdout[:3]) == (0, "fg_")
    listed = filmgate(data, "keys", "ls").stdout
    assert "$2.50/day: $0.00 used, $2.50 left, $40.00: $0.00 used, $40.00 left" in listed
    key = listed.splitlines()[2].split()[0]
    changed = filmgate(data, "keys", "budget", key, "--budget", "50", "--no-budget", "day")
    assert changed.stdout == "$50.00: $0.00 used, $50.00 left\n"
    lifted = filmgate(data, "keys", "budget", key, "--no-budget", "total")
    assert lifted.stdout == f"{key} may spend without a limit.\n"


@pytest.mark.parametrize("name", ["API_KEY", "key_root"])
def test_the_operators_own_key_can_have_a_budget(data: Path, name: str) -> None:
    limits = ("--budget", "3", "--budget", "2/day", "--budget", "2.50/month")
    set_ = filmgate(data, "keys", "budget", name, *limits)
    assert set_.stdout.splitlines() == [
        "$2.00/day: $0.00 used, $2.00 left",
        "$2.50/month: $0.00 used, $2.50 left",
        "$3.00: $0.00 used, $3.00 left",
    ]
    listed = filmgate(data, "keys", "ls").stdout.splitlines()
    assert listed[1].split()[:3] == ["key_root", "API_KEY", "default"]
    assert "$2.50/month: $0.00 used, $2.50 left" in listed[1]
    lift = [word for span in ("total", "day", "month") for word in ("--no-budget", span)]
    lifted = filmgate(data, "keys", "budget", name, *lift).stdout
    assert lifted == f"{name} may spend without a limit.\n"


def test_a_budget_that_cannot_be_read_makes_no_key(data: Path) -> None:
    refused = filmgate(data, "keys", "create", "nobody", "--budget", "5/week")
    assert refused.returncode == 2
    assert "write 40, 25/day or 300/month" in " ".join(refused.stderr.split())
    assert "nobody" not in filmgate(data, "keys", "ls").stdout


def test_a_budget_for_nobody_is_refused(data: Path) -> None:
    refused = filmgate(data, "keys", "budget", "key_nobody", "--budget", "5")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is no key key_nobody" in refused.stderr


def test_a_ledger_that_adds_up_passes_and_one_that_does_not_is_named(data: Path) -> None:
    assert filmgate(data, "ledger", "check").stdout == "The ledger adds up.\n"
    script = (
        "import asyncio\n"
        "from pathlib import Path\n"
        "from filmgate.app import open_database\n"
        "from filmgate.settings import Settings\n"
        "async def work():\n"
        f"    async with open_database(Settings(data=Path({str(data)!r}))) as (database, _):\n"
        "        values = \"('job_x', 'hold', 5)\"\n"
        "        await database.execute(f'INSERT INTO ledger (video_id, kind, micros) VALUES {values}')\n"
        "asyncio.run(work())\n"
    )
    subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **environment()}, check=True, timeout=60
    )
    checked = filmgate(data, "ledger", "check")
    assert checked.returncode == 1
    assert checked.stdout.startswith("job_x: the ledger says 5 held")
