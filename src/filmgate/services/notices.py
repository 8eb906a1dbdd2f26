"""Take what vendors call back about: a hint that something happened, and the way back to a lost job."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, runtime_checkable

import structlog

from filmgate.domain.errors import NotFound, ServiceUnavailable, Unauthenticated
from filmgate.domain.provider import Provider
from filmgate.infrastructure.http import WireTrouble
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.repositories.attempts import AttemptRepository

_log = structlog.get_logger(__name__)

Seals = Callable[[str, str, str], bool]


@runtime_checkable
class Notifying(Protocol):
    """A provider whose callbacks can be verified."""

    async def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Any:
        """Return what a callback proves, with its ``job_id``; raise SignatureRefused otherwise."""
        ...


class NoticeService:
    """Hold the verb for callbacks.

    A callback never changes a video by itself: it makes us ask. One whose address we sealed also binds a
    job whose create answer was lost to the video that it was made for.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        attempts: AttemptRepository,
        seals: Seals,
        wake: Callable[[], None],
    ) -> None:
        self._providers = providers
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
            await self._bind(reference, notice.job_id)
        await self._attempts.wake(name, notice.job_id)
        self._wake()

    async def _bind(self, reference: str, job_id: str) -> None:
        attempt = await self._attempts.live_of(reference)
        if attempt is None or attempt.provider_job_id is not None:
            return
        if await self._attempts.accept(attempt.id, job_id, timedelta(0)):
            _log.info("send_found", attempt=attempt.id, by="callback")
