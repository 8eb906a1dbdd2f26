"""Run a vendor twin inside a test, and ask it what it saw."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import msgspec
from multidict import CIMultiDictProxy

from filmgate.twin.application import Plan, Twin, running


@dataclass(frozen=True)
class Judge:
    """A running twin, as a test sees it: addresses to give to adapters, faults to order, a bill to read."""

    twin: Twin

    def url(self, vendor: str) -> str:
        """Return the address that a vendor's routes begin with, such as http://127.0.0.1:40001/fal."""
        return self.twin.url(vendor)

    @property
    def address(self) -> str:
        return self.twin.address

    @property
    def media(self) -> str:
        """Return the origin of all media addresses."""
        return self.twin.world.places.media

    def fault(self, name: str, **stated: Any) -> str:
        """Follow a rule from now on; `stated` takes what a rule in a file takes. Return the rule's id."""
        return self.twin.world.faults.add({"fault": name, **stated}).id

    def refuse(self, seconds: float) -> None:
        """Close the port for a while: connecting is refused."""
        self.twin.wires.refuse(seconds)

    def heal(self) -> None:
        """Forget all rules."""
        self.twin.world.faults.rules.clear()

    def ledger(self, **wanted: str) -> list[dict[str, Any]]:
        """Return the paid requests that arrived, chosen by vendor, reference, prompt, created…"""
        now = self.twin.world.now()
        return [entry.shown(now) for entry in self.twin.world.ledger.chosen(wanted)]

    def bill(self, **wanted: str) -> dict[str, Any]:
        """Return the counts and sums of the ledger, and what was made twice."""
        return self.twin.world.ledger.summary(self.twin.world.ledger.chosen(wanted))

    def requests(self, **wanted: str) -> list[dict[str, Any]]:
        """Return the requests seen: chosen by vendor, operation, method, place (wires or media), fault."""
        seen = list(self.twin.world.requests)
        return [record for record in seen if all(record.get(name) == wanted[name] for name in wanted)]

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the callbacks sent and how they were answered."""
        return list(self.twin.postman.deliveries)

    def listen(self, vendor: str, url: str) -> str:
        """Register an endpoint of the account (openai, gemini), and return its signing secret."""
        secret = self.twin.world.chance.secret(vendor, url)
        endpoints: dict[str, list[dict[str, str]]] = self.twin.world.kept.setdefault("endpoints", {})
        endpoints.setdefault(vendor, []).append({"url": url, "secret": secret})
        return secret


@dataclass(frozen=True)
class Seen:
    """An answer, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """Ask one vendor with raw requests that are sent exactly once and never follow redirects."""

    def __init__(self, base: str, headers: dict[str, str] | None = None) -> None:
        self.base = base
        self.headers = headers or {}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, headers=self.headers)
        # by itself aiohttp sends a GET, PUT or DELETE once more after its connection broke
        self._session._retry_connection = False
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, **sent: Any) -> Seen:
        url = path if path.startswith("http") else self.base + path
        async with self._session.request(method, url, allow_redirects=False, **sent) as answer:
            return Seen(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **sent: Any) -> Seen:
        return await self.ask("GET", path, **sent)

    async def post(self, path: str, body: Any = None, **sent: Any) -> Seen:
        return await self.ask("POST", path, json=body, **sent)


@asynccontextmanager
async def running_twin(seed: int = 1, speed: float = 2000.0, **plan: Any) -> AsyncGenerator[Judge, None]:
    """Run a twin on free ports, with the media hosts on a port of their own; 2000 times as fast as life."""
    async with running(Plan(seed=seed, speed=speed, media_port=0, **plan)) as twin:
        yield Judge(twin)
