"""Estimate when a video will be ready, from how full its lane is."""

from datetime import datetime, timedelta

from filmgate.domain.routing import Target
from filmgate.repositories.lanes import Backlog, LaneRepository

# Until a lane has a history of its own: seconds of work per second of film, and seconds around it.
_WORK_PER_SECOND = 1.0
_OVERHEAD_SECONDS = 3.0
_UNKNOWN = Backlog(0, 1)


class Forecast:
    """Remember how full the lanes were when last looked at; a guess needs no round trip."""

    def __init__(self, lanes: LaneRepository) -> None:
        self._lanes = lanes
        self._backlogs: dict[str, Backlog] = {}

    async def refresh(self) -> None:
        """Look how full the lanes are."""
        self._backlogs = await self._lanes.backlogs()

    def ready_at(self, target: Target, seconds: float, now: datetime, place: int = 0) -> datetime:
        """Return when a film of that length will be ready, ``place`` videos after the next newcomer."""
        backlog = self._backlogs.get(target.lane, _UNKNOWN)
        turns = 1 + (backlog.waiting + place) // backlog.slots
        return now + timedelta(seconds=turns * (_OVERHEAD_SECONDS + _WORK_PER_SECOND * seconds))
