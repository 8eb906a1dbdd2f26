"""Show what the database had forgotten after it went back, and let sending go on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from filmgate.app import open_recovery
from filmgate.cli.operate import data_option, run_quietly
from filmgate.cli.running import load_settings
from filmgate.repositories.restores import Finding

_OUTCOMES = {
    "adopted": "its job was known, and is followed",
    "looked_for": "its provider is asked for it",
    "parked": "nobody can tell what came of it",
    "lost": "the database has nothing to bind it to",
}
_Shown = tuple[Sequence[Finding], Mapping[str, int], int]


@click.command()
@click.option("--resume", is_flag=True, help="Let sending go on although sends are not settled.")
@data_option
def recover(resume: bool, data: Path | None) -> None:
    """Show the sends that the database had forgotten after it went back (a restore, a failover).

    Nothing is sent to their accounts until they are settled. Most are by themselves; the others with
    "filmgate attempts", or all of them at once with --resume: then they stay open, and the rest goes on.
    """

    async def work() -> _Shown:
        async with open_recovery(load_settings(data=data)) as service:
            released = await service.resume() if resume else 0
            return await service.findings(), await service.stopped(), released

    found, stopped, released = run_quietly(work())
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("The database has not gone back: it knows of every send.", err=True)
    for account, count in stopped.items():
        click.echo(f"Nothing is sent to {account}: {count} of its sends are not settled.", err=True)
    if released:
        click.echo(f"Sending goes on; {released} sends stay open: see filmgate attempts ls.", err=True)


def _line(one: Finding) -> str:
    state = one.state or "no attempt"
    job = f"job {one.provider_job_id}" if one.provider_job_id else "no job known"
    return (
        f"{one.attempt_id}  {one.video_id}  {one.account}/{one.provider_model}  "
        f"{one.sent_at:%Y-%m-%d %H:%M}  {job}  {_OUTCOMES[one.outcome]}  now {state}"
        f"{'  released' if one.released else ''}"
    )
