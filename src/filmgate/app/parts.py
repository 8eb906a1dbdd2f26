"""Build the parts of one gate, each once, and hand them to each other."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any, cast

import structlog

from filmgate.api.application import Services
from filmgate.app.database import development_key, once_there, open_installation, webhook_key
from filmgate.app.filing import file_batch_steps, file_batches_on
from filmgate.app.guards import restore_guard
from filmgate.app.machine import RENDERER, RENDERER_MEMORY, cores
from filmgate.app.routes import build_routes
from filmgate.app.vendors import VENDOR_SLOTS, Vendors
from filmgate.domain.errors import BadSettings, DatabaseUnavailable
from filmgate.domain.ids import new_id
from filmgate.domain.provider import Provider
from filmgate.domain.routing import Lane
from filmgate.domain.webhook import read_secret
from filmgate.infrastructure.addresses import WEB_PORTS, AddressGuard
from filmgate.infrastructure.callouts import Callouts
from filmgate.infrastructure.children import ChildPool
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.fetching import Fetcher
from filmgate.infrastructure.media import Media, media_pool
from filmgate.infrastructure.notifications import Notifications
from filmgate.infrastructure.nudge import Nudge
from filmgate.infrastructure.storage import LocalStore
from filmgate.providers.embedded import Embedded
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.batches import BatchRepository
from filmgate.repositories.budgets import BudgetRepository
from filmgate.repositories.characters import CharacterRepository
from filmgate.repositories.deletions import DeletionRepository
from filmgate.repositories.files import FileRepository
from filmgate.repositories.idempotency import IdempotencyRepository
from filmgate.repositories.installation import Installation, InstallationRepository
from filmgate.repositories.keys import KeyRepository
from filmgate.repositories.lanes import LaneRepository
from filmgate.repositories.renders import RenderRepository
from filmgate.repositories.reroutes import RerouteRepository
from filmgate.repositories.restores import RestoreRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.repositories.webhook_endpoints import WebhookEndpointRepository
from filmgate.repositories.webhooks import WebhookRepository
from filmgate.repositories.workers import WorkerRepository
from filmgate.services.acceptance import Acceptance
from filmgate.services.admission import AdmissionService
from filmgate.services.batches import BatchService
from filmgate.services.casting import CastingService
from filmgate.services.catalog import CatalogService
from filmgate.services.characters import CharacterService
from filmgate.services.collecting import CollectingService
from filmgate.services.deletions import DeletionService
from filmgate.services.derivations import DerivationService
from filmgate.services.engine import EngineService, Verbs
from filmgate.services.fallback import FallbackService
from filmgate.services.file_batches import FileBatchService
from filmgate.services.files import FileService
from filmgate.services.forecast import Forecast
from filmgate.services.generation import GenerationService, Sender
from filmgate.services.guarding import RestoreGuard
from filmgate.services.health import WORKER_SILENCE, HealthService
from filmgate.services.idempotency import IdempotencyService
from filmgate.services.keys import KeyService
from filmgate.services.links import LinkService
from filmgate.services.notices import NoticeService
from filmgate.services.pacing import PacingService
from filmgate.services.polling import PollPlan
from filmgate.services.reconciliation import ReconciliationService
from filmgate.services.retirement import RetirementService
from filmgate.services.routing import RoutingService
from filmgate.services.sora_videos import SoraVideoService
from filmgate.services.sources import Sources
from filmgate.services.upkeep import UpkeepService
from filmgate.services.uploads import UploadService
from filmgate.services.usage import UsageService
from filmgate.services.videos import VideoService
from filmgate.services.watching import WatchingService
from filmgate.services.webhook_endpoints import WebhookEndpointService
from filmgate.services.webhooks import WebhookService
from filmgate.settings import Settings
from filmgate.worker import Identity, Worker, ended

_log = structlog.get_logger(__name__)

ADMIT_CHANNEL = "filmgate_admit"
_NEAR = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128")
_REFRESH_SECONDS = 2.0
_USE_SECONDS = 30.0
_DAY_SECONDS = 86_400.0
_LEARN_SECONDS = 30.0
_VERIFY_SECONDS = 2.0
_PURGE_SECONDS = 30.0
_FILING_SECONDS = 1.0


class Parts:
    """Build the parts of one gate, each once."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        schema: int,
        stack: AsyncExitStack,
    ) -> None:
        self._settings = settings
        self._database = database
        self._schema = schema
        self._stack = stack
        self._media: Media | None = None
        self._vendors = Vendors(settings, stack)
        self._slots = cores()
        self._worker_id = new_id("worker")
        self._store = LocalStore(settings.data / "assets")
        self._videos = VideoRepository(database)
        self._attempts = AttemptRepository(database)
        self._workers = WorkerRepository(database)
        self._lanes = LaneRepository(database)
        self._idempotency = IdempotencyRepository(database)
        self._forecast = Forecast(self._lanes)
        self._bells: list[Callable[[], None]] = []
        self._nudge = Nudge(database, ADMIT_CHANNEL)

    async def build(
        self, *, work: bool, providers: Mapping[str, Provider] | None, media: Media | None
    ) -> tuple[Services, Worker | None, str | None]:
        """Return the services, the worker where this process works, and the operator's key."""
        self._media = media
        capabilities = self._vendors.capabilities()
        table = providers or {**self._embedded(work=work), **self._vendors.connect()}
        routes = build_routes(
            capabilities, table, self._settings.routes, production=self._settings.production
        )
        settle = partial(self._settle, table, work=work)
        installation = await once_there(settle, self._settings.database_wait_seconds)
        api_key = self._settings.api_key or development_key(self._settings)
        keys = KeyService(KeyRepository(self._database), api_key)
        routing = RoutingService(routes, self._settings.default_model)
        services = self._services(routing, table, keys, installation)
        self._loop(_REFRESH_SECONDS, self._forecast.refresh)
        self._loop(_USE_SECONDS, keys.record_use)
        self._loop(_DAY_SECONDS, RetirementService(routing).warn)
        worker: Worker | None = None
        if work:
            guard = restore_guard(self._settings, self._database, table, self._worker_id)
            await guard.verify()
            self._loop(_VERIFY_SECONDS, guard.verify)
            worker = self._start_worker(table, installation, routing, guard, services)
        for name in self._settings.unused:
            _log.warning("setting_without_effect", name=name, reason="no part of this release reads it")
        return services, worker, api_key

    async def _settle(self, table: Mapping[str, Provider], *, work: bool) -> Installation:
        """Write down what lanes there are, and return what makes this installation itself."""
        await self._lanes.ensure(await self._limits(table, work=work))
        return await open_installation(self._database)

    def _embedded(self, *, work: bool) -> dict[str, Provider]:
        """Return the built-in renderer; only a process that works gives it children."""
        pool: ChildPool | None = None
        if work:
            pool = ChildPool(RENDERER, self._slots, memory_limit=RENDERER_MEMORY)
            self._stack.push_async_callback(pool.close)
        return {"embedded": Embedded(RenderRepository(self._database), self._store, pool, self._worker_id)}

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
        files = FileService(FileRepository(self._database), self._store)
        # A child of its own: nobody who asks is to wait until a film has been brought home.
        sources = Sources(self._videos, self._media or self._open_media(), self._store)
        characters = CharacterService(CharacterRepository(self._database), sources, self._store)
        casting = CastingService(characters, sources, routing)
        return Services(
            videos=videos,
            batches=BatchService(batches, videos, acceptance, self._wake),
            keys=keys,
            catalog=CatalogService(routing),
            health=HealthService(
                InstallationRepository(self._database),
                self._workers,
                RestoreRepository(self._database),
                self._store,
                self._schema,
            ),
            links=LinkService(installation.link_secret),
            notices=NoticeService(table, self._videos, self._attempts, self._vendors.is_sealed, self._wake),
            idempotency=IdempotencyService(self._idempotency),
            usage=UsageService(BudgetRepository(self._database)),
            webhook_endpoints=WebhookEndpointService(
                WebhookEndpointRepository(self._database), Callouts(self._guard())
            ),
            uploads=UploadService(self._store),
            sora=SoraVideoService(videos, files, Fetcher(self._guard()), casting),
            derivations=DerivationService(sources, routing, acceptance, videos),
            characters=characters,
            deletions=self._deletions(),
            files=files,
            file_batches=FileBatchService(file_batches_on(self._database), files),
        )

    def _start_worker(
        self,
        table: Mapping[str, Provider],
        installation: Installation,
        routing: RoutingService,
        guard: RestoreGuard,
        services: Services,
    ) -> Worker:
        common = (self._videos, self._attempts, table)
        fallback = FallbackService(
            routing, self._videos, RerouteRepository(self._database), self._settings.refusals
        )
        plan = PollPlan({name: provider.polling for name, provider in table.items()})
        watching = WatchingService(*common, self._ring, plan, fallback)
        self._loop(_LEARN_SECONDS, watching.learn)
        self._loop(_PURGE_SECONDS, self._deletions().purge)
        acceptance = Acceptance(routing, self._forecast, self._store)
        filing = file_batch_steps(self._database, services, acceptance, self._store, self._wake)
        self._loop(_FILING_SECONDS, filing.watch)
        self._loop(_PURGE_SECONDS, services.files.clear)
        verbs = Verbs(
            admission=AdmissionService(self._lanes),
            generation=GenerationService(
                *common,
                Sender(
                    self._worker_id, self._ring, self._store, plan, routing.price_of, guard.of_providers()
                ),
                fallback,
                PacingService(self._lanes),
            ),
            watching=watching,
            collecting=CollectingService(*common, self._media or self._open_media(), self._store, self._ring),
            reconciliation=ReconciliationService(*common, self._ring),
            webhooks=self._webhooks(installation),
            file_batches=filing,
            upkeep=UpkeepService(self._videos, self._attempts, self._workers, self._store, self._idempotency),
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
        self._stack.push_async_callback(watching.close)
        drain = timedelta(seconds=self._settings.drain_seconds)
        self._stack.push_async_callback(worker.stop, drain)
        return worker

    def _webhooks(self, installation: Installation) -> WebhookService:
        secret = self._settings.webhook_secret
        return WebhookService(
            WebhookRepository(self._database),
            WebhookEndpointRepository(self._database),
            self._videos,
            BatchRepository(self._database, self._videos),
            Callouts(self._guard()),
            webhook_key(installation) if secret is None else read_secret(secret),
        )

    def _guard(self) -> AddressGuard:
        settings = self._settings
        # On a developer's machine receivers run beside us; in production only what is named may be private.
        near = () if settings.production else _NEAR
        ports = frozenset({*WEB_PORTS, *settings.webhook_ports}) if settings.production else None
        return AddressGuard.allowing(
            (*near, *settings.webhook_allow), plain_http=not settings.production, ports=ports
        )

    def _deletions(self) -> DeletionService:
        return DeletionService(self._videos, DeletionRepository(self._database), self._store)

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

    async def _limits(self, table: Mapping[str, Provider], *, work: bool) -> list[Lane]:
        """Return the lanes; limits that the file does not give are those of the first worker there is."""
        settings = self._settings
        unknown = sorted(set(settings.lanes) - set(table))
        if unknown:
            known = ", ".join(sorted(table))
            raise BadSettings(f"lanes.{unknown[0]}: there is no such lane. Known: {known}.")
        first = work and await self._workers.count_alive(WORKER_SILENCE) == 0
        return [
            Lane(
                name,
                settings.lanes.get(name, self._usual_limit(name)),
                settings.per_minute.get(name),
                firm=first or name in settings.lanes,
            )
            for name in table
        ]

    def _usual_limit(self, lane: str) -> int:
        return self._slots if lane == "embedded" else VENDOR_SLOTS

    def _loop(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            while True:
                try:
                    await work()
                except DatabaseUnavailable as error:
                    _log.warning("database_away", reason=str(error))
                except Exception:  # noqa: BLE001 - one bad round must not end the loop
                    _log.exception("round_failed")
                await asyncio.sleep(seconds)

        self._task(run())

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)

        async def end() -> None:
            await ended({task})
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)
