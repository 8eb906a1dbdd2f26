"""Speak fal's queue API: jobs, results, cancelling, request history, signed callbacks, uploads."""

from typing import Any, Final

from filmgate.twin.calls import Answer, Call, Rejected, Route, Verdict, bearer, whole
from filmgate.twin.jobs import Job, Order, Pace, Phase
from filmgate.twin.signing import Stamp, fal
from filmgate.twin.vendors.fal_rest import REST_ROUTES, FalRest
from filmgate.twin.vendors.wire import shape, text
from filmgate.twin.webhooks import Callback

_THREE_PARTS: Final = ("workflows", "comfy")
_DEFAULT_SECONDS: Final = 5.0
_RESULT_LIFE: Final = 3600.0
# micro-USD per second, by the part of the endpoint's name that decides
_PRICES: Final = {
    "veo3.1": 200_000,
    "kling-video": 112_000,
    "minimax": 80_000,
    "seedance": 220_000,
    "wan": 140_000,
    "ltx": 90_000,
    "grok": 140_000,
    "gemini-omni": 100_000,
}
_USUAL_PRICE: Final = 100_000
_TECHNICAL: Final = "internal_server_error"


class Fal(FalRest):
    """Be fal."""

    name = "fal"

    def routes(self) -> list[Route]:
        """Return the queue's routes and those of the other hosts."""
        app = "/queue/{app:[^/]+/[^/]+|(?:workflows|comfy)/[^/]+/[^/]+}/requests/{id}"
        return [
            Route("GET", f"{app}/status", "poll", self.status),
            Route("PUT", f"{app}/cancel", "cancel", self.cancel),
            Route("GET", app, "poll", self.result),
            Route("POST", "/queue/{endpoint:.+}", "create", self.submit),
            *(Route(method, path, kind, getattr(self, name)) for method, path, kind, name in REST_ROUTES),
        ]

    def credential(self, call: Call) -> str | None:
        """Return the key of the Authorization header; fal's scheme is Key."""
        return bearer(call, "Key")

    def admit(self, call: Call) -> None:
        """Let a request in; the public keys are for everybody."""
        if not call.request.path.endswith("/jwks.json") and call.request.method != "HEAD":
            super().admit(call)

    def error(self, status: int, message: str) -> Answer:
        """Return an error in fal's shape."""
        headers = {"X-Fal-Error-Type": _TECHNICAL} if status >= 500 else {}
        return Answer({"detail": message}, status, headers)

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a key fal does not take."""
        if verdict is Verdict.QUOTA:
            return self.error(403, "User is locked. Reason: Exhausted balance.")
        if verdict is Verdict.FORBIDDEN:
            return self.error(403, "Access denied.")
        return self.error(
            401, "Cannot access application. Authentication is required to access this application."
        )

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return fal's 429; it has no Retry-After of its own."""
        headers = {"X-Fal-Error-Type": "concurrent_requests_limit"}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        return Answer({"detail": "Concurrent requests limit reached."}, 429, headers)

    def moderated(self, call: Call) -> Answer:
        """Return fal's refusal of a prompt."""
        return Answer(_detail("content_policy_violation", call.fields.get("prompt")), 422)

    def headers(self, call: Call) -> dict[str, str]:
        """Return the headers fal puts on answers."""
        return {"X-Fal-Request-Id": call.job.id} if call.job is not None else {}

    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and the endpoint of a request."""
        return text(call.fields.get("prompt")), call.part("endpoint")

    def shows_outcome(self, call: Call) -> bool:
        """Tell whether the answer is a result; a status alone shows no film."""
        return call.operation == "poll" and not call.request.path.endswith("/status")

    async def submit(self, call: Call) -> Answer:
        """Put a request into the queue."""
        prompt, endpoint = self.described(call)
        if endpoint.count("/") < 1 or "/requests/" in endpoint:
            raise Rejected(self.error(404, f"Application '{endpoint}' not found"))
        self._check_queue(call)
        seconds, (width, height) = _seconds(call.fields), _size(call.fields)
        order = Order(
            model=endpoint,
            prompt=prompt,
            seconds=seconds,
            width=width,
            height=height,
            price=round(_price(endpoint) * seconds),
            pace=Pace(3, 7),
            seed=whole(call.fields.get("seed")),
            callback=call.query("fal_webhook") or None,
            given=call.fields,
            start_deadline=float(call.header("X-Fal-Request-Start-Timeout") or "inf"),
        )
        job = self.world.open_job(call, self.world.chance.uuid("fal", self.world.count("fal id")), order)
        job.kept["media_life"] = _media_life(call)
        return Answer(
            {"request_id": job.id, "status": "IN_QUEUE", "queue_position": self._place(job)} | self._urls(job)
        )

    async def status(self, call: Call) -> Answer:
        """Show where a request is: 202 while it waits or runs, 200 when it has ended."""
        job = self._known(call)
        now = self.world.now()
        phase = job.phase(now)
        if phase is Phase.QUEUED:
            return Answer({"status": "IN_QUEUE", "queue_position": self._place(job)} | self._urls(job), 202)
        logs = [{"message": f"{int(job.progress(now) * 100)}%", "level": "INFO", "source": "USER"}]
        shown: dict[str, Any] = {"logs": logs if call.query("logs") == "1" else None} | self._urls(job)
        if phase is Phase.RUNNING:
            return Answer({"status": job.word(phase, "IN_PROGRESS")} | shown, 202)
        done = {"status": "COMPLETED", "metrics": {"inference_time": round(job.run, 2)}}
        return Answer(done | shown | self._status_error(job, phase))

    async def result(self, call: Call) -> Answer:
        """Give the model's own answer."""
        job = self._known(call)
        now = self.world.now()
        phase = job.phase(now)
        if not phase.ended:
            return self.error(400, "Request is still in progress")
        if phase is Phase.SUCCEEDED:
            units = {"X-Fal-Billable-Units": f"{job.order.seconds:g}"}
            return Answer(await self.output(job), headers=units)
        status, kind = self.outcome(job, phase)
        headers = {"X-Fal-Error-Type": kind}
        if phase is Phase.EXPIRED:
            headers["X-Fal-Request-Timeout-Type"] = "user"
        body = _detail(kind, job.order.prompt) if status == 422 else {"detail": _message(kind)}
        return Answer(body, status, headers)

    async def cancel(self, call: Call) -> Answer:
        """Stop a request: a waiting one is removed, a running one is told to stop."""
        job = self.jobs.get(call.part("id"))
        if job is None:
            return Answer({"status": "NOT_FOUND"}, 404)
        now = self.world.now()
        if job.phase(now).ended:
            return Answer({"status": "ALREADY_COMPLETED"}, 400)
        job.cancel(now)
        return Answer({"status": "CANCELLATION_REQUESTED"}, 202)

    def events(self, job: Job) -> list[str]:
        """Tell the end, where a callback was asked for."""
        return ["end"] if job.order.callback else []

    def callbacks(self, job: Job, event: str) -> list[Callback]:
        """Return the result as fal posts it."""
        if job.order.callback is None:
            return []
        phase = job.phase(self.world.now())
        document: dict[str, Any] = {"request_id": job.id, "gateway_request_id": job.id}
        if phase is Phase.SUCCEEDED:
            document |= {"status": "OK", "payload": self.output_now(job)}
        else:
            status, kind = self.outcome(job, phase)
            payload = _detail(kind, job.order.prompt) if status == 422 else {"detail": _message(kind)}
            document |= {"status": "ERROR", "error": f"Unexpected status code: {status}", "payload": payload}

        def sign(stamp: Stamp, body: bytes) -> dict[str, str]:
            return fal(self.signing_key, job.id, self.user_id, stamp, body)

        return [Callback(job.order.callback, document, sign)]

    @property
    def user_id(self) -> str:
        """Return the account's name in callbacks."""
        return f"auth0|{self.world.chance.hexadecimal(24, 'fal user')}"

    def _known(self, call: Call) -> Job:
        job = self.known(call)
        ended = job.ended_at(self.world.now())
        late = ended is not None and ended + _RESULT_LIFE < self.world.now()
        if late or not f"{job.order.model}/".startswith(f"{call.part('app')}/"):
            raise Rejected(self.missing(call))
        return job

    def _place(self, job: Job) -> int:
        return job.number % 3

    def _urls(self, job: Job) -> dict[str, str]:
        parts = job.order.model.split("/")
        app = "/".join(parts[: 3 if parts[0] in _THREE_PARTS else 2])
        address = f"{self.here}/queue/{app}/requests/{job.id}"
        return {"response_url": address, "status_url": f"{address}/status", "cancel_url": f"{address}/cancel"}

    def _status_error(self, job: Job, phase: Phase) -> dict[str, str]:
        if phase is Phase.SUCCEEDED or {"fal-result-only", "failed-without-reason"} & set(job.faults):
            return {}
        _, kind = self.outcome(job, phase)
        return {"error": _message(kind), "error_type": kind}

    def _check_queue(self, call: Call) -> None:
        longest = whole(call.query("fal_max_queue_length", "1000000"))
        if longest is not None and self.jobs.unfinished() > longest:
            raise Rejected(self.rate_limited(None))

    def outcome(self, job: Job, phase: Phase) -> tuple[int, str]:
        """Return the status and error type of a request that did not succeed."""
        if phase is Phase.EXPIRED:
            return 504, "request_timeout"
        if phase is Phase.CANCELLED:
            return 499, "client_cancelled"
        if job.failure in {"moderated-after", "fal-result-only"}:
            return 422, "content_policy_violation"
        return 500, _TECHNICAL


def _seconds(fields: dict[str, Any]) -> float:
    given = fields.get("duration")
    frames = whole(fields.get("num_frames"))
    if given is None and frames is not None:
        return max(1.0, frames / 24)
    try:
        return float(str(given).removesuffix("s"))
    except ValueError:
        return _DEFAULT_SECONDS


def _size(fields: dict[str, Any]) -> tuple[int, int]:
    resolution = text(fields.get("resolution"), "720p")
    ratio = text(fields.get("aspect_ratio"), "16:9")
    return shape(resolution, ratio if ":" in ratio else "16:9")


def _price(endpoint: str) -> int:
    return next((price for name, price in _PRICES.items() if name in endpoint), _USUAL_PRICE)


def _media_life(call: Call) -> float:
    stated = call.header("X-Fal-Object-Lifecycle-Preference") or ""
    digits = "".join(letter for letter in stated if letter.isdigit())
    return float(digits or 7 * 86_400)


def _message(kind: str) -> str:
    words = {
        "content_policy_violation": "The content was flagged by a content checker.",
        "request_timeout": "The request did not start in time.",
        "client_cancelled": "The request was cancelled.",
    }
    return words.get(kind, "Internal server error")


def _detail(kind: str, given: object) -> dict[str, Any]:
    address = f"https://docs.fal.ai/errors#{kind}"
    what = {"loc": ["body", "prompt"], "msg": _message(kind), "type": kind, "url": address}
    return {"detail": [what | {"ctx": {}, "input": given}]}
