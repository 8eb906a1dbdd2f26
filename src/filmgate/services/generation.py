"""Send videos to their providers: the one step that may cost money.

The intent is on disk before the first byte leaves, and whatever comes back, or does not, is sorted by
what it proves. Only proof that nothing was made lets a video be sent again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from filmgate.domain.asset import AssetStore
from filmgate.domain.attempt import AttemptState
from filmgate.domain.errors import (
    DatabaseUnavailable,
    OutcomeUnknown,
    Refused,
    SendFenceClosed,
    Throttled,
    Unavailable,
)
from filmgate.domain.ids import new_id
from filmgate.domain.money import Money
from filmgate.domain.provider import Order, Provider
from filmgate.domain.video import Video, VideoError, VideoStatus
from filmgate.repositories.attempts import AttemptRepository, Intent
from filmgate.repositories.videos import VideoRepository
from filmgate.services.commit import commit_at_last
from filmgate.services.fallback import FallbackService
from filmgate.services.guarding import SendGuard, Unguarded
from filmgate.services.pacing import PacingService
from filmgate.services.polling import PollPlan, kind_of

_log = structlog.get_logger(__name__)

# A sender that has not reported after this long is presumed dead, and its send's outcome unknown; sooner
# where the provider can soon be asked for it.
SEND_LEASE = timedelta(seconds=90)
_SHORTEST_LEASE = timedelta(seconds=5)
_PAUSE_WITHOUT_WORD = timedelta(seconds=15)
_RETRY_UNREACHED = timedelta(seconds=5)
# A refused video waits this long at most for its next target, should its worker die in between.
_HOLD_BACK = timedelta(seconds=30)
_UNGUARDED = Unguarded()


def order_for(video: Video) -> Order:
    """Return what a provider is asked to make; the reference is the video's, the same at every attempt."""
    return Order(reference=video.id, model=video.provider_model, request=video.request)


def lease_of(quiet: timedelta) -> timedelta:
    """Return how long a sender may take before its outcome is held for unknown."""
    return min(max(quiet, _SHORTEST_LEASE), SEND_LEASE)


def held_for(video: Video) -> Money:
    """Return what is held for a video: what it costs at most, wherever it is made."""
    return video.price


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the worker's id, how to wake its loops, where image references lie, and when to look.

    ``price`` tells what a video costs where it is sent to. ``guards`` has the guard of each provider that
    takes money.
    """

    worker: str
    wake: Callable[[], None]
    store: AssetStore
    plan: PollPlan
    price: Callable[[Video], Money] = held_for
    guards: Mapping[str, SendGuard] = field(default_factory=dict[str, SendGuard])

    def guard(self, provider: str) -> SendGuard:
        """Return what guards the sends to a provider."""
        return self.guards.get(provider, _UNGUARDED)

    async def image(self, video: Video) -> bytes | None:
        """Return the bytes of a video's image reference, if it has one."""
        key = video.request.input_reference
        return None if key is None else b"".join([chunk async for chunk in self.store.stream(key)])


class GenerationService:
    """Hold the verb that sends."""

    def __init__(
        self,
        videos: VideoRepository,
        attempts: AttemptRepository,
        providers: Mapping[str, Provider],
        sender: Sender,
        fallback: FallbackService,
        pacing: PacingService,
    ) -> None:
        self._videos = videos
        self._attempts = attempts
        self._providers = providers
        self._sender = sender
        self._fallback = fallback
        self._pacing = pacing

    async def submit(self, video_id: str) -> None:
        """Send one admitted video, once; a video that no longer waits is left alone."""
        video = await self._videos.get(video_id)
        if video is None or video.status is not VideoStatus.QUEUED:
            return
        send = _Send(video, self._providers[video.provider], self._attempts, self._sender)
        try:
            await send.run()
        except SendFenceClosed:
            await self._not_let_out(send, video)
        except Unavailable as error:
            await self._not_reached(send, video, error)
        except Throttled as error:
            await self._throttled(send, video, error)
        except Refused as error:
            await self._refused(send, video, error)
        except OutcomeUnknown as error:
            _log.warning("send_outcome_unknown", video=video_id, attempt=send.attempt_id, reason=str(error))
            await self._attempts.lose(send.attempt_id, str(error))
            await self._pacing.went_wrong(video.lane, str(error))
        else:
            await self._pacing.went_well(video.lane)
        self._sender.wake()

    async def _not_let_out(self, send: "_Send", video: Video) -> None:
        """Put a video back in line that waits for the database to be looked at; leave any other alone."""
        if send.cut_off:
            _log.warning("send_stopped", video=video.id, reason="the database went away")
            await commit_at_last(lambda: self._take_back(send, video))
        elif await self._sender.guard(video.provider).stops(video.lane):
            _log.warning("send_stopped", video=video.id, reason="the database may have gone back")
            await self._videos.postpone(video.id, timedelta(0))
        else:
            _log.info("send_stopped", video=video.id, reason="it no longer waits")

    async def _take_back(self, send: "_Send", video: Video) -> None:
        """Undo an intent that may or may not be on disk; not a byte has followed it."""
        reason = "the database went away before the first byte"
        if not await self._attempts.give_back(send.attempt_id, reason, retry_in=timedelta(0)):
            await self._videos.postpone(video.id, timedelta(0))

    async def _not_reached(self, send: "_Send", video: Video, error: Unavailable) -> None:
        if send.begun:
            await self._attempts.give_back(send.attempt_id, str(error), retry_in=_RETRY_UNREACHED)
        else:
            await self._videos.postpone(video.id, _RETRY_UNREACHED)
        await self._pacing.went_wrong(video.lane, str(error))

    async def _throttled(self, send: "_Send", video: Video, error: Throttled) -> None:
        pause = error.retry_after or _PAUSE_WITHOUT_WORD
        await self._pacing.was_throttled(video.lane)
        await self._attempts.give_back(send.attempt_id, str(error), retry_in=pause, pause=pause)

    async def _refused(self, send: "_Send", video: Video, error: Refused) -> None:
        """Wait, or move on to the next target, where the kind of refusal allows it, else end the video."""
        pause = self._fallback.waits(video, error)
        if pause is not None:
            await self._wait_for(send, video, error, pause)
            return
        said = VideoError(error.kind.value, str(error), said_by=video.provider, charged=False)
        if self._fallback.passes_over(video, error):
            if send.begun and not await self._attempts.give_back(
                send.attempt_id, str(error), retry_in=_HOLD_BACK
            ):
                # Heard too late: the video may have been sent anew, and this says nothing of that send.
                return
            if not await self._fallback.move_on(video, error):
                await self._videos.fail_waiting(video.id, said)
        elif send.begun:
            await self._attempts.end(send.attempt_id, AttemptState.NOT_CREATED, said)
        else:
            await self._videos.fail_waiting(video.id, said)

    async def _wait_for(self, send: "_Send", video: Video, error: Refused, pause: timedelta) -> None:
        """Let a lane rest whose provider cannot now, and its video come back."""
        if send.begun:
            await self._attempts.give_back(send.attempt_id, str(error), retry_in=pause, pause=pause)
        else:
            await self._videos.postpone(video.id, pause)
        await self._pacing.went_wrong(video.lane, str(error))


class _Send:
    """One attempt under way.

    ``begun`` says whether its intent is on disk, ``cut_off`` that this cannot be known: the database went
    away while it was written.
    """

    def __init__(self, video: Video, provider: Provider, attempts: AttemptRepository, sender: Sender) -> None:
        self._video = video
        self._provider = provider
        self._attempts = attempts
        self._sender = sender
        self._guard = sender.guard(video.provider)
        self.attempt_id = new_id("att")
        self.begun = False
        self.cut_off = False

    async def run(self) -> None:
        order = order_for(self._video)
        if self._provider.inline_images:
            order = replace(order, image=await self._sender.image(self._video))
        body = self._provider.prepare(order)

        async def fence() -> None:
            intent = self._intent(body)
            try:
                begun_at = await self._attempts.begin(intent)
            except DatabaseUnavailable as error:
                self.cut_off = True
                raise SendFenceClosed(self._video.id) from error
            if begun_at is None:
                raise SendFenceClosed(self._video.id)
            self.begun = True
            if not await self._guard.note(intent, begun_at):
                raise Unavailable("the intent to send was gone before the first byte")

        try:
            job_id = await self._provider.submit(order, body, fence)
        except (Unavailable, Throttled, Refused):
            if self.begun:
                await self._guard.made_nothing(self.attempt_id)
            raise
        await self._guard.made(self.attempt_id, job_id)
        await commit_at_last(lambda: self._accepted(job_id))

    async def _accepted(self, job_id: str) -> None:
        first = self._sender.plan.first(kind_of(self._video))
        if await self._attempts.accept(self.attempt_id, job_id, first):
            return
        # Somebody was quicker: a callback, or the first try at this commit. What the answer says counts.
        if await self._attempts.rebind(self.attempt_id, job_id):
            _log.warning("job_rebound", attempt=self.attempt_id, provider_job=job_id)
            return
        attempt = await self._attempts.get(self.attempt_id)
        if attempt is None or attempt.provider_job_id != job_id:
            _log.error("job_not_bound", attempt=self.attempt_id, provider_job=job_id)

    def _intent(self, body: bytes) -> Intent:
        quiet = timedelta(seconds=self._provider.quiet_seconds)
        return Intent(
            attempt_id=self.attempt_id,
            video_id=self._video.id,
            provider=self._video.provider,
            provider_model=self._video.provider_model,
            account=self._video.lane,
            body=body,
            sent_by=self._sender.worker,
            lease=lease_of(quiet),
            quiet=quiet,
            price=self._sender.price(self._video),
            incarnation=self._guard.incarnation,
        )
