"""Let videos through to the providers: as many as each lane has slots, the fairest first."""

from filmgate.repositories.lanes import LaneRepository


class AdmissionService:
    """Hold the verbs for lanes."""

    def __init__(self, lanes: LaneRepository) -> None:
        self._lanes = lanes

    async def admit(self) -> int:
        """Fill the free slots of every open lane and return how many videos were let through."""
        admitted = 0
        for lane in await self._lanes.with_waiting():
            admitted += await self._lanes.admit(lane)
        return admitted
