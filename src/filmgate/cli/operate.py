"""Operate an installation: its schema and its keys, directly on its database."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from filmgate.app import open_database, open_keys, set_up_logging, webhook_secret
from filmgate.cli.running import load_settings
from filmgate.domain.errors import FilmgateError
from filmgate.services.keys import KeyService

T = TypeVar("T")
data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the installation. [env: FILMGATE_DATA]"
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
    """Create, list and revoke keys."""


@keys.command("create")
@click.argument("name")
@click.option("--project", help="Keys of one project see each other's videos. [default: one of its own]")
@data_option
def create_key(name: str, project: str | None, data: Path | None) -> None:
    """Create a key called NAME and print its secret, which is shown this once."""
    key, secret = _with_keys(data, lambda service: service.create(name, project))
    click.echo(secret)
    click.echo(f"{key.id} · {key.name} · project {key.project}. The secret is shown this once.", err=True)


@keys.command("ls")
@data_option
def list_keys(data: Path | None) -> None:
    """List all keys, oldest first."""
    found = _with_keys(data, lambda service: service.list())
    rows = [("ID", "NAME", "PROJECT", "ENDS IN", "CREATED", "LAST USED", "STATE")]
    rows += [
        (
            key.id,
            key.name,
            key.project,
            key.hint,
            _when(key.created_at),
            _when(key.last_used_at),
            "revoked" if key.revoked_at else "open",
        )
        for key in found
    ]
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


def run_quietly(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end with warnings only, and turn what goes wrong into one line."""
    set_up_logging("warning", pretty=True)
    try:
        return asyncio.run(work)
    except FilmgateError as error:
        raise click.ClickException(str(error)) from error


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else moment.strftime("%Y-%m-%d %H:%M")
