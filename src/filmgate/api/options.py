"""Answer OPTIONS: what an address takes."""

from collections.abc import Iterable, Sequence

from litestar import Response, route
from litestar.handlers import HTTPRouteHandler


def options_handlers(handlers: Iterable[HTTPRouteHandler]) -> Sequence[HTTPRouteHandler]:
    """Return a handler of OPTIONS for every path of these handlers.

    The framework's own names only the methods of the handler that was registered first; these must be
    registered before the others, so that it makes none.
    """
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, {"OPTIONS"}).update(handler.http_methods)
    return [
        _answering(path, taken | {"HEAD"} if "GET" in taken else taken) for path, taken in methods.items()
    ]


def _answering(path: str, methods: set[str]) -> HTTPRouteHandler:
    allow = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))

    async def answer() -> Response[None]:
        return Response(None, status_code=204, headers={"allow": allow})

    return route(path, http_method="OPTIONS", status_code=204)(answer)
