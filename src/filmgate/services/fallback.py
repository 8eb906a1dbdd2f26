"""Decide what follows a refusal: the next target of the route, or the end."""

from collections.abc import Mapping

import structlog

from filmgate.domain.errors import RefusalKind, Refused
from filmgate.domain.video import Video
from filmgate.repositories.videos import Rerouted, VideoRepository
from filmgate.services.routing import RoutingService

_log = structlog.get_logger(__name__)

# A provider that is out of money, closed to us or full says nothing about the video, and so may be passed
# over. What is wrong with prompt or image would be wrong elsewhere too, and is the client's to mend.
PASS_OVER: Mapping[RefusalKind, bool] = {
    RefusalKind.KEY: True,
    RefusalKind.QUOTA: True,
    RefusalKind.CAPACITY: True,
    RefusalKind.REQUEST: True,
    RefusalKind.PROMPT: False,
    RefusalKind.IMAGE: False,
    RefusalKind.OUTPUT: False,
    RefusalKind.POLICY: False,
}


class FallbackService:
    """Hold the verb that moves on; it is only ever used after proof that nothing was made."""

    def __init__(
        self,
        routing: RoutingService,
        videos: VideoRepository,
        policy: Mapping[RefusalKind, bool] = PASS_OVER,
    ) -> None:
        self._routing = routing
        self._videos = videos
        self._policy = policy

    def passes_over(self, refused: Refused) -> bool:
        """Tell whether a refusal of this kind lets the next target be tried."""
        return self._policy.get(refused.kind, False)

    async def move_on(self, video: Video, refused: Refused) -> bool:
        """Send a waiting video to the next target; False where there is none, or the kind forbids it."""
        if not self.passes_over(refused):
            return False
        tried = await self._videos.tried(video.id)
        fitted = self._routing.fit_next(video, tried | {(video.provider, video.provider_model)})
        if fitted is None:
            return False
        capability = fitted.target.capability
        target = Rerouted(
            capability.provider, capability.model, fitted.target.lane, fitted.request, fitted.adjustments
        )
        moved = await self._videos.reroute(video.id, target)
        if moved:
            _log.info("video_rerouted", video=video.id, refused_by=video.provider, to=capability.provider)
        return moved
