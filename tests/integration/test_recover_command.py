"""An operator sees what a restored database had forgotten, and lets sending go on."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filmgate.cli import main
from filmgate.domain.attempt import AttemptState
from filmgate.infrastructure.database import Database
from tests.integration.makers import attempts_of, open_lane, put_attempt

pytestmark = pytest.mark.anyio


async def recover(dsn: str, folder: Path, *options: str) -> Result:
    command = ["recover", "--data", str(folder), *options]
    return await asyncio.to_thread(CliRunner().invoke, main, command, env={"DATABASE_URL": dsn})


async def test_a_database_that_never_went_back_has_nothing_to_show(dsn: str, tmp_path: Path) -> None:
    shown = await recover(dsn, tmp_path)
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "The database has not gone back" in shown.stderr


async def test_forgotten_sends_are_shown_and_let_go_on_the_operators_word(
    dsn: str, database: Database, tmp_path: Path
) -> None:
    await open_lane(database)
    video_id, attempt_id = await put_attempt(database, AttemptState.PARKED)
    await database.execute(
        """
        INSERT INTO restored_sends (
            attempt_id, video_id, account, provider_model, sent_at, provider_job_id, epoch, outcome)
        VALUES ($1, $2, 'scripted', 'scripted-1', now(), NULL, 1, 'looked_for'),
               ('att_gone', 'job_gone', 'scripted', 'scripted-1', now(), 'vendor-9', 1, 'lost')
        """,
        attempt_id,
        video_id,
    )
    shown = await recover(dsn, tmp_path)
    assert shown.exit_code == 0
    held = next(line for line in shown.stdout.splitlines() if attempt_id in line)
    lost = next(line for line in shown.stdout.splitlines() if "att_gone" in line)
    assert "no job known" in held
    assert held.endswith("now parked")
    assert "job vendor-9  the database has nothing to bind it to" in lost
    assert "Nothing is sent to scripted: 1 of its sends are not settled." in shown.stderr
    resumed = await recover(dsn, tmp_path, "--resume")
    assert "Sending goes on; 1 sends stay open" in resumed.stderr
    assert "Nothing is sent to" not in resumed.stderr
    assert (await attempts_of(database, video_id))[0]["state"] == "parked"
