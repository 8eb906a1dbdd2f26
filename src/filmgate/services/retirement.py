"""Warn before a provider takes a model away; on that day it leaves its routes by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog

from filmgate.domain.routing import Capability, Route
from filmgate.services.routing import RoutingService

_log = structlog.get_logger(__name__)

# So long before its last day a model is spoken of.
AHEAD = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Retirement:
    """One model that goes or is gone, the names it serves, and those that nothing else will serve."""

    model: Capability
    on: date
    names: tuple[str, ...]
    orphans: tuple[str, ...]


class RetirementService:
    """Hold the verbs that look ahead."""

    def __init__(self, routing: RoutingService) -> None:
        self._routing = routing

    def coming(self, today: date) -> Sequence[Retirement]:
        """Return the models of the routes that retire soon or have retired, the soonest first."""
        routes = self._routing.routes()
        models = {
            (target.capability.provider, target.capability.model): target.capability
            for route in routes
            for target in route.targets
            if _is_near(target.capability, today)
        }
        found = [_retirement(able, routes) for able in models.values()]
        return sorted(found, key=lambda one: one.on)

    async def warn(self) -> None:
        """Write to the log what retires soon, and which names will then be served by nothing."""
        for one in self.coming(datetime.now(UTC).date()):
            _log.warning(
                "model_retires",
                provider=one.model.provider,
                model=one.model.model,
                on=one.on.isoformat(),
                serves=list(one.names),
                nothing_else_serves=list(one.orphans),
            )


def warning_of(able: Capability, today: date) -> str | None:
    """Say in a sentence that a model retires soon or has retired, None where it does neither."""
    if able.retires_on is None or not _is_near(able, today):
        return None
    days = (able.retires_on - today).days
    if days <= 0:
        return f"Retired by its provider on {able.retires_on}; it is no longer sent to."
    left = "tomorrow" if days == 1 else f"in {days} days"
    return f"Its provider retires it on {able.retires_on}, {left}; from then on it is no longer sent to."


def _is_near(able: Capability, today: date) -> bool:
    return able.retires_on is not None and able.retires_on <= today + AHEAD


def _retirement(able: Capability, routes: Sequence[Route]) -> Retirement:
    assert able.retires_on is not None
    names = [route for route in routes if any(target.capability is able for target in route.targets)]
    orphans = [route.name for route in names if not _served_after(route, able.retires_on)]
    return Retirement(able, able.retires_on, tuple(route.name for route in names), tuple(orphans))


def _served_after(route: Route, day: date) -> bool:
    return any(
        target.capability.retires_on is None or target.capability.retires_on > day for target in route.targets
    )
