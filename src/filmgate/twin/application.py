"""Put a twin together: all wires on one port, the media hosts on another, and start or stop it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from filmgate.twin.calls import Route
from filmgate.twin.control import Control
from filmgate.twin.desk import Desk
from filmgate.twin.listening import Listener
from filmgate.twin.media import Media
from filmgate.twin.media_host import MediaHost
from filmgate.twin.vendors.ark import Ark
from filmgate.twin.vendors.fal import Fal
from filmgate.twin.vendors.gemini import Gemini
from filmgate.twin.vendors.openai import OpenAI
from filmgate.twin.vendors.openai_retired import RetiredOpenAI
from filmgate.twin.vendors.quirks import LiteLLM, SGLang, VLLMOmni
from filmgate.twin.vendors.replicate import Replicate
from filmgate.twin.vendors.runway import Runway
from filmgate.twin.vendors.wire import Wire
from filmgate.twin.webhooks import Postman
from filmgate.twin.world import Places, World

VENDORS: Final[tuple[type[Wire], ...]] = (
    OpenAI,
    RetiredOpenAI,
    VLLMOmni,
    SGLang,
    LiteLLM,
    Fal,
    Gemini,
    Runway,
    Ark,
    Replicate,
)
_Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LARGEST_BODY: Final = 96 * 1024**2
_GRACE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """Say how a twin is started; ports of 0 are any, a media port of None is the wires' port."""

    host: str = "127.0.0.1"
    port: int = 0
    media_port: int | None = None
    seed: int = 0
    speed: float = 10.0
    public_url: str | None = None
    rules: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(slots=True)
class Twin:
    """Be a running twin."""

    world: World
    wires: Listener
    postman: Postman

    @property
    def address(self) -> str:
        """Return the address it is reached at."""
        return self.world.places.wires

    def url(self, vendor: str) -> str:
        """Return the address that a vendor's routes begin with."""
        return f"{self.address}/{vendor}"


@asynccontextmanager
async def running(plan: Plan) -> AsyncGenerator[Twin, None]:
    """Run a twin for as long as the context lasts."""
    world = World(plan.seed, plan.speed)
    world.faults.vendors = frozenset(vendor.name for vendor in VENDORS)
    for rule in plan.rules:
        world.faults.add(rule)
    postman = Postman(world)
    media = Media(world)
    vendors: list[Wire] = [vendor(world, media) for vendor in VENDORS]
    desk = Desk(world, postman)
    wires = Listener(_application(desk, vendors, media, with_wires=True), _GRACE_SECONDS)
    hosts = Listener(_application(desk, vendors, media, with_wires=False), _GRACE_SECONDS)
    twin = Twin(world, wires, postman)
    Control(world, postman, wires, [vendor.name for vendor in vendors]).attach(wires.application)
    try:
        await wires.open(plan.host, plan.port)
        if plan.media_port is not None:
            await hosts.open(plan.host, plan.media_port)
        world.places = _places(plan, wires, hosts)
        yield twin
    finally:
        await postman.close()
        await asyncio.gather(wires.stop(), hosts.stop())


def _places(plan: Plan, wires: Listener, hosts: Listener) -> Places:
    here = f"http://{_named(plan.host)}:"
    public = plan.public_url and plan.public_url.rstrip("/")
    if public is not None and public:
        return Places(public, public)
    own = f"{here}{wires.port}"
    return Places(own, own if plan.media_port is None else f"{here}{hosts.port}")


def _named(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound


def _application(desk: Desk, vendors: list[Wire], media: Media, *, with_wires: bool) -> web.Application:
    known = {vendor.name: vendor for vendor in vendors}
    application = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_unrouted(desk, known)])
    place = "wires" if with_wires else "media"
    for vendor in vendors:
        served = Route("GET", f"/media/{vendor.name}/{{token}}/{{file}}", "download", media.fetch)
        _add(application, desk, MediaHost(vendor, media), (served, "", place))
        for route in vendor.routes() if with_wires else []:
            _add(application, desk, vendor, (route, f"/{vendor.name}", place))
    return application


def _unrouted(desk: Desk, vendors: dict[str, Wire]) -> Middleware:
    @web.middleware
    async def answer(request: web.Request, handler: _Serve) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            _, name, *rest = request.path.split("/")
            if name not in vendors:
                raise
            return await desk.turn_away(vendors[name], error.status, request, f"/{'/'.join(rest)}")

    return answer


def _add(application: web.Application, desk: Desk, vendor: Wire, plan: tuple[Route, str, str]) -> None:
    route, prefix, place = plan

    async def serve(request: web.Request) -> web.StreamResponse:
        return await desk.serve(vendor, route, request, place)

    application.router.add_route(route.method, prefix + route.path, serve)
    if route.method == "GET":
        application.router.add_route("HEAD", prefix + route.path, serve)
