"""Pace lanes by what real traffic shows: slow down when asked, rest after failures, recover by real work."""

from datetime import timedelta

import structlog

from filmgate.repositories.lanes import LaneRepository

_log = structlog.get_logger(__name__)

# So many failures in a row, and a lane rests; the rest doubles each time, ten minutes at most.
PATIENCE = 5
REST = timedelta(seconds=15)


class PacingService:
    """Hold the verbs that pace a lane."""

    def __init__(self, lanes: LaneRepository) -> None:
        self._lanes = lanes

    async def went_well(self, lane: str) -> None:
        """Take note of a send that was accepted."""
        await self._lanes.speed_up(lane)

    async def was_throttled(self, lane: str) -> None:
        """Take note that a provider asked for a rest; how long it lasts is set with the attempt."""
        await self._lanes.slow_down(lane)
        _log.warning("lane_throttled", lane=lane)

    async def went_wrong(self, lane: str, reason: str) -> None:
        """Take note of a provider that could not be reached or made no sense."""
        if await self._lanes.count_failure(lane, reason, patience=PATIENCE, rest=REST):
            _log.error("lane_resting", lane=lane, reason=reason)
