"""Put filmgate together: the one place that knows every part by name."""

import asyncio
import hashlib
import hmac
import os
import secrets
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any, cast

import structlog

from filmgate import __version__
from filmgate.api.application import ApiOptions, Services, create_api
from filmgate.domain.errors import BadSettings, DatabaseUnavailable
from filmgate.domain.ids import new_id
from filmgate.domain.key import new_secret
from filmgate.domain.provider import Provider
from filmgate.domain.routing import Capability, Lane, Route, Target
from filmgate.domain.webhook import read_secret, written_secret
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.callouts import Callouts
from filmgate.infrastructure.children import ChildPool
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres
from filmgate.infrastructure.media import Media, media_pool
from filmgate.infrastructure.migrations import migrate, read_migrations
from filmgate.infrastructure.notifications import Notifications
from filmgate.infrastructure.nudge import Nudge
from filmgate.infrastructure.storage import LocalStore
from filmgate.infrastructure.telemetry import set_up_logging
from filmgate.providers import PROVIDERS
from filmgate.providers.catalogue import read_catalogue
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.batches import BatchRepository
from filmgate.repositories.installation import Installation, InstallationRepository
from filmgate.repositories.keys import KeyRepository
from filmgate.repositories.lanes import LaneRepository
from filmgate.repositories.renders import RenderRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.repositories.webhooks import WebhookRepository
from filmgate.repositories.workers import WorkerRepository
from filmgate.services.acceptance import Acceptance
from filmgate.services.admission import AdmissionService
from filmgate.services.batches import BatchService
from filmgate.services.catalog import CatalogService
from filmgate.services.collecting import CollectingService
from filmgate.services.engine import EngineService, Verbs
from filmgate.services.fallback import FallbackService
from filmgate.services.forecast import Forecast
from filmgate.services.generation import GenerationService, Sender
from filmgate.services.health import HealthService
from filmgate.services.keys import KeyService
from filmgate.services.links import LinkService
from filmgate.services.pacing import PacingService
from filmgate.services.reconciliation import ReconciliationService
from filmgate.services.routing import RoutingService
from filmgate.services.upkeep import UpkeepService
from filmgate.services.videos import VideoService
from filmgate.services.watching import WatchingService
from filmgate.services.webhooks import WebhookService
from filmgate.settings import Settings
from filmgate.worker import Identity, Worker

__all__ = [
    "Gate",
    "open_database",
    "open_gate",
    "open_keys",
    "open_projector",
    "set_up_logging",
    "webhook_secret",
]

_log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).parent / "repositories" / "migrations"
ADMIT_CHANNEL = "filmgate_admit"
SORA_NAMES = ("sora-2", "sora-2-pro", "sora-1.0")
_RENDERER = (sys.executable, "-m", "filmgate.renderer")
_RENDERER_MEMORY = 1024**3
_NEAR = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128")
_REFRESH_SECONDS = 2.0
_USE_SECONDS = 30.0


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
async def open_database(settings: Settings) -> AsyncGenerator[tuple[Database, int], None]:
    """Open the database, our own or the one that was named, with its schema up to date."""
    # Others may look in: PostgreSQL does, where filmgate runs as root and it may not.
    settings.data.mkdir(mode=0o755, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        dsn = settings.database_url
        if dsn is None:
            server = EmbeddedPostgres(settings.data, binaries=settings.postgres_binaries)
            stack.push_async_callback(server.stop)
            dsn = await server.start()
        database = Database(dsn)
        stack.push_async_callback(database.close)
        await database.open()
        schema = read_migrations(MIGRATIONS)
        await migrate(database, schema)
        yield database, len(schema)


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncGenerator[KeyService, None]:
    """Open the database for nothing but its keys."""
    async with open_database(settings) as (database, _):
        yield KeyService(KeyRepository(database), None)


async def webhook_secret(settings: Settings) -> str:
    """Return the secret that receivers of webhooks verify with."""
    if settings.webhook_secret is not None:
        return written_secret(read_secret(settings.webhook_secret))
    async with open_database(settings) as (database, _):
        return written_secret(webhook_key(await _installation(database)))


@asynccontextmanager
async def open_projector() -> AsyncGenerator[Callable[[Path], Awaitable[float]], None]:
    """Yield a check that plays a film to its end and returns its seconds, or raises MediaUnreadable."""
    pool = media_pool(1)
    media = Media(pool)

    async def play(film: Path) -> float:
        return (await media.probe(film)).seconds

    try:
        yield play
    finally:
        await pool.close()


@asynccontextmanager
async def open_gate(
    settings: Settings,
    *,
    work: bool,
    providers: Mapping[str, Provider] | None = None,
    media: Media | None = None,
) -> AsyncGenerator[Gate, None]:
    """Bring everything up in order, and take it down in reverse.

    With ``work`` the process also carries out the background steps. ``providers`` stands in for the table
    of providers, and ``media`` for what looks into films, which benchmarks use.
    """
    began = monotonic()
    async with AsyncExitStack() as stack:
        database, schema = await stack.enter_async_context(open_database(settings))
        parts = _Parts(settings, database, schema, stack, media)
        table = providers or parts.providers(work=work)
        gate = await parts.gate(table, work=work, began=began)
        _log.info("gate_open", seconds=round(gate.seconds, 2), work=work, schema=schema)
        yield gate


class _Parts:
    """Build the parts of one gate, each once."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        schema: int,
        stack: AsyncExitStack,
        media: Media | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._schema = schema
        self._stack = stack
        self._media = media
        self._slots = _cores()
        self._worker_id = new_id("worker")
        self._store = LocalStore(settings.data / "assets")
        self._videos = VideoRepository(database)
        self._attempts = AttemptRepository(database)
        self._workers = WorkerRepository(database)
        self._lanes = LaneRepository(database)
        self._forecast = Forecast(self._lanes)
        self._bells: list[Callable[[], None]] = []
        self._nudge = Nudge(database, ADMIT_CHANNEL)

    def providers(self, *, work: bool) -> dict[str, Provider]:
        """Load the providers that are set up; only a process that works gives the renderer children."""
        pool: ChildPool | None = None
        if work:
            pool = ChildPool(_RENDERER, self._slots, memory_limit=_RENDERER_MEMORY)
            self._stack.push_async_callback(pool.close)
        embedded = _load(PROVIDERS["embedded"])
        return {"embedded": embedded(RenderRepository(self._database), self._store, pool, self._worker_id)}

    async def gate(self, table: Mapping[str, Provider], *, work: bool, began: float) -> Gate:
        """Return the gate with its loops running."""
        routes = build_routes(read_catalogue(), table, production=self._settings.production)
        await self._lanes.ensure(self._limits(table))
        installation = await _installation(self._database)
        api_key = self._settings.api_key or _development_key(self._settings)
        keys = KeyService(KeyRepository(self._database), api_key)
        routing = RoutingService(routes, self._settings.default_model)
        services = self._services(routing, table, keys, installation)
        self._loop(_REFRESH_SECONDS, self._forecast.refresh)
        self._loop(_USE_SECONDS, keys.record_use)
        worker = self._start_worker(table, installation, routing) if work else None
        for name in self._settings.unused:
            _log.warning("setting_without_effect", name=name, reason="no part of this release reads it")
        return Gate(self._settings, services, self._database, worker, api_key, monotonic() - began)

    def _services(
        self,
        routing: RoutingService,
        table: Mapping[str, Provider],
        keys: KeyService,
        installation: Installation,
    ) -> Services:
        acceptance = Acceptance(routing, self._forecast, self._store)
        videos = VideoService(self._videos, self._attempts, acceptance, table, self._store, self._wake)
        batches = BatchRepository(self._database, self._videos)
        return Services(
            videos=videos,
            batches=BatchService(batches, videos, acceptance, self._wake),
            keys=keys,
            catalog=CatalogService(routing),
            health=HealthService(
                InstallationRepository(self._database), self._workers, self._store, self._schema
            ),
            links=LinkService(installation.link_secret),
        )

    def _start_worker(
        self, table: Mapping[str, Provider], installation: Installation, routing: RoutingService
    ) -> Worker:
        common = (self._videos, self._attempts, table)
        fallback = FallbackService(routing, self._videos)
        verbs = Verbs(
            admission=AdmissionService(self._lanes),
            generation=GenerationService(
                *common, Sender(self._worker_id, self._ring), fallback, PacingService(self._lanes)
            ),
            watching=WatchingService(*common, self._ring),
            collecting=CollectingService(*common, self._media or self._open_media(), self._store, self._ring),
            reconciliation=ReconciliationService(*common, self._ring),
            webhooks=self._webhooks(installation),
            upkeep=UpkeepService(self._videos, self._attempts, self._workers, self._store),
        )
        engine = EngineService(
            self._database,
            verbs,
            cast("Any", table).get("embedded"),
            concurrency=self._settings.worker_concurrency,
            wake=self._ring,
        )
        worker = Worker(engine, Identity.of_this_process(self._worker_id))
        self._bells += [worker.something_waits, worker.something_is_due]
        notifications = Notifications(self._database, {ADMIT_CHANNEL: self._ring})
        self._task(notifications.run())
        worker.start()
        drain = timedelta(seconds=self._settings.drain_seconds)
        self._stack.push_async_callback(worker.stop, drain)
        return worker

    def _webhooks(self, installation: Installation) -> WebhookService:
        settings = self._settings
        # On a developer's machine receivers run beside us; in production only what is named may be private.
        near = () if settings.production else _NEAR
        guard = AddressGuard.allowing((*near, *settings.webhook_allow), plain_http=not settings.production)
        secret = settings.webhook_secret
        return WebhookService(
            WebhookRepository(self._database),
            self._videos,
            BatchRepository(self._database, self._videos),
            Callouts(guard),
            webhook_key(installation) if secret is None else read_secret(secret),
        )

    def _open_media(self) -> Media:
        pool = media_pool(1)
        self._stack.push_async_callback(pool.close)
        return Media(pool)

    def _ring(self) -> None:
        """Wake this process's own worker."""
        for bell in self._bells:
            bell()

    def _wake(self) -> None:
        """Wake every worker: ours at once, the others through the database."""
        self._ring()
        self._nudge()

    def _limits(self, table: Mapping[str, Provider]) -> list[Lane]:
        unknown = sorted(set(self._settings.lanes) - set(table))
        if unknown:
            known = ", ".join(sorted(table))
            raise BadSettings(f"lanes.{unknown[0]}: there is no such lane. Known: {known}.")
        return [Lane(name, self._settings.lanes.get(name, self._slots)) for name in table]

    def _loop(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            while True:
                with suppress(DatabaseUnavailable):
                    await work()
                await asyncio.sleep(seconds)

        self._task(run())

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)


async def _installation(database: Database) -> Installation:
    proposed = Installation(new_id("inst"), secrets.token_bytes(32))
    return await InstallationRepository(database).ensure(proposed)


def build_routes(
    capabilities: Mapping[tuple[str, str], Capability], table: Mapping[str, Provider], *, production: bool
) -> dict[str, Route]:
    """Return every name that can be asked for: the models that are set up, and Sora's names.

    Sora's names fall back to the built-in renderer, but never in production: nobody shall take moving
    pictures for what a model makes.
    """
    routes = {
        model: Route(model, (Target(lane=provider, capability=capability),))
        for (provider, model), capability in capabilities.items()
        if provider in table
    }
    stand_in = (
        ()
        if production
        else tuple(
            target for route in routes.values() for target in route.targets if target.lane == "embedded"
        )
    )
    for name in SORA_NAMES:
        routes[name] = Route(name, stand_in[:1], alias=True)
    return routes


def webhook_key(installation: Installation) -> bytes:
    """Return the key that signs webhooks where no WEBHOOK_SECRET was set: this installation's own."""
    return hmac.digest(installation.link_secret, b"webhooks", hashlib.sha256)


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _development_key(settings: Settings) -> str | None:
    """Return a key made up at the first start and kept with the data; production makes none up."""
    if settings.production:
        return None
    path = settings.data / "state" / "api_key"
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(new_secret())
    return path.read_text(encoding="utf-8").strip()
