"""Settle sends whose outcome nobody knows, directly on the installation's database."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from filmgate.app import open_operating
from filmgate.cli.operate import data_option, run_quietly
from filmgate.cli.running import load_settings
from filmgate.domain.money import Money
from filmgate.services.operating import OperatingService

T = TypeVar("T")


@click.group()
def attempts() -> None:
    """Settle sends whose outcome nobody knows: they may have been paid for."""


@attempts.command("ls")
@click.option("--unknown", is_flag=True, help="Only those still being looked into.")
@data_option
def list_attempts(unknown: bool, data: Path | None) -> None:
    """List attempts whose outcome is not known, the oldest first."""
    found = _operate(data, lambda service: service.list())
    shown = [one for one in found if one.state == "unknown" or not unknown]
    for one in shown:
        click.echo(
            f"{one.attempt_id}  {one.video_id}  {one.provider}/{one.provider_model}  {one.state}  "
            f"{one.price}  {one.sent_at:%Y-%m-%d %H:%M}  {one.reason or ''}"
        )
    click.echo(f"{len(shown)} attempts are unsettled." if shown else "Every attempt is settled.", err=True)


@attempts.command()
@click.argument("attempt_id")
@click.argument("provider_job_id")
@data_option
def adopt(attempt_id: str, provider_job_id: str, data: Path | None) -> None:
    """Bind ATTEMPT_ID to the provider's job PROVIDER_JOB_ID, and follow it to its end."""
    _operate(data, lambda service: service.adopt(attempt_id, provider_job_id))
    click.echo(f"{attempt_id} is followed as {provider_job_id}.")


@attempts.command()
@click.argument("attempt_id")
@click.option("--charged", default="0", metavar="DOLLARS", help="What the provider has charged. [default: 0]")
@data_option
def abandon(attempt_id: str, charged: str, data: Path | None) -> None:
    """Give ATTEMPT_ID up: its video fails, and what it has cost is written down."""
    try:
        cost = Money.parse(charged.removeprefix("$"))
    except ArithmeticError as error:
        raise click.BadParameter("write dollars, such as 1.20", param_hint="--charged") from error
    _operate(data, lambda service: service.abandon(attempt_id, cost))
    click.echo(f"{attempt_id} is given up; {cost} is written down as charged.")


@attempts.command()
@click.argument("attempt_id")
@click.option("--may-pay-twice", is_flag=True, required=True, help="Say that you know what this means.")
@data_option
def resend(attempt_id: str, may_pay_twice: bool, data: Path | None) -> None:
    """Send the video of ATTEMPT_ID again, although the lost send may have been paid for."""
    _operate(data, lambda service: service.resend(attempt_id))
    click.echo(f"{attempt_id} counts as not created; its video waits to be sent again.")


def _operate(data: Path | None, verb: Callable[[OperatingService], Awaitable[T]]) -> T:
    async def work() -> T:
        async with open_operating(load_settings(data=data)) as service:
            return await verb(service)

    return run_quietly(work())
