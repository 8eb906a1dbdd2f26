"""Run a gate in this process: settings, event loop, signals, socket and server."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
import uvicorn

from filmgate.app import Gate, open_gate
from filmgate.domain.errors import BadSettings, FilmgateError
from filmgate.settings import Settings, read_settings

_HTTP_DRAIN_SECONDS = 5
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Serving:
    """A gate that answers at an address; ``ended`` is done when the server has stopped by itself."""

    gate: Gate
    address: str
    ended: "asyncio.Task[None]"


def load_settings(**overrides: object) -> Settings:
    """Return the settings, or end with a sentence that says what is wrong where."""
    try:
        return read_settings(os.environ, Path.cwd(), overrides)
    except BadSettings as error:
        _end(error)


def run(work: Coroutine[Any, Any, int]) -> None:
    """Run to the end and exit with the code that comes back."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(work)
    except FilmgateError as error:
        _end(error)
    sys.exit(code)


def stop_on_signals() -> asyncio.Event:
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


async def first_of(*waiting: "asyncio.Event | asyncio.Task[Any]") -> None:
    """Return when the first of these has happened; the tasks among them go on."""
    tasks = [asyncio.create_task(one.wait()) if isinstance(one, asyncio.Event) else one for one in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one, task in zip(waiting, tasks, strict=True):
            if isinstance(one, asyncio.Event):
                task.cancel()


@asynccontextmanager
async def serving(
    settings: Settings, *, work: bool, stop: asyncio.Event | None = None
) -> AsyncGenerator[Serving, None]:
    """Open a gate and answer at its address until left; ``stop`` ends the wait for a database."""
    with _listen(settings) as listener:
        async with open_gate(settings, work=work, stop=stop) as gate:
            server = _Server(
                uvicorn.Config(
                    gate.application(),
                    http=_protocol(),
                    lifespan="on",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    # The one thing we take from a proxy, its scheme, we read where a link is made.
                    proxy_headers=False,
                    timeout_graceful_shutdown=_HTTP_DRAIN_SECONDS,
                    timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                    backlog=_BACKLOG,
                )
            )
            _spare_the_collector()
            ended = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield Serving(gate, _address(settings, listener), ended)
            finally:
                server.should_exit = True
                await asyncio.gather(ended, return_exceptions=True)


def _address(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - shown, not listened on
    return settings.public_url or f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise BadSettings(
            f"HOST and PORT: {settings.host}:{settings.port} cannot be listened on: {error.strerror}. "
            "Choose another port, or stop what is using it."
        ) from error
    return listener


class _Server(uvicorn.Server):
    """A server that leaves signals to us."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the handlers as they are."""
        yield


def _spare_the_collector() -> None:
    """Let the collector pass over what is there to stay: looking through it costs up to 6 % of a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _protocol() -> Any:
    try:
        from filmgate.cli.protocol import WholeAnswerProtocol
    except ImportError:
        return "auto"
    return WholeAnswerProtocol


def _end(error: FilmgateError) -> NoReturn:
    click.echo(f"filmgate: {error}", err=True)
    sys.exit(2 if isinstance(error, BadSettings) else 1)
