"""Write structured logs: one JSON object a line, or coloured text for people."""

import json
import logging
import sys
import time
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


class _Lines:
    """Write the finished lines of one logger; what cannot be written is lost, and nobody waits for it."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self._file = file

    def msg(self, line: str | bytes) -> None:
        """Write one line."""
        text = line.encode("utf-8", "backslashreplace") if isinstance(line, str) else line
        with suppress(OSError, ValueError):
            self._file.write(text + b"\n")
            self._file.flush()

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
    file = sys.stderr.buffer

    def lines(name: str = "filmgate") -> _Lines:
        return _Lines(name, file)

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
