"""Bring home a film that was ordered elsewhere."""

from pathlib import Path
from typing import Any

import click

from filmgate.app import open_adoption
from filmgate.cli.operate import data_option, run_quietly
from filmgate.cli.running import load_settings
from filmgate.domain.key import DEFAULT_PROJECT
from filmgate.services.adoption import AskedAdoption


@click.command()
@click.argument("provider")
@click.argument("job_id")
@click.option("--seconds", type=float, required=True, help="The length that was asked for.")
@click.option("--model", help="The provider's model, where it has several.")
@click.option("--size", metavar="WIDTHxHEIGHT", help="The size that was asked for.")
@click.option("--prompt", default="", help="What was asked for, to find it again.")
@click.option("--project", default=DEFAULT_PROJECT, show_default=True, help="Whose video it is to be.")
@data_option
def adopt(data: Path | None, **asked: Any) -> None:
    """Make the job JOB_ID at PROVIDER a video of this filmgate, which follows it and stores its film.

    For jobs that were ordered before filmgate was there, with the same account. Nothing is created at the
    provider and nothing is charged here.
    """

    async def work() -> str:
        async with open_adoption(load_settings(data=data)) as service:
            return (await service.adopt(AskedAdoption(**asked))).id

    click.echo(run_quietly(work()))
    click.echo("A running filmgate follows it and brings its film home.", err=True)
