"""Check the books of an installation."""

import sys
from pathlib import Path

import click

from filmgate.app import open_money
from filmgate.cli.operate import data_option, run_quietly
from filmgate.cli.running import load_settings


@click.group()
def ledger() -> None:
    """Look after the ledger."""


@ledger.command("check")
@data_option
def check_ledger(data: Path | None) -> None:
    """Check that videos, holds, ledger and budgets add up; exit with 1 and list what does not."""

    async def work() -> tuple[str, ...]:
        async with open_money(load_settings(data=data)) as money:
            return tuple(await money.budgets.imbalance())

    wrong = run_quietly(work())
    for line in wrong:
        click.echo(line)
    if wrong:
        click.echo(f"{len(wrong)} things do not add up.", err=True)
        sys.exit(1)
    click.echo("The ledger adds up.")
