"""Show what can be asked for."""

from collections.abc import Sequence

from filmgate.domain.routing import Route
from filmgate.services.routing import RoutingService


class CatalogService:
    """Hold the verbs for the catalogue."""

    def __init__(self, routing: RoutingService) -> None:
        self._routing = routing

    def models(self) -> Sequence[Route]:
        """Return every name that can be asked for, with the targets that serve it."""
        return [route for route in self._routing.routes() if route.targets]
