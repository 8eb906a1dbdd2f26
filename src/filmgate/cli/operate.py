"""Operate an installation: its schema and its keys, directly on its database."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from filmgate.app import Books, open_database, open_keys, open_money, set_up_logging, webhook_secret
from filmgate.cli.running import load_settings
from filmgate.domain.budget import Budget, Span, read_limit
from filmgate.domain.errors import FilmgateError
from filmgate.domain.key import ROOT_KEY_ID, Key
from filmgate.domain.money import Money
from filmgate.services.keys import KeyService

T = TypeVar("T")
data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the installation. [env: FILMGATE_DATA]"
)


class _Limit(click.ParamType[tuple[Span, Money]]):
    """An amount of dollars, perhaps by day or by month."""

    name = "DOLLARS[/day|/month]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Span, Money]:
        """Read ``40``, ``25/day`` or ``300/month``."""
        try:
            return read_limit(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


_budget_option = click.option(
    "--budget",
    type=_Limit(),
    multiple=True,
    help="What it may spend: 40 in all, 25/day or 300/month. May be given for each.",
)


@click.command("migrate")
@data_option
def migrate_schema(data: Path | None) -> None:
    """Bring the database's schema up to date; harmless when repeated."""

    async def work() -> int:
        async with open_database(load_settings(data=data)) as (_, schema):
            return schema

    click.echo(f"The schema is up to date ({run_quietly(work())}).")


@click.group()
def keys() -> None:
    """Create, list and revoke keys, and say what they may spend."""


@keys.command("create")
@click.argument("name")
@click.option("--project", help="Keys of one project see each other's videos. [default: one of its own]")
@_budget_option
@data_option
def create_key(
    name: str, project: str | None, budget: tuple[tuple[Span, Money], ...], data: Path | None
) -> None:
    """Create a key called NAME and print its secret, which is shown this once."""

    async def work(money: Books) -> tuple[Key, str]:
        made = await money.keys.create(name, project)
        # The secret is not known to anybody yet, so nothing is spent before the budget is set.
        await money.budgets.grant(made[0].id, dict(budget))
        return made

    key, secret = _with_books(data, work)
    click.echo(secret)
    click.echo(f"{key.id} · {key.name} · project {key.project}. The secret is shown this once.", err=True)


@keys.command("ls")
@data_option
def list_keys(data: Path | None) -> None:
    """List all keys, the operator's own first, then the oldest."""

    async def work(money: Books) -> tuple[Sequence[Key], Mapping[str, Sequence[Budget]]]:
        listed = [await money.keys.named(ROOT_KEY_ID), *await money.keys.list()]
        return listed, await money.budgets.of([key.id for key in listed])

    found, budgets = _with_books(data, work)
    rows = [("ID", "NAME", "PROJECT", "ENDS IN", "CREATED", "LAST USED", "STATE", "BUDGET")]
    rows += [_listed(key, budgets.get(key.id, ())) for key in found]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@keys.command("revoke")
@click.argument("key_id")
@data_option
def revoke_key(key_id: str, data: Path | None) -> None:
    """Revoke the key KEY_ID; every process refuses it within five seconds."""
    _with_keys(data, lambda service: service.revoke(key_id))
    click.echo(f"{key_id} is revoked.")


@keys.command("budget")
@click.argument("key_id")
@_budget_option
@click.option(
    "--no-budget", type=click.Choice([span.value for span in Span]), multiple=True, help="Lift this one."
)
@data_option
def set_budget(
    key_id: str, budget: tuple[tuple[Span, Money], ...], no_budget: tuple[str, ...], data: Path | None
) -> None:
    """Say what the key KEY_ID may spend, and show it; what it has used before counts.

    API_KEY stands for the operator's own key.
    """

    async def work(money: Books) -> Sequence[Budget]:
        key = await money.keys.named(key_id)
        await money.budgets.lift(key.id, map(Span, no_budget))
        await money.budgets.grant(key.id, dict(budget))
        return (await money.budgets.of([key.id])).get(key.id, ())

    standing = _with_books(data, work)
    click.echo("\n".join(map(_standing, standing)) or f"{key_id} may spend without a limit.")


@click.group()
def webhooks() -> None:
    """Work with webhooks."""


@webhooks.command("secret")
@data_option
def show_webhook_secret(data: Path | None) -> None:
    """Print the secret that receivers verify signatures with, as Standard Webhooks libraries take it."""
    click.echo(run_quietly(webhook_secret(load_settings(data=data))))


def _with_keys(data: Path | None, verb: Callable[[KeyService], Awaitable[T]]) -> T:
    async def work() -> T:
        async with open_keys(load_settings(data=data)) as service:
            return await verb(service)

    return run_quietly(work())


def _with_books(data: Path | None, verb: Callable[[Books], Awaitable[T]]) -> T:
    async def work() -> T:
        async with open_money(load_settings(data=data)) as money:
            return await verb(money)

    return run_quietly(work())


def run_quietly(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end with warnings only, and turn what goes wrong into one line."""
    set_up_logging("warning", pretty=True)
    try:
        return asyncio.run(work)
    except FilmgateError as error:
        raise click.ClickException(str(error)) from error


def _listed(key: Key, budgets: Sequence[Budget]) -> tuple[str, ...]:
    state = "revoked" if key.revoked_at else "open"
    spends = ", ".join(map(_standing, budgets)) or "none"
    if key.id == ROOT_KEY_ID:
        # It lies in the environment or with the data; nothing of it is in the database but its budget.
        return (key.id, key.name, key.project, "-", "-", "-", state, spends)
    used = _when(key.last_used_at)
    return (key.id, key.name, key.project, key.hint, _when(key.created_at), used, state, spends)


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else moment.strftime("%Y-%m-%d %H:%M")


def _standing(budget: Budget) -> str:
    per = "" if budget.span is Span.TOTAL else f"/{budget.span.value}"
    return f"{budget.limit}{per}: {budget.used} used, {budget.left} left"
