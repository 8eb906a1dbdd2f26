"""Write structured logs: one JSON object a line, or coloured text for people."""

import asyncio
import atexit
import json
import logging
import sys
import time
from collections import deque
from contextlib import suppress
from functools import lru_cache
from typing import Any, BinaryIO

import msgspec
import structlog

_encode = msgspec.json.Encoder(enc_hook=str).encode
_QUIET = ("asyncio", "pgqueuer", "uvicorn.access", "aiohttp.access")


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _stamp(_logger: Any, _method: str, event: Any) -> Any:
    """Add the time; the many lines of one second share all of it but the end."""
    micros = time.time_ns() // 1000
    event["timestamp"] = f"{_second(micros // 1_000_000)}.{micros % 1_000_000:06d}Z"
    return event


_SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    _stamp,
    structlog.processors.StackInfoRenderer(),
)


def _whole_line(logger: Any, method: str, event: Any) -> bytes:
    """Do in one go what the chain does for the libraries: a request is not over before its line."""
    event["level"] = "error" if method == "exception" else method
    event["logger"] = logger.name
    event = _stamp(logger, method, event)
    if "exc_info" in event or "stack_info" in event:
        event = structlog.processors.StackInfoRenderer()(logger, method, event)
        event = structlog.processors.format_exc_info(logger, method, event)
    return _serialise(event)


class Sheaf:
    """Write the lines of one turn of the event loop at once; outside of a loop each by itself.

    What cannot be written is lost, and nobody waits for it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: deque[bytes] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        atexit.register(self.flush)

    def add(self, line: bytes) -> None:
        """Take one line, to be written before the loop waits again."""
        self._lines.append(line)
        if self._loop is None or self._loop.is_closed():
            try:
                self._loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what there is."""
        self._loop = None
        taken: list[bytes] = []
        # Two threads may be here at once: each line goes with the one that got it.
        with suppress(IndexError):
            while True:
                taken.append(self._lines.popleft())
        with suppress(OSError, ValueError):
            self._file.write(b"".join(line + b"\n" for line in taken))
            self._file.flush()


class _Lines:
    """Hand on the finished lines of one logger."""

    def __init__(self, name: str, sheaf: Sheaf) -> None:
        self.name = name
        self._sheaf = sheaf

    def msg(self, line: str | bytes) -> None:
        """Write one line."""
        self._sheaf.add(line.encode("utf-8", "backslashreplace") if isinstance(line, str) else line)

    debug = info = warning = error = critical = exception = msg


def set_up_logging(level: str, *, pretty: bool) -> None:
    """Send every logger's lines to standard error, from ``level`` upwards.

    Our own loggers write straight to it, for a line of each request through the standard library's
    machinery costs as much as the request; the libraries' loggers go through that.
    """
    renderer: Any = (
        # The plain formatter shows no local variables: they may hold prompts and keys.
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if pretty
        else structlog.processors.JSONRenderer(serializer=_serialise)
    )
    finish = [] if pretty else [structlog.processors.format_exc_info]
    _set_up_libraries(level, finish, renderer)
    sheaf = Sheaf(sys.stderr.buffer)

    def lines(name: str = "filmgate") -> _Lines:
        return _Lines(name, sheaf)

    chain = [*_SHARED, renderer] if pretty else [structlog.contextvars.merge_contextvars, _whole_line]
    structlog.configure(
        processors=chain,
        logger_factory=lines,
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        cache_logger_on_first_use=True,
    )


def _set_up_libraries(level: str, finish: list[Any], renderer: Any) -> None:
    def as_text(logger: Any, method: str, event: Any) -> str:
        line = renderer(logger, method, event)
        return line.decode() if isinstance(line, bytes) else line

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish, as_text],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _serialise(event: Any, **_: Any) -> bytes:
    try:
        return _encode(event)
    except (ValueError, TypeError):
        # Half a surrogate pair, say: a line is written all the same, and no request fails over it.
        return json.dumps(event, default=repr, skipkeys=True).encode()
