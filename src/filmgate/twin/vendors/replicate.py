"""Speak Replicate's predictions API."""

import re
from typing import Any, Final, cast

from filmgate.twin.calls import Answer, Call, Rejected, Route, Verdict, whole
from filmgate.twin.jobs import Job, Order, Pace, Phase
from filmgate.twin.signing import standard
from filmgate.twin.vendors.wire import Wire, iso, shape, text
from filmgate.twin.webhooks import Callback

_WORDS: Final = {
    Phase.QUEUED: "starting",
    Phase.RUNNING: "processing",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "canceled",
}
_DEADLINE: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_LONGEST_RUN: Final = 1800.0
_SHORTEST_DEADLINE: Final = 5.0
_DATA_LIFE: Final = 3600.0
_PAGE: Final = 100
_PRICE: Final = 90_000
_EVENTS: Final = {"start": "start", "end": "completed"}
_TITLES: Final = {401: "Unauthenticated", 402: "Insufficient credit", 403: "Forbidden", 404: "Not found"}


class Replicate(Wire):
    """Be Replicate."""

    name = "replicate"

    def routes(self) -> list[Route]:
        """Return the routes of predictions and of the webhook secret."""
        return [
            Route("POST", "/v1/predictions", "create", self.create),
            Route("POST", "/v1/models/{owner}/{model}/predictions", "create", self.create),
            Route("POST", "/v1/deployments/{owner}/{model}/predictions", "create", self.create),
            Route("GET", "/v1/models/{owner}/{model}", "other", self.show_model),
            Route("GET", "/v1/predictions", "list", self.index),
            Route("GET", "/v1/predictions/{id}", "poll", self.retrieve),
            Route("POST", "/v1/predictions/{id}/cancel", "cancel", self.cancel),
            Route("GET", "/v1/webhooks/default/secret", "other", self.show_secret),
        ]

    def error(self, status: int, message: str) -> Answer:
        """Return an error as problem details."""
        title = _TITLES.get(status, "Server error" if status >= 500 else "Bad request")
        body = {"title": title, "detail": message, "status": status}
        return Answer(body, status, content_type="application/problem+json")

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a key Replicate does not take."""
        match verdict:
            case Verdict.QUOTA:
                return self.error(402, "You have insufficient credit to run this model.")
            case Verdict.FORBIDDEN:
                return self.error(403, "You do not have permission to perform this action.")
            case _:
                return self.error(401, "You did not pass a valid authentication token")

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return Replicate's 429; when to come back stands in its text."""
        wait = 30 if retry_after is None else retry_after
        return Answer({"detail": f"Request was throttled. Your rate limit resets in ~{wait}s."}, 429)

    def moderated(self, call: Call) -> Answer:
        """Return Replicate's refusal of a prompt."""
        return self.error(
            422, "The input was flagged as sensitive. Please try again with different inputs. (E005)"
        )

    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and model of a request."""
        given = _input(call)
        info = call.request.match_info
        model = f"{info['owner']}/{info['model']}" if "owner" in info else text(call.fields.get("version"))
        return text(given.get("prompt")), model

    async def create(self, call: Call) -> Answer:
        """Create a prediction; `Prefer: wait` is not honoured, as a gateway must not use it."""
        prompt, model = self.described(call)
        given = _input(call)
        if not model or "input" not in call.fields:
            missing = "version" if not model else "input"
            raise Rejected(self.error(422, f"- {missing} is required"))
        width, height = _size(given)
        seconds = _seconds(given)
        order = Order(
            model=model,
            prompt=prompt,
            seconds=seconds,
            width=width,
            height=height,
            price=round(_PRICE * seconds),
            pace=Pace(8, 9),
            seed=whole(given.get("seed")),
            callback=call.fields.get("webhook"),
            given=given,
            deadline=self._deadline(call),
        )
        job_id = self.world.chance.letters(26, "replicate", self.world.count("replicate id"))
        job = self.world.open_job(call, job_id, order)
        job.kept["events"] = call.fields.get("webhook_events_filter") or ["start", "completed"]
        job.kept["version"] = call.fields.get("version") or self.world.chance.hexadecimal(
            64, "version", model
        )
        return Answer(self.shown(job), 201)

    async def index(self, call: Call) -> Answer:
        """List the predictions, newest first, a hundred at a time."""
        jobs = list(self.jobs.newest_first())
        start = whole(call.query("cursor", "0")) or 0
        stop = start + _PAGE
        address = f"{self.here}/v1/predictions?cursor="
        return Answer(
            {
                "previous": f"{address}{max(0, start - _PAGE)}" if start else None,
                "next": f"{address}{stop}" if stop < len(jobs) else None,
                "results": [self.shown(job) for job in jobs[start:stop]],
            }
        )

    async def retrieve(self, call: Call) -> Answer:
        """Show a prediction."""
        return Answer(self.shown(self.known(call)))

    async def cancel(self, call: Call) -> Answer:
        """Stop a prediction; one that has ended stays as it is."""
        job = self.known(call)
        now = self.world.now()
        if not job.phase(now).ended:
            job.cancel(now)
        return Answer(self.shown(job))

    async def show_model(self, call: Call) -> Answer:
        """Show a model; those of the owner nobody are not there."""
        owner, name = call.part("owner"), call.part("model")
        if owner == "nobody":
            raise Rejected(self.error(404, "The requested resource could not be found."))
        return Answer({"owner": owner, "name": name, "visibility": "public"})

    async def show_secret(self, call: Call) -> Answer:
        """Show the secret that callbacks are signed with."""
        return Answer({"key": self._secret})

    @property
    def _secret(self) -> str:
        return self.world.chance.secret("replicate")

    def shown(self, job: Job) -> dict[str, Any]:
        """Show a job as a prediction."""
        now = self.world.now()
        phase, ended = job.phase(now), job.ended_at(now)
        removed = ended is not None and ended + _DATA_LIFE < now
        began = job.began_running(now)
        word = _WORDS.get(phase) or ("canceled" if began else "aborted")
        address = f"{self.here}/v1/predictions/{job.id}"
        return {
            "id": job.id,
            "model": job.order.model,
            "version": job.kept["version"],
            "status": job.word(phase, word),
            "input": {} if removed else job.order.given,
            "output": None if removed else self._output(job, phase),
            "logs": "" if removed or not began else _logs(job, now),
            "error": _reason(job) if phase is Phase.FAILED else None,
            "created_at": iso(job.created_at),
            "started_at": iso(job.started_at) if began else None,
            "completed_at": iso(ended),
            "metrics": {"predict_time": round(job.run, 3)} if phase is Phase.SUCCEEDED else {},
            "urls": {"get": address, "cancel": f"{address}/cancel", "stream": f"{address}/stream"},
            "data_removed": removed,
            "source": "api",
        }

    def _output(self, job: Job, phase: Phase) -> str | None:
        if phase is not Phase.SUCCEEDED or "result-missing" in job.faults:
            return None
        return self.media.address(job, _DATA_LIFE)

    def events(self, job: Job) -> list[str]:
        """Tell what the request's filter names."""
        wanted: list[str] = job.kept["events"] if job.order.callback else []
        return [event for event, word in _EVENTS.items() if word in wanted]

    def callbacks(self, job: Job, event: str) -> list[Callback]:
        """Return the prediction as Replicate posts it."""
        if job.order.callback is None:
            return []
        shown = self.shown(job)
        if event == "start":
            shown |= {"status": "processing", "output": None, "completed_at": None}
        return [Callback(job.order.callback, shown, lambda stamp, body: standard(self._secret, stamp, body))]

    def _deadline(self, call: Call) -> float:
        stated = call.header("Cancel-After")
        if not stated:
            return _LONGEST_RUN
        found = _DEADLINE.fullmatch(stated)
        hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
        total = float(hours * 3600 + minutes * 60 + seconds)
        if total < _SHORTEST_DEADLINE:
            raise Rejected(self.error(422, "Cancel-After must be a duration of at least 5s"))
        return min(total, _LONGEST_RUN)


def _input(call: Call) -> dict[str, Any]:
    given: Any = call.fields.get("input")
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def _seconds(given: dict[str, Any]) -> float:
    try:
        return float(text(given.get("duration", given.get("seconds", 5))).removesuffix("s"))
    except ValueError:
        return 5.0


def _size(given: dict[str, Any]) -> tuple[int, int]:
    width, height = whole(given.get("width")), whole(given.get("height"))
    if width and height:
        return width, height
    return shape(text(given.get("resolution"), "720p"), text(given.get("aspect_ratio"), "16:9"))


def _logs(job: Job, now: float) -> str:
    done = 100 if job.phase(now) is Phase.SUCCEEDED else int(job.progress(now) * 100)
    return f"Using seed: {job.order.seed or job.number}\n{done}%|{'#' * (done // 10):<10}| {done}/100\n"


def _reason(job: Job) -> str | None:
    if job.failure == "failed-without-reason":
        return None
    if job.failure == "moderated-after":
        return "The output was flagged as sensitive. Please try again with different inputs. (E005)"
    return "Prediction interrupted; please retry (code: PA)"
