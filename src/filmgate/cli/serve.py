"""Run the gateway, or a worker beside it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import uvicorn

from filmgate import __version__
from filmgate.app import Gate, open_gate
from filmgate.domain.errors import BadSettings, FilmgateError
from filmgate.infrastructure.telemetry import set_up_logging
from filmgate.settings import Settings, read_settings

_HTTP_DRAIN_SECONDS = 5
_BACKLOG = 2048

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
    _run(_serve(settings, work=not no_worker))


@click.command()
@_data
@click.option("--concurrency", type=click.IntRange(2), help="Steps at a time. [env: WORKER_CONCURRENCY]")
def worker(data: Path | None, concurrency: int | None) -> None:
    """Run a worker: it takes videos to their providers and brings the films home."""
    settings = load_settings(data=data, worker_concurrency=concurrency)
    set_up_logging(settings.log_level, pretty=settings.log_pretty)
    _run(_work(settings))


def load_settings(**overrides: object) -> Settings:
    """Return the settings, or end with a sentence that says what is wrong where."""
    try:
        return read_settings(os.environ, Path.cwd(), overrides)
    except BadSettings as error:
        _end(error, 2)
        raise


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(work)
    except FilmgateError as error:
        _end(error, 2 if isinstance(error, BadSettings) else 1)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _end(error: Exception, code: int) -> None:
    click.echo(f"filmgate: {error}", err=True)
    sys.exit(code)


async def _serve(settings: Settings, *, work: bool) -> None:
    stop = _stop_on_signals()
    async with open_gate(settings, work=work) as gate:
        listener = _listen(settings)
        with listener:
            server = _Server(
                uvicorn.Config(
                    gate.application(),
                    lifespan="on",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    date_header=True,
                    timeout_graceful_shutdown=_HTTP_DRAIN_SECONDS,
                    timeout_keep_alive=75,
                    backlog=_BACKLOG,
                )
            )
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            _announce(gate, listener, work=work)
            await _first(serving, stop)
            server.should_exit = True
            await serving


async def _work(settings: Settings) -> None:
    stop = _stop_on_signals()
    async with open_gate(settings, work=True) as gate:
        click.echo(f"filmgate {__version__} · worker ready in {gate.seconds:.1f} s", err=True)
        await stop.wait()


async def _first(serving: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _stop_on_signals() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
    return stop


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise BadSettings(
            f"HOST and PORT: {settings.host}:{settings.port} cannot be listened on: {error.strerror}. "
            "Choose another port, or stop what is using it."
        ) from error
    listener.listen(_BACKLOG)
    return listener


class _Server(uvicorn.Server):
    """A server that leaves signals to us."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the handlers as they are."""
        yield


def _announce(gate: Gate, listener: socket.socket, *, work: bool) -> None:
    host, port = listener.getsockname()[:2]
    address = gate.settings.public_url or f"http://{host}:{port}"
    database = "PostgreSQL (embedded)" if gate.settings.database_url is None else "PostgreSQL"
    role = "API and worker" if work else "API only"
    lines = [
        f"filmgate {__version__} · {database} · {role} · ready in {gate.seconds:.1f} s",
        f"  API    {address}/api/v1",
        f"  Docs   {address}/docs",
        f"  Data   {gate.settings.data}",
    ]
    if gate.settings.api_key is None and gate.api_key is not None:
        lines.append(f"  Key    {gate.api_key}")
    click.echo("\n".join(lines), err=True)
