"""Let tests and people ask a twin what it saw, and tell it what to spoil."""

from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from filmgate.twin import page
from filmgate.twin.faults import FaultUnknown
from filmgate.twin.forms import BodyUnreadable, read_body
from filmgate.twin.kinds import KINDS
from filmgate.twin.listening import Listener
from filmgate.twin.webhooks import Postman
from filmgate.twin.world import World


@dataclass(frozen=True, slots=True)
class Control:
    """Answer under /_twin."""

    world: World
    postman: Postman
    listener: Listener
    vendors: list[str]

    def attach(self, application: web.Application) -> None:
        """Add the routes."""
        application.add_routes(
            [
                web.get("/", self.home),
                web.get("/_twin", self.home),
                web.get("/_twin/", self.people),
                web.get("/_twin/ledger", self.ledger),
                web.get("/_twin/requests", self.requests),
                web.get("/_twin/faults", self.faults),
                web.post("/_twin/faults", self.add_fault),
                web.delete("/_twin/faults/{id}", self.drop_fault),
                web.delete("/_twin/faults", self.drop_faults),
                web.get("/_twin/webhooks", self.webhooks),
                web.post("/_twin/webhooks", self.add_webhook),
                web.post("/_twin/reset", self.reset),
            ]
        )

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Lead people to their page."""
        raise web.HTTPFound("/_twin/")

    async def people(self, request: web.Request) -> web.Response:
        """Show what was billed."""
        ledger = self.world.ledger
        text = page.bill(
            ledger.summary(ledger.entries), [entry.shown(self.world.now()) for entry in ledger.entries]
        )
        return web.Response(text=text, content_type="text/html")

    async def ledger(self, request: web.Request) -> web.Response:
        """Give the bill: entries chosen by vendor, reference, job, model, prompt, created or fault."""
        chosen = self.world.ledger.chosen(request.query)
        now = self.world.now()
        found: dict[str, Any] = {"summary": self.world.ledger.summary(chosen)}
        if request.query.get("entries") != "none":
            found["entries"] = [entry.shown(now) for entry in chosen]
        return _json(found)

    async def requests(self, request: web.Request) -> web.Response:
        """Give the requests seen: chosen by vendor, operation, method or place (wires, media)."""
        wanted = request.query
        names = ("vendor", "operation", "method", "place", "fault")
        seen = [
            record
            for record in self.world.requests
            if all(record.get(name) == wanted[name] for name in names if name in wanted)
        ]
        return _json({"requests": seen})

    async def faults(self, request: web.Request) -> web.Response:
        """Give the rules, and every fault that a rule can name."""
        kinds = [
            {"fault": kind.name, "stage": kind.stage, "does": kind.does, "params": kind.params}
            for kind in KINDS.values()
        ]
        return _json({"rules": [rule.shown() for rule in self.world.faults.rules.values()], "faults": kinds})

    async def add_fault(self, request: web.Request) -> web.Response:
        """Take a rule; a fault of the port itself happens at once and is not kept."""
        try:
            stated = read_body("application/json", await request.read()).fields
            rule = self.world.faults.add(stated)
        except (FaultUnknown, BodyUnreadable) as error:
            return _json({"error": str(error)}, 400)
        if rule.fault.name in {"refuse-connection", "close-on-accept"}:
            del self.world.faults.rules[rule.id]
            act = (
                self.listener.refuse
                if rule.fault.name == "refuse-connection"
                else self.listener.close_on_accept
            )
            act(rule.fault.number("seconds"), request.protocol)
        return _json(rule.shown(), 201)

    async def drop_fault(self, request: web.Request) -> web.Response:
        """Forget a rule."""
        rule = self.world.faults.rules.pop(request.match_info["id"], None)
        return _json({"deleted": rule is not None}, 200 if rule else 404)

    async def drop_faults(self, request: web.Request) -> web.Response:
        """Forget all rules."""
        self.world.faults.rules.clear()
        return _json({"deleted": True})

    async def webhooks(self, request: web.Request) -> web.Response:
        """Give the callbacks sent and how they were answered."""
        return _json({"deliveries": self.postman.deliveries})

    async def add_webhook(self, request: web.Request) -> web.Response:
        """Register an endpoint of the account, for vendors whose callbacks belong to the account."""
        stated = read_body("application/json", await request.read()).fields
        vendor, url = stated.get("vendor"), stated.get("url")
        if vendor not in {"openai", "gemini"} or not isinstance(url, str):
            return _json({"error": "vendor (openai or gemini) and url are needed"}, 400)
        secret = str(stated.get("secret") or self.world.chance.secret(vendor, url))
        endpoints: dict[str, list[dict[str, str]]] = self.world.kept.setdefault("endpoints", {})
        endpoints.setdefault(vendor, []).append({"url": url, "secret": secret})
        return _json({"vendor": vendor, "url": url, "signing_secret": secret}, 201)

    async def reset(self, request: web.Request) -> web.Response:
        """Begin anew, with the same seed and the same rules."""
        await self.postman.stop()
        self.postman.deliveries.clear()
        self.world.start_over()
        return _json({"reset": True})


def _json(document: Any, status: int = 200) -> web.Response:
    body = msgspec.json.encode(document, enc_hook=repr)
    return web.Response(body=body, status=status, content_type="application/json")
