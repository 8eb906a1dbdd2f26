"""Speak what surrounds fal's queue: history, prices, public keys, uploads; and show a film as fal does."""

import base64
from abc import abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from filmgate.twin import films
from filmgate.twin.calls import Answer, Call, Rejected, whole
from filmgate.twin.ed25519 import SigningKey
from filmgate.twin.films import Look
from filmgate.twin.jobs import Job, Phase
from filmgate.twin.vendors.wire import Wire, iso

REST_ROUTES: Final = (
    ("GET", "/api/v1/models/requests/by-endpoint", "list", "history"),
    ("GET", "/api/v1/models/pricing", "other", "pricing"),
    ("GET", "/rest/.well-known/jwks.json", "other", "public_keys"),
    ("POST", "/rest/storage/upload/initiate", "other", "begin_upload"),
    ("PUT", "/rest/storage/files/{name}", "other", "upload"),
    ("GET", "/rest/storage/files/{name}", "other", "uploaded"),
)
_MOST_LISTED: Final = 100
_STATUSES: Final = {"success": (200, 300), "user_error": (400, 500), "error": (500, 600)}


class FalRest(Wire):
    """Be the hosts beside fal's queue."""

    @property
    def signing_key(self) -> SigningKey:
        """Return the key that callbacks are signed with."""
        secret = bytes.fromhex(self.world.chance.hexadecimal(64, "fal signing key"))
        return self.world.kept.setdefault("fal signing key", SigningKey(secret))

    @abstractmethod
    def outcome(self, job: Job, phase: Phase) -> tuple[int, str]:
        """Return the status and error type of a request that did not succeed."""

    async def output(self, job: Job) -> dict[str, Any]:
        """Return a model's answer about a film, with its size."""
        document = self.output_now(job)
        if document["video"] is not None:
            order = job.order
            film = await self.world.films.film(Look(order.width, order.height, order.seconds))
            document["video"]["file_size"] = len(films.signed(film, f"{job.vendor} {job.id}"))
        return document

    def output_now(self, job: Job) -> dict[str, Any]:
        """Return a model's answer about a film, without its size."""
        seed = job.order.seed if job.order.seed is not None else job.number
        if "result-missing" in job.faults:
            return {"video": None, "seed": seed}
        url = self.media.address(job, job.kept["media_life"])
        film: dict[str, Any] = {
            "url": url,
            "content_type": "video/mp4",
            "file_name": "output.mp4",
            "file_size": None,
        }
        return {"video": film, "seed": seed}

    async def history(self, call: Call) -> Answer:
        """List the requests that have ended, the latest end first."""
        endpoint = call.query("endpoint_id")
        if not endpoint:
            raise Rejected(
                Answer({"error": {"type": "validation_error", "message": "endpoint_id is required"}}, 400)
            )
        found = [
            job for job in self.jobs.newest_first() if job.order.model == endpoint and self._fits(call, job)
        ]
        found.sort(key=lambda job: job.ended_at(self.world.now()) or 0, reverse=True)
        start = whole(call.query("cursor", "0")) or 0
        limit = min(whole(call.query("limit", "50")) or 50, _MOST_LISTED)
        stop, more = start + limit, start + limit < len(found)
        items = [self._item(job, payloads="payloads" in call.query("expand")) for job in found[start:stop]]
        return Answer({"items": items, "next_cursor": str(stop) if more else None, "has_more": more})

    def _fits(self, call: Call, job: Job) -> bool:
        now = self.world.now()
        ended = job.ended_at(now)
        if ended is None:
            return False
        day_ago = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
        start = _moment(call.query("start")) or day_ago.timestamp()
        stop = _moment(call.query("end")) or now
        low, high = _STATUSES.get(call.query("status"), (0, 1000))
        wanted = call.query("request_id")
        return start <= ended <= stop and low <= self._status(job) < high and wanted in {"", job.id}

    def _status(self, job: Job) -> int:
        phase = job.phase(self.world.now())
        return 200 if phase is Phase.SUCCEEDED else self.outcome(job, phase)[0]

    def _item(self, job: Job, *, payloads: bool) -> dict[str, Any]:
        ended = job.ended_at(self.world.now())
        item: dict[str, Any] = {
            "request_id": job.id,
            "endpoint_id": job.order.model,
            "sent_at": iso(job.created_at),
            "started_at": iso(job.started_at),
            "ended_at": iso(ended),
            "status_code": self._status(job),
            "duration": round(job.run, 3),
        }
        if payloads:
            output = self.output_now(job) if self._status(job) == 200 else None
            item |= {"json_input": job.order.given, "json_output": output}
        return item

    async def pricing(self, call: Call) -> Answer:
        """Show what a second costs."""
        row = {
            "endpoint_id": call.query("endpoint_id"),
            "unit_price": 0.1,
            "unit": "second",
            "currency": "USD",
        }
        return Answer({"prices": [row], "next_cursor": None, "has_more": False})

    async def public_keys(self, call: Call) -> Answer:
        """Show the key that callbacks are signed with."""
        x = base64.urlsafe_b64encode(self.signing_key.public).rstrip(b"=").decode()
        key = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "twin", "x": x}
        return Answer({"keys": [key]}, headers={"Cache-Control": "public, max-age=86400"})

    async def begin_upload(self, call: Call) -> Answer:
        """Give the address a file is sent to."""
        mark = self.world.chance.hexadecimal(20, "upload", call.number)
        name = f"{mark}-{call.fields.get('file_name', 'file')}"
        address = f"{self.here}/rest/storage/files/{name}"
        return Answer({"upload_url": address, "file_url": address})

    async def upload(self, call: Call) -> Answer:
        """Keep a file."""
        files: dict[str, tuple[str, bytes]] = self.world.kept.setdefault("fal files", {})
        files[call.part("name")] = (call.header("Content-Type") or "", await call.request.read())
        return Answer({})

    async def uploaded(self, call: Call) -> Answer:
        """Give a file back."""
        files: dict[str, tuple[str, bytes]] = self.world.kept.get("fal files", {})
        if call.part("name") not in files:
            raise Rejected(self.error(404, "file not found"))
        content_type, data = files[call.part("name")]
        return Answer(raw=data, content_type=content_type or "application/octet-stream")


def _moment(stated: str) -> float | None:
    if not stated:
        return None
    try:
        moment = datetime.fromisoformat(stated.replace(" ", "+"))
    except ValueError as error:
        raise Rejected(Answer({"error": {"type": "validation_error", "message": str(error)}}, 400)) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
