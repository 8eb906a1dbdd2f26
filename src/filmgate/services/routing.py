"""Decide where a video is made: the first target of its route that can make it, and who is next."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches

from filmgate.domain.errors import FieldProblem, InvalidRequest, UnknownModel
from filmgate.domain.money import Money
from filmgate.domain.routing import Route, Target
from filmgate.domain.video import Video, VideoRequest
from filmgate.services.asked import AskedVideo
from filmgate.services.fitting import MAX_SEED, Desk

__all__ = ["MAX_SEED", "Fitted", "RoutingService"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A video ready to be accepted: where it goes, what is sent, what it may cost at most.

    ``price`` is that of the dearest target that may come to make it, so that what is held covers them all.
    """

    model: str
    target: Target
    request: VideoRequest
    price: Money
    adjustments: tuple[str, ...]


class RoutingService:
    """Know every name a client may ask for, and fit requests to targets."""

    def __init__(self, routes: Mapping[str, Route], default_model: str) -> None:
        self._routes = routes
        self._default_model = default_model

    def routes(self) -> Sequence[Route]:
        """Return every route, in the order of the catalogue."""
        return tuple(self._routes.values())

    def fit(self, asked: AskedVideo, row: int | None = None) -> Fitted:
        """Return the video fitted to its best target, or raise with every problem of this one at once."""
        route = self._find(asked.model, row)
        fitted, problems = _fit_all(route, asked, row)
        if not fitted:
            raise InvalidRequest(problems or [_all_retired(route, row)])
        affordable = _within(fitted, asked.max_cost)
        if not affordable:
            raise InvalidRequest([_too_dear(fitted, asked.max_cost, row)])
        return _covering(affordable)

    def starting_from_image(self, model: str | None, what: str) -> Sequence[Target]:
        """Return the targets behind a name that take an image, or raise with the names that have one."""
        route = self._find(model, None)
        able = _taking_images(route)
        if not able:
            names = tuple(known.name for known in self._routes.values() if _taking_images(known))
            message = f'"{route.name}" takes no image, and {what} starts from one.'
            mend = f"These can: {', '.join(names)}." if names else "No model that is set up here can."
            raise InvalidRequest([FieldProblem("model", message, "unsupported", mend, names)])
        return able

    def fit_next(self, video: Video, tried: AbstractSet[tuple[str, str]]) -> Fitted | None:
        """Return the video fitted to the next target that has not been tried, None where there is none.

        What was held for the video covers it, so no dearer target is taken.
        """
        route = self._routes.get(video.model)
        if route is None:
            return None
        fitted, _ = _fit_all(route, asked_again(video), None)
        left = [one for one in _within(fitted, video.price) if _name(one.target) not in tried]
        return left[0] if left else None

    def price_of(self, video: Video) -> Money:
        """Return what a video costs where it is to be made next; what is held for it if nobody can say."""
        route = self._routes.get(video.model)
        for target in () if route is None else route.targets:
            if _name(target) == (video.provider, video.provider_model):
                return target.capability.price_of(video.request)
        return video.price

    def _find(self, model: str | None, row: int | None) -> Route:
        name = self._default_model if model is None else model
        route = self._routes.get(name)
        if route is not None and route.targets:
            return route
        usable = [known.name for known in self._routes.values() if known.targets]
        if route is not None:
            message = f'No provider is set up for "{name}".'
            suggestion = "Give filmgate the key of a provider that makes it, or ask for another model."
        elif model is None:
            message = "No model was named, and no default model is set up."
            suggestion = "Name a model in the field model."
        else:
            near = get_close_matches(name.lower(), usable, n=3, cutoff=0.5)
            message = f'There is no model "{name[:100]}" here.'
            suggestion = f"Did you mean {' or '.join(near)}?" if near else "See GET /api/v1/models."
        raise UnknownModel(
            [FieldProblem("model", message, "model_not_found", suggestion, tuple(usable), row)]
        )


def asked_again(video: Video) -> AskedVideo:
    """Return what the client asked for, from what was kept of it."""
    wrote = video.requested
    return AskedVideo(
        prompt=video.request.prompt,
        model=video.model,
        duration=wrote.get("duration"),
        resolution=wrote.get("resolution"),
        aspect_ratio=wrote.get("aspect_ratio"),
        seed=wrote.get("seed", video.request.seed),
        negative_prompt=wrote.get("negativePrompt"),
        audio=wrote.get("audio"),
        input_reference=video.request.input_reference,
        strict=bool(wrote.get("strict", False)),
        sora=bool(wrote.get("sora", False)),
        origin=video.origin,
    )


def _fit_all(route: Route, asked: AskedVideo, row: int | None) -> tuple[list[Fitted], Sequence[FieldProblem]]:
    """Return the video fitted to each target that can make it, and what is wrong with it for the first."""
    fitted: list[Fitted] = []
    wrong: Sequence[FieldProblem] = ()
    for target in route.targets:
        if _is_retired(target):
            continue
        desk = Desk(asked, target.capability, row)
        request = desk.request()
        if desk.problems:
            wrong = wrong or desk.problems
            continue
        price = target.capability.price_of(request)
        told = () if asked.origin is None else asked.origin.told
        fitted.append(Fitted(route.name, target, request, price, (*told, *desk.adjustments)))
    if asked.sora:
        # Whoever makes it exactly as it was asked goes before those that come near.
        fitted.sort(key=lambda one: _is_other(one.request, asked))
    return fitted, wrong


def _is_other(request: VideoRequest, asked: AskedVideo) -> bool:
    length, size = asked.duration, asked.resolution
    return (length is not None and request.seconds != length) or (size is not None and request.size != size)


def _taking_images(route: Route) -> list[Target]:
    return [target for target in route.targets if target.capability.image_input and not _is_retired(target)]


def _is_retired(target: Target) -> bool:
    retired = target.capability.retires_on
    return retired is not None and retired <= datetime.now(UTC).date()


def _within(fitted: Sequence[Fitted], limit: Money | None) -> Sequence[Fitted]:
    return fitted if limit is None else [one for one in fitted if one.price <= limit]


def _covering(fitted: Sequence[Fitted]) -> Fitted:
    if len(fitted) == 1:
        return fitted[0]
    first = fitted[0]
    dearest = max(one.price for one in fitted)
    return Fitted(first.model, first.target, first.request, dearest, first.adjustments)


def _name(target: Target) -> tuple[str, str]:
    return target.capability.provider, target.capability.model


def _too_dear(fitted: Sequence[Fitted], limit: Money | None, row: int | None) -> FieldProblem:
    least = min(one.price for one in fitted)
    return FieldProblem(
        "maxCost",
        f"This video costs {least} at least, and maxCost is {limit}.",
        "too_dear",
        f"Raise maxCost to {least}, or ask for a shorter or smaller film.",
        row=row,
    )


def _all_retired(route: Route, row: int | None) -> FieldProblem:
    return FieldProblem(
        "model",
        f'Every model behind "{route.name}" has been retired.',
        "model_retired",
        "See GET /api/v1/models.",
        row=row,
    )
