"""Build the names that clients may ask for, from the catalogue, the providers and the settings."""

from collections.abc import Mapping, Sequence

from filmgate.domain.errors import BadSettings
from filmgate.domain.provider import Provider
from filmgate.domain.routing import Capability, Route, Target

SORA_NAMES = ("sora-2", "sora-2-pro", "sora-1.0")
_STAND_IN = "embedded"


def build_routes(
    capabilities: Mapping[tuple[str, str], Capability],
    table: Mapping[str, Provider],
    configured: Mapping[str, Sequence[str]],
    *,
    production: bool,
) -> dict[str, Route]:
    """Return every name that can be asked for, with its targets, best first.

    These are the models that are set up, the routes of the settings, and Sora's names. Where no route was
    set for them, Sora's names go to whatever is set up, the cheapest first, and to the built-in renderer only
    outside production: nobody shall take moving pictures for what a model makes.
    """
    targets = {
        f"{provider}/{model}": Target(lane=provider, capability=capability)
        for (provider, model), capability in capabilities.items()
        if provider in table
    }
    routes: dict[str, Route] = {}
    for target in targets.values():
        known = routes.get(target.capability.model)
        same = known.targets if known is not None else ()
        routes[target.capability.model] = Route(target.capability.model, (*same, target))
    for name in SORA_NAMES:
        routes[name] = Route(name, _for_sora(targets, production=production), alias=True)
    for name, listed in configured.items():
        routes[name] = Route(name, tuple(_target(name, one, targets) for one in listed), alias=True)
    return routes


def _for_sora(targets: Mapping[str, Target], *, production: bool) -> tuple[Target, ...]:
    living = [target for target in targets.values() if target.lane != _STAND_IN]
    if living or production:
        # Those that need an image come last, so that what is wrong is said of one that needs none.
        return tuple(
            sorted(living, key=lambda target: (target.capability.needs_image, target.capability.price))
        )
    return tuple(target for target in targets.values() if target.lane == _STAND_IN)[:1]


def _target(route: str, name: str, targets: Mapping[str, Target]) -> Target:
    if name not in targets:
        known = ", ".join(sorted(targets))
        raise BadSettings(f"routes.{route}: {name} is not set up. Set up: {known}.")
    return targets[name]
