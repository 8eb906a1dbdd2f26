"""Speak BytePlus ModelArk's video generation tasks (Seedance)."""

from datetime import UTC, datetime
from typing import Any, Final, cast

from filmgate.twin.calls import Answer, Call, Rejected, Route, Verdict, whole
from filmgate.twin.jobs import Job, Order, Pace, Phase
from filmgate.twin.vendors.ark_models import MODELS, Seedance, size_of
from filmgate.twin.vendors.wire import Wire, text
from filmgate.twin.webhooks import Callback

_WORDS: Final = {
    Phase.QUEUED: "queued",
    Phase.RUNNING: "running",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
    Phase.EXPIRED: "expired",
}
_URL_LIFE: Final = 24 * 3600.0
_RECORD_LIFE: Final = 7 * 86_400.0
_EXPIRES: Final = 172_800
_EXPIRY_RANGE: Final = (3_600, 259_200)
_LONGEST_TAG: Final = 64
_MOST_LISTED: Final = 500
_TASKS: Final = "/api/v3/contents/generations/tasks"
_FRAMES_PER_SECOND: Final = 24


class Ark(Wire):
    """Be ModelArk."""

    name = "ark"

    def routes(self) -> list[Route]:
        """Return the routes of tasks."""
        return [
            Route("POST", _TASKS, "create", self.create),
            Route("GET", _TASKS, "list", self.index),
            Route("GET", f"{_TASKS}/{{id}}", "poll", self.retrieve),
            Route("DELETE", f"{_TASKS}/{{id}}", "cancel", self.delete),
        ]

    def error(self, status: int, message: str) -> Answer:
        """Return an error in Ark's shape."""
        codes = {404: ("NotFound", "NotFound"), 400: ("InvalidParameter", "BadRequest")}
        code, kind = codes.get(status, ("InternalServiceError", "InternalServerError"))
        return _ark_error(status, code, message, kind)

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a key Ark does not take."""
        match verdict:
            case Verdict.QUOTA:
                return _ark_error(
                    403, "AccountOverdueError", "The account has an overdue balance.", "Forbidden"
                )
            case Verdict.FORBIDDEN:
                return _ark_error(
                    403, "AccessDenied", "The model may not be used with this key.", "Forbidden"
                )
            case _:
                return _ark_error(
                    401, "AuthenticationError", "The API key is missing or not valid.", "Unauthorized"
                )

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return Ark's 429."""
        code = "RateLimitExceeded.EndpointRPMExceeded"
        answer = _ark_error(429, code, "Requests per minute are exceeded for this model.", "TooManyRequests")
        if retry_after is not None:
            answer.headers["Retry-After"] = str(retry_after)
        return answer

    def moderated(self, call: Call) -> Answer:
        """Return Ark's refusal of a prompt."""
        message = "The request failed because the input text may contain sensitive information."
        return _ark_error(400, "InputTextSensitiveContentDetected", message, "BadRequest")

    def missing(self, call: Call) -> Answer:
        """Return the answer about a task that is not there."""
        return self.error(404, f"The specified task {call.part('id')} is not found.")

    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and model of a request."""
        texts = [text(part.get("text")) for part in _content(call) if part.get("type") == "text"]
        return "\n".join(texts), text(call.fields.get("model"))

    async def create(self, call: Call) -> Answer:
        """Create a task."""
        prompt, name = self.described(call)
        model = MODELS.get(name.removeprefix("dreamina-").removeprefix("doubao-"))
        if model is None:
            raise Rejected(
                _ark_error(
                    404, "InvalidEndpointOrModel.NotFound", f"The model {name} does not exist.", "NotFound"
                )
            )
        self._check(call, model)
        job = self._opened(call, model, prompt)
        return Answer({"id": job.id})

    async def index(self, call: Call) -> Answer:
        """List the tasks, newest first; those of the flex tier only when asked for."""
        found = [job for job in self.jobs.newest_first() if self._listed(call, job)]
        number, size = whole(call.query("page_num", "1")) or 1, whole(call.query("page_size", "20")) or 20
        if not 1 <= size <= _MOST_LISTED:
            raise Rejected(self.error(400, f"page_size must be between 1 and {_MOST_LISTED}."))
        start = (number - 1) * size
        items = [
            self.shown(job) | {"duration": round(job.order.seconds)} for job in found[start : start + size]
        ]
        return Answer({"total": len(found), "items": items})

    async def retrieve(self, call: Call) -> Answer:
        """Show a task; its duration is text here, and a number in the listing."""
        job = self.known(call)
        return Answer(self.shown(job) | {"duration": str(round(job.order.seconds))})

    async def delete(self, call: Call) -> Answer:
        """Cancel a queued task, delete the record of one that has ended, refuse while it runs."""
        job = self.known(call)
        now = self.world.now()
        phase = job.phase(now)
        if phase is Phase.RUNNING:
            message = "The task is running and can be neither cancelled nor deleted."
            raise Rejected(_ark_error(409, "InvalidAction.RunningTaskDeletion", message, "Conflict"))
        if phase.ended:
            job.deleted = True
        else:
            job.cancel(now)
        return Answer({})

    def shown(self, job: Job) -> dict[str, Any]:
        """Show a job as a task; counts of tokens are text, as they were seen."""
        now = self.world.now()
        phase, ended = job.phase(now), job.ended_at(now)
        given = job.order.given
        updated = ended or (job.started_at if job.began_running(now) else job.created_at)
        shown: dict[str, Any] = {
            "id": job.id,
            "model": job.order.model,
            "status": job.word(phase, _WORDS[phase]),
            "created_at": int(job.created_at),
            "updated_at": int(updated),
            "seed": job.order.seed if job.order.seed is not None else job.number,
            "resolution": given.get("resolution", "720p"),
            "ratio": given.get("ratio", "16:9"),
            "framespersecond": _FRAMES_PER_SECOND,
            "service_tier": given.get("service_tier", "default"),
            "execution_expires_after": given.get("execution_expires_after", _EXPIRES),
        }
        for name in ("generate_audio", "safety_identifier"):
            if name in given:
                shown[name] = given[name]
        if phase is Phase.SUCCEEDED:
            tokens = str(
                job.order.width * job.order.height * _FRAMES_PER_SECOND * round(job.order.seconds) // 1024
            )
            shown |= {
                "content": self._result(job),
                "usage": {"completion_tokens": tokens, "total_tokens": tokens},
            }
        if phase is Phase.FAILED and job.failure != "failed-without-reason":
            shown["error"] = _reason(job)
        return shown

    def _result(self, job: Job) -> dict[str, Any]:
        if "result-missing" in job.faults:
            return {}
        return {
            "video_url": f"{self.media.address(job, _URL_LIFE)}?X-Tos-Expires=86400",
            "last_frame_url": None,
        }

    def events(self, job: Job) -> list[str]:
        """Tell each change of status, where a callback was asked for."""
        return ["start", "end"] if job.order.callback else []

    def callbacks(self, job: Job, event: str) -> list[Callback]:
        """Return the task as Ark posts it; whether it is signed was not documented."""
        if job.order.callback is None:
            return []
        shown = self.shown(job)
        if event == "start":
            shown["status"] = "running"
            shown = {
                name: value for name, value in shown.items() if name not in {"content", "usage", "error"}
            }
        return [Callback(job.order.callback, shown, lambda _stamp, _body: {})]

    def _listed(self, call: Call, job: Job) -> bool:
        query, now = call.request.query, self.world.now()
        tier = job.order.given.get("service_tier", "default")
        ids = query.getall("filter.task_ids", [])
        wanted = {
            "filter.status": _WORDS[job.phase(now)],
            "filter.model": job.order.model,
            "filter.service_tier": tier,
        }
        if any(name in query and query[name] != value for name, value in wanted.items()):
            return False
        if job.created_at + _RECORD_LIFE < now or (ids and job.id not in ids):
            return False
        return tier == "default" or "filter.service_tier" in query

    def _opened(self, call: Call, model: Seedance, prompt: str) -> Job:
        fields = call.fields
        resolution, ratio = text(fields.get("resolution"), "720p"), text(fields.get("ratio"), "16:9")
        width, height = size_of(resolution, ratio)
        asked = whole(fields.get("duration"))
        seconds = 5 if asked in {None, -1} else asked or 5
        flex = fields.get("service_tier") == "flex"
        price = model.micro_per_token * width * height * _FRAMES_PER_SECOND * seconds / 1024
        order = Order(
            model=text(fields["model"]),
            prompt=prompt,
            seconds=seconds,
            width=width,
            height=height,
            price=round(price / (2 if flex else 1)),
            pace=Pace(40 if flex else 5, 12),
            seed=None if whole(fields.get("seed")) == -1 else whole(fields.get("seed")),
            callback=fields.get("callback_url"),
            given=fields,
            deadline=float(fields.get("execution_expires_after", _EXPIRES)),
        )
        number = self.world.count("ark id")
        moment = datetime.fromtimestamp(self.world.now(), UTC).strftime("%Y%m%d%H%M%S")
        infix = "-batch" if flex else ""
        return self.world.open_job(
            call, f"cgt-{moment}{infix}-{self.world.chance.letters(5, 'ark', number)}", order
        )

    def _check(self, call: Call, model: Seedance) -> None:
        fields = call.fields
        for name in fields:
            if name not in model.parameters:
                raise Rejected(self._wrong(name, f"is not supported by the model {fields['model']}"))
        resolution, ratio = fields.get("resolution", "720p"), fields.get("ratio", "16:9")
        if resolution not in model.resolutions:
            raise Rejected(self._wrong("resolution", "is not valid for this model"))
        if ratio not in model.ratios:
            raise Rejected(self._wrong("ratio", "is not valid for this model"))
        duration = fields.get("duration", 5)
        low, high = model.seconds
        if not isinstance(duration, int) or (duration != -1 and not low <= duration <= high):
            raise Rejected(self._wrong("duration", f"must be an integer from {low} to {high}"))
        self._check_tag_and_expiry(fields)
        self._check_pictures(call)

    def _check_tag_and_expiry(self, fields: dict[str, Any]) -> None:
        low, high = _EXPIRY_RANGE
        expires = fields.get("execution_expires_after", _EXPIRES)
        if not isinstance(expires, int) or not low <= expires <= high:
            raise Rejected(self._wrong("execution_expires_after", f"must be an integer from {low} to {high}"))
        if len(text(fields.get("safety_identifier"))) > _LONGEST_TAG:
            raise Rejected(self._wrong("safety_identifier", f"must have at most {_LONGEST_TAG} characters"))

    def _check_pictures(self, call: Call) -> None:
        parts = _content(call)
        roles = {text(part.get("role")) for part in parts if part.get("type") != "text"}
        frames = {role for role in roles if role.endswith("_frame")}
        if frames and any(role.startswith("reference_") for role in roles):
            raise Rejected(self._wrong("content", "cannot mix first or last frames with references"))
        if not parts:
            raise Rejected(self._wrong("content", "is required"))

    def _wrong(self, name: str, reason: str) -> Answer:
        message = f"The parameter `{name}` specified in the request {reason}."
        return _ark_error(400, "InvalidParameter", message, "BadRequest", name)


def _content(call: Call) -> list[dict[str, Any]]:
    given: Any = call.fields.get("content")
    parts: list[Any] = cast("list[Any]", given) if isinstance(given, list) else []
    return [cast("dict[str, Any]", part) for part in parts if isinstance(part, dict)]


def _ark_error(status: int, code: str, message: str, kind: str, param: str = "") -> Answer:
    return Answer({"error": {"code": code, "message": message, "param": param, "type": kind}}, status)


def _reason(job: Job) -> dict[str, str]:
    if job.failure == "moderated-after":
        message = "The request failed because the output video may contain sensitive information."
        return {"code": "OutputVideoSensitiveContentDetected", "message": message}
    return {
        "code": "InternalServiceError",
        "message": "The service encountered an unexpected internal error.",
    }
