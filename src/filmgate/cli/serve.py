"""Run the gateway, or a worker beside it."""

from pathlib import Path

import click

from filmgate import __version__
from filmgate.app import open_gate, set_up_logging
from filmgate.cli.running import Serving, first_of, load_settings, run, serving, stop_on_signals
from filmgate.settings import Settings

_data = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder for database and films. [env: FILMGATE_DATA]"
)


@click.command()
@click.option("--host", help="Address to listen on. [env: HOST] [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0 for any. [env: PORT] [default: 8000]")
@_data
@click.option("--no-worker", is_flag=True, help="Serve the API only; workers run elsewhere.")
def serve(host: str | None, port: int | None, data: Path | None, no_worker: bool) -> None:
    """Run the gateway: API, worker and, where DATABASE_URL is not set, PostgreSQL."""
    settings = load_settings(host=host, port=port, data=data)
    set_up_logging(settings.log_level, pretty=settings.log_pretty)
    run(_serve(settings, work=not no_worker))


@click.command()
@_data
@click.option("--concurrency", type=click.IntRange(2), help="Steps at a time. [env: WORKER_CONCURRENCY]")
def worker(data: Path | None, concurrency: int | None) -> None:
    """Run a worker: it takes videos to their providers and brings the films home."""
    settings = load_settings(data=data, worker_concurrency=concurrency)
    set_up_logging(settings.log_level, pretty=settings.log_pretty)
    run(_work(settings))


async def _serve(settings: Settings, *, work: bool) -> int:
    stop = stop_on_signals()
    async with serving(settings, work=work, stop=stop) as here:
        _announce(here, work=work)
        await first_of(stop, here.ended)
    return 0 if stop.is_set() else 1


async def _work(settings: Settings) -> int:
    stop = stop_on_signals()
    async with open_gate(settings, work=True, stop=stop) as gate:
        click.echo(f"filmgate {__version__} · worker ready in {gate.seconds:.1f} s", err=True)
        await stop.wait()
    return 0


def _announce(here: Serving, *, work: bool) -> None:
    settings = here.gate.settings
    database = "embedded PostgreSQL" if settings.database_url is None else "PostgreSQL"
    role = "API and worker" if work else "API only"
    lines = [
        f"filmgate {__version__} · {role} · {database} · ready in {here.gate.seconds:.1f} s",
        f"  API    {here.address}/api/v1",
        f"  Docs   {here.address}/docs",
        f"  Data   {settings.data}",
    ]
    if settings.api_key is None and here.gate.api_key is not None:
        lines.append(f"  Key    {here.gate.api_key}")
    click.echo("\n".join(lines), err=True)
