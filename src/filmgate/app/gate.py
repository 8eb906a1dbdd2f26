"""Bring a filmgate up in order, and take it down in reverse."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import structlog

from filmgate import __version__
from filmgate.api.application import ApiOptions, Services, create_api
from filmgate.app.database import open_database
from filmgate.app.parts import Parts
from filmgate.domain.provider import Provider
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.media import Media
from filmgate.settings import Settings
from filmgate.worker import Worker

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gate:
    """A filmgate that is up: what it serves with, and the worker where this process works."""

    settings: Settings
    services: Services
    database: Database
    worker: Worker | None
    api_key: str | None
    seconds: float

    def application(self) -> Any:
        """Return the ASGI application."""
        options = ApiOptions(
            version=__version__, public_url=self.settings.public_url, production=self.settings.production
        )
        return create_api(self.services, options, _nothing)


@asynccontextmanager
async def _nothing() -> AsyncGenerator[None, None]:
    yield


@asynccontextmanager
async def open_gate(
    settings: Settings,
    *,
    work: bool,
    providers: Mapping[str, Provider] | None = None,
    media: Media | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncGenerator[Gate, None]:
    """Bring everything up in order, and take it down in reverse.

    With ``work`` the process also carries out the background steps. ``providers`` stands in for the table
    of providers, and ``media`` for what looks into films, which benchmarks use. A database that is away is
    waited for until ``stop`` is set.
    """
    began = monotonic()
    async with AsyncExitStack() as stack:
        database, schema = await stack.enter_async_context(
            open_database(settings, wait_seconds=settings.database_wait_seconds, stop=stop)
        )
        parts = Parts(settings, database, schema, stack)
        services, worker, api_key = await parts.build(work=work, providers=providers, media=media)
        seconds = monotonic() - began
        _log.info("gate_open", seconds=round(seconds, 2), work=work, schema=schema)
        yield Gate(settings, services, database, worker, api_key, seconds)
