"""Run a vendor twin inside a test, and ask it what it saw."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

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


@asynccontextmanager
async def running_twin(seed: int = 1, speed: float = 2000.0, **plan: Any) -> AsyncGenerator[Judge, None]:
    """Run a twin on free ports, with the media hosts on a port of their own; 2000 times as fast as life."""
    async with running(Plan(seed=seed, speed=speed, media_port=0, **plan)) as twin:
        yield Judge(twin)
