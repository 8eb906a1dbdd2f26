"""Decide what follows a refusal: the next target of the route, another try later, or the end."""

from datetime import UTC, datetime, timedelta

import structlog

from filmgate.domain.attempt import Attempt
from filmgate.domain.errors import RefusalKind, Refused
from filmgate.domain.refusals import Reaction, RefusalPolicy
from filmgate.domain.video import Video, VideoError
from filmgate.repositories.reroutes import RerouteRepository
from filmgate.repositories.videos import Rerouted, VideoRepository
from filmgate.services.routing import RoutingService

_log = structlog.get_logger(__name__)

# How long a lane rests whose provider cannot, where the operator wants to wait for it, and how old a video
# may grow that way; then its next target is taken.
REST = timedelta(minutes=1)
PATIENCE = timedelta(hours=24)
_KINDS = frozenset(kind.value for kind in RefusalKind)


class FallbackService:
    """Hold the verbs that follow a refusal; they are only ever used after proof that nothing was made."""

    def __init__(
        self,
        routing: RoutingService,
        videos: VideoRepository,
        reroutes: RerouteRepository,
        policy: RefusalPolicy | None = None,
    ) -> None:
        self._routing = routing
        self._videos = videos
        self._reroutes = reroutes
        self._policy = policy or RefusalPolicy()

    def waits(self, video: Video, refused: Refused) -> timedelta | None:
        """Return how long a video rests before it is sent to the same target again, None if it is not."""
        if self._policy.reaction(video.model, refused.kind) is not Reaction.WAIT:
            return None
        return REST if datetime.now(UTC) - video.created_at < PATIENCE else None

    def passes_over(self, video: Video, refused: Refused) -> bool:
        """Tell whether a refusal of this kind lets the next target be tried."""
        return self._policy.reaction(video.model, refused.kind) is not Reaction.FAIL

    async def move_on(self, video: Video, refused: Refused) -> bool:
        """Send a waiting video to the next target; False where there is none, or the kind forbids it."""
        if not self.passes_over(video, refused):
            return False
        target = await self._next(video)
        if target is None:
            return False
        moved = await self._videos.reroute(video.id, target)
        if moved:
            _log.info("video_rerouted", video=video.id, refused_by=video.provider, to=target.provider)
        return moved

    async def hand_on(self, attempt: Attempt, error: VideoError) -> bool:
        """Send the video of a job that was refused late, at no charge, to the next target.

        False where there is none, where the kind forbids it, or where the provider does not say for certain
        that it charges nothing: what may have been paid for is not made again.
        """
        if error.code not in _KINDS or error.charged is not False or attempt.abandoned:
            return False
        video = await self._videos.get(attempt.video_id)
        if video is None or self._policy.reaction(video.model, RefusalKind(error.code)) is not Reaction.NEXT:
            return False
        target = await self._next(video)
        if target is None or not await self._reroutes.hand_on(attempt.id, error.message, target):
            return False
        _log.info("video_rerouted", video=video.id, refused_by=attempt.provider, to=target.provider)
        return True

    async def _next(self, video: Video) -> Rerouted | None:
        tried = await self._videos.tried(video.id)
        fitted = self._routing.fit_next(video, tried | {(video.provider, video.provider_model)})
        if fitted is None:
            return None
        able = fitted.target.capability
        return Rerouted(able.provider, able.model, fitted.target.lane, fitted.request, fitted.adjustments)
