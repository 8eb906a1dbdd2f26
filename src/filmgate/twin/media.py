"""Hand out films under addresses that expire, with the headers a media host sends, or with faults."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from filmgate.twin import films
from filmgate.twin.calls import Answer, Call
from filmgate.twin.films import Look
from filmgate.twin.jobs import Job
from filmgate.twin.world import World

_TRANSFERS: Final = ("length-short", "length-long", "length-absent")
_HTML: Final = b"<!doctype html><html><title>Sorry</title><h1>Something went wrong</h1></html>"
_JSON: Final = b'{"error":{"code":"internal","message":"the film could not be read"}}'
_S3_DENIED: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code>'
    "<Message>Request has expired</Message></Error>"
)
# status and body of an address that has expired, for vendors whose own form is known or likely
_EXPIRED: Final = {
    "runway": (403, "application/json", '{"error":"Expired"}'),
    "ark": (403, "application/xml", _S3_DENIED),
    "gemini": (
        404,
        "application/json",
        '{"error":{"code":404,"status":"NOT_FOUND","message":"File not found."}}',
    ),
}
_GONE: Final = (404, "application/json", '{"detail":"Not found."}')


@dataclass(frozen=True, slots=True)
class Grant:
    """Say which film an address leads to and until when."""

    job: Job
    expires_at: float


@dataclass(frozen=True, slots=True)
class Media:
    """Be the media hosts of all vendors."""

    world: World

    def address(self, job: Job, life: float, *, fresh: bool = False) -> str:
        """Return the address of a job's film, the same each time unless it has to be a fresh one."""
        grants: dict[str, Grant] = self.world.kept.setdefault("grants", {})
        issue = self.world.count(f"address {job.id}") if fresh else 0
        token = self.world.chance.letters(24, "address", job.vendor, job.id, issue)
        if token not in grants:
            grants[token] = Grant(job, self.world.now() + life)
        return f"{self.world.places.media}/media/{job.vendor}/{token}/output.mp4"

    def owner(self, call: Call) -> Job | None:
        """Return the job whose film an address leads to."""
        grant = self._grant(call)
        return grant and grant.job

    async def fetch(self, call: Call) -> Answer:
        """Answer a request to a media host."""
        grant = self._grant(call)
        if grant is None or grant.expires_at <= self.world.now():
            return _spent(call.vendor)
        return await self.film(call, grant.job)

    async def film(self, call: Call, job: Job) -> Answer:
        """Return a job's film, whole or the range asked for, or what a fault makes of it."""
        job.fetches += 1
        if (answer := self._withheld(call, job)) is not None:
            return answer
        body, content_type = await self._content(job), "video/mp4"
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{self.world.chance.hexadecimal(32, "etag", job.id)}"'}
        transfer = next((name for name in _TRANSFERS if name in job.faults), None)
        cut = job.faults.get("media-cut")
        if cut is not None and job.fetches <= cut.number("fetches"):
            transfer = "media-cut"
        if transfer is None and "Range" in call.request.headers:
            return _ranged(call, body, headers)
        return Answer(raw=body, headers=headers, content_type=content_type, transfer=transfer)

    async def picture(self, job: Job, variant: str) -> bytes:
        """Return a job's thumbnail or spritesheet."""
        make = films.spritesheet if variant == "spritesheet" else films.thumbnail
        return await asyncio.to_thread(make, _look(job))

    def _grant(self, call: Call) -> Grant | None:
        grants: dict[str, Grant] = self.world.kept.get("grants", {})
        return grants.get(call.part("token"))

    def _withheld(self, call: Call, job: Job) -> Answer | None:
        expired = job.faults.get("url-expired")
        if expired is not None and job.fetches <= expired.number("fetches"):
            return _spent(call.vendor)
        if "url-forbidden" in job.faults:
            return Answer({"error": "forbidden"}, 403)
        moved = job.faults.get("media-redirect")
        if moved is not None and not call.query("moved"):
            target = moved.text("to") or self._elsewhere(call, job)
            return Answer(status=302, headers={"Location": target}, raw=b"")
        return None

    def _elsewhere(self, call: Call, job: Job) -> str:
        address = self.address(job, 3600.0)
        path = address.removeprefix(self.world.places.media)
        places = (self.world.places.wires, self.world.places.media)
        here = f"{call.request.scheme}://{call.request.host}"
        other = next((place for place in places if place != here), here.replace("127.0.0.1", "localhost"))
        return f"{other}{path}?moved=1"

    async def _content(self, job: Job) -> bytes:
        faults = job.faults
        if "film-empty" in faults:
            return b""
        if "film-html" in faults or "film-json" in faults:
            return _HTML if "film-html" in faults else _JSON
        film = films.signed(await self.world.films.film(_look(job)), f"{job.vendor} {job.id}")
        return film[: len(film) // 2] if "film-truncated" in faults else film


def _look(job: Job) -> Look:
    order, faults = job.order, job.faults
    small = 2 if "film-wrong-size" in faults else 1
    short = 2 if "film-wrong-length" in faults else 1
    return Look(order.width // small, order.height // small, order.seconds / short, "film-black" in faults)


def _spent(vendor: str) -> Answer:
    status, content_type, body = _EXPIRED.get(vendor, _GONE)
    return Answer(status=status, raw=body.encode(), content_type=content_type)


def _ranged(call: Call, body: bytes, headers: dict[str, Any]) -> Answer:
    try:
        wanted = call.request.http_range
        start, stop, _ = wanted.indices(len(body))
    except ValueError:
        start = stop = 0
    if start >= stop:
        return Answer(status=416, raw=b"", headers={"Content-Range": f"bytes */{len(body)}"})
    place = {"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}"}
    return Answer(status=206, raw=body[start:stop], headers=headers | place, content_type="video/mp4")
