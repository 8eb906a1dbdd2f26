"""Take what vendors call back about: a hint that something happened, and the way back to a lost job."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, runtime_checkable

import structlog

from filmgate.domain.errors import NotFound, ServiceUnavailable, Unauthenticated
from filmgate.domain.provider import Order, Provider, ProviderJob
from filmgate.infrastructure.http import WireTrouble
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.generation import order_for

_log = structlog.get_logger(__name__)

Seals = Callable[[str, str, str], bool]


@runtime_checkable
class Notifying(Protocol):
    """A provider whose callbacks can be verified."""

    name: str

    async def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Any:
        """Return what a callback proves, with its ``job_id``; raise SignatureRefused otherwise."""
        ...

    async def recognises(self, job: ProviderJob, order: Order) -> bool:
        """Tell whether a job is our account's and this order's; raise WireTrouble where nobody can say."""
        ...


class NoticeService:
    """Hold the verb for callbacks.

    A callback never changes a video by itself: it makes us ask. One whose address we sealed also binds a
    job whose create answer was lost to the video that it was made for, once the vendor has told us, asked
    with our own key, that it has that job and that it looks like ours.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        videos: VideoRepository,
        attempts: AttemptRepository,
        seals: Seals,
        wake: Callable[[], None],
    ) -> None:
        self._providers = providers
        self._videos = videos
        self._attempts = attempts
        self._seals = seals
        self._wake = wake

    async def take(
        self, name: str, reference: str, seal: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Verify a callback and act on it; harmless when repeated, late or early."""
        provider = self._providers.get(name)
        if not isinstance(provider, Notifying):
            raise NotFound("provider with callbacks", name)
        try:
            notice = await provider.notice(headers, body, datetime.now(UTC))
        except SignatureRefused as error:
            raise Unauthenticated(f"This callback is not signed by {name}: {error}") from error
        except WireTrouble as error:
            raise ServiceUnavailable(f"The keys of {name} cannot be had now: {error}") from error
        if self._seals(name, reference, seal):
            await self._bind(provider, reference, notice.job_id)
        await self._attempts.wake(name, notice.job_id)
        self._wake()

    async def _bind(self, provider: Notifying, reference: str, job_id: str) -> None:
        attempt = await self._attempts.live_of(reference)
        if attempt is None or attempt.provider_job_id is not None or attempt.provider != provider.name:
            return
        video = await self._videos.get(reference)
        assert video is not None
        job = ProviderJob(job_id, attempt.provider_model, reference, attempt.created_at)
        try:
            ours = await provider.recognises(job, order_for(video))
        except WireTrouble as error:
            # The vendor calls back again, and is asked again.
            raise ServiceUnavailable(f"The job of this callback cannot be checked now: {error}") from error
        if not ours:
            _log.warning("callback_names_strange_job", attempt=attempt.id, provider=provider.name)
        elif await self._attempts.accept(attempt.id, job_id, timedelta(0)):
            _log.info("send_found", attempt=attempt.id, by="callback")
