"""Speak OpenAI's videos API the way its copies do: vLLM-Omni, SGLang-Diffusion, and LiteLLM's proxy."""

import base64
import re
from typing import Any, Final

from filmgate.twin.calls import Answer, Call, Rejected, Route, Verdict, whole
from filmgate.twin.films import MAX_PIXELS, MAX_SECONDS
from filmgate.twin.jobs import Job, Order, Pace, Phase
from filmgate.twin.vendors.openai import OpenAI
from filmgate.twin.vendors.openai_objects import WORDS, error_of, model_list, openai_error, page, video
from filmgate.twin.vendors.wire import Wire, text

_SIZE: Final = re.compile(r"(\d{1,5})x(\d{1,5})")
_FREE_SECONDS: Final = re.compile(r"[1-9]\d*")
_SERVED: Final = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"


class _Server(Wire):
    """Be a FastAPI server on somebody's own GPUs, where nothing is billed."""

    key_optional = True

    def error(self, status: int, message: str) -> Answer:
        """Return an error as FastAPI does."""
        return Answer({"detail": message}, status)

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a wrong key."""
        return Answer({"error": "Unauthorized"}, 403 if verdict is Verdict.FORBIDDEN else 401)

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return a 429, as a proxy in front of such a server would give it."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return Answer({"detail": "Too Many Requests"}, 429, headers)

    def moderated(self, call: Call) -> Answer:
        """Return a refusal of a prompt."""
        return self.error(400, "The prompt was refused by the safety filter")

    def missing(self, call: Call) -> Answer:
        """Return the answer about a video that is not there."""
        return self.error(404, "Video not found")

    async def models(self, call: Call) -> Answer:
        """Name the one model that is served."""
        return Answer(model_list((_SERVED,)))

    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and model of a request."""
        return text(call.fields.get("prompt")), text(call.fields.get("model"), _SERVED)

    def _page(self, call: Call, fewest: int) -> tuple[list[Job], bool]:
        jobs = list(self.jobs.newest_first())
        if call.query("order", "desc") == "asc":
            jobs.reverse()
        try:
            start, stop = page(jobs, call, fewest)
        except Rejected:
            raise Rejected(_invalid("query", "limit", f"Input should be between {fewest} and 100")) from None
        return jobs[start:stop], stop < len(jobs)

    def _opened(self, call: Call, prefix: str, seconds: int) -> Job:
        prompt, model = self.described(call)
        width, height = _size(call)
        order = Order(
            model=model,
            prompt=prompt,
            seconds=min(seconds, MAX_SECONDS),
            width=width,
            height=height,
            price=0,
            pace=Pace(1, 20),
            seed=whole(call.fields.get("seed")),
        )
        number = self.world.count(f"{self.name} id")
        return self.world.open_job(call, prefix + self.world.chance.hexadecimal(32, self.name, number), order)


class VLLMOmni(_Server):
    """Be vLLM-Omni: forms only, and a failed job answers GET with an error status."""

    name = "vllm"

    def routes(self) -> list[Route]:
        """Return the routes it has; there are no remixes, edits, extensions or characters."""
        return [
            Route("GET", "/v1/models", "other", self.models),
            Route("POST", "/v1/videos", "create", self.create),
            Route("POST", "/v1/videos/sync", "create", self.create_at_once),
            Route("GET", "/v1/videos", "list", self.index),
            Route("GET", "/v1/videos/{id}", "poll", self.retrieve),
            Route("DELETE", "/v1/videos/{id}", "cancel", self.delete),
            Route("GET", "/v1/videos/{id}/content", "download", self.content),
        ]

    async def create(self, call: Call) -> Answer:
        """Create a video from a form."""
        return Answer(self.shown(self._checked(call)))

    async def create_at_once(self, call: Call) -> Answer:
        """Create a video and send the film itself."""
        job = self._checked(call)
        job.finish(self.world.now())
        answer = await self.media.film(call, job)
        answer.headers |= {"X-Request-Id": job.id, "X-Model": job.order.model, "X-Inference-Time-S": "1.0"}
        return answer

    async def index(self, call: Call) -> Answer:
        """List the videos; an unknown `after` leads to an empty page."""
        jobs, more = self._page(call, 0)
        return Answer(_listing([self.shown(job) for job in jobs], more=more))

    async def retrieve(self, call: Call) -> Answer:
        """Show a video; a failed one comes with the status of its error."""
        shown = self.shown(self.known(call))
        status = shown["error"]["code"] if shown["error"] else 200
        return Answer(shown, status)

    async def delete(self, call: Call) -> Answer:
        """Delete a video; one that runs is stopped first."""
        job = self.known(call)
        if not job.phase(self.world.now()).ended:
            job.cancel(self.world.now())
        job.deleted = True
        return Answer({"id": job.id, "object": "video.deleted", "deleted": True})

    async def content(self, call: Call) -> Answer:
        """Send the film, whatever variant is asked for."""
        job = self.known(call)
        phase = job.phase(self.world.now())
        if phase is Phase.FAILED:
            raise Rejected(self.error(422, "Video generation failed"))
        if phase is not Phase.SUCCEEDED or "result-missing" in job.faults:
            raise Rejected(self.error(404, "Video is not ready"))
        return await self.media.film(call, job)

    def shown(self, job: Job) -> dict[str, Any]:
        """Show a job; progress is 0 or 100 and an error's code is an HTTP status."""
        now = self.world.now()
        phase = job.phase(now)
        done = phase is Phase.SUCCEEDED
        return video(job, now, WORDS) | {
            "progress": 100 if done else 0,
            "error": _whole_error(job) if phase is Phase.FAILED else None,
            "quality": "standard",
            "action": "generate",
            "media_type": "video/mp4" if done else None,
            "file_name": f"{job.id}.mp4" if done else None,
            "inference_time_s": round(job.run, 2) if done else None,
            "fps": 24,
            "num_frames": round(job.order.seconds * 24),
            "duration_s": job.order.seconds if done else None,
            "stage_durations": {},
            "peak_memory_mb": 40_960.0 if done else None,
            "metrics": {},
        }

    def _checked(self, call: Call) -> Job:
        fields = call.fields
        if call.body.encoding not in {"multipart", "form"} or not fields.get("prompt"):
            raise Rejected(_invalid("body", "prompt", "Field required"))
        if text(fields.get("model"), _SERVED) != _SERVED:
            raise Rejected(self.error(400, f"Model mismatch: this server serves {_SERVED}"))
        seconds = text(fields.get("seconds"), "4")
        if not _FREE_SECONDS.fullmatch(seconds):
            raise Rejected(_invalid("body", "seconds", "String should match pattern '^[1-9]\\d*$'"))
        return self._opened(call, "video_gen_", int(seconds))


class SGLang(_Server):
    """Be SGLang-Diffusion: whole seconds, real progress, and a DELETE that stops nothing."""

    name = "sglang"

    def routes(self) -> list[Route]:
        """Return the routes it has."""
        return [
            Route("GET", "/v1/models", "other", self.models),
            Route("POST", "/v1/videos", "create", self.create),
            Route("GET", "/v1/videos", "list", self.index),
            Route("GET", "/v1/videos/{id}", "poll", self.retrieve),
            Route("DELETE", "/v1/videos/{id}", "other", self.delete),
            Route("GET", "/v1/videos/{id}/content", "download", self.content),
        ]

    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and the label that `model` is here."""
        return text(call.fields.get("prompt")), text(call.fields.get("model"), "sora-2")

    async def create(self, call: Call) -> Answer:
        """Create a video from JSON, where seconds are a whole number, or from a form."""
        given = call.fields.get("seconds", 4)
        seconds = whole(given)
        if not call.fields.get("prompt"):
            raise Rejected(_invalid("body", "prompt", "Field required"))
        if seconds is None or seconds < 1 or isinstance(given, float):
            raise Rejected(_invalid("body", "seconds", "Input should be a valid integer"))
        return Answer(self.shown(self._opened(call, "", seconds)))

    async def index(self, call: Call) -> Answer:
        """List the videos."""
        jobs, more = self._page(call, 1)
        return Answer(_listing([self.shown(job) for job in jobs], more=more))

    async def retrieve(self, call: Call) -> Answer:
        """Show a video; a failed one too comes with 200."""
        return Answer(self.shown(self.known(call)))

    async def delete(self, call: Call) -> Answer:
        """Call a video deleted; the work goes on."""
        job = self.known(call)
        shown = self.shown(job) | {"status": "deleted"}
        job.deleted = True
        return Answer(shown)

    async def content(self, call: Call) -> Answer:
        """Send the film; `variant` is the number of an output, and words lead nowhere."""
        job = self.known(call)
        variant = call.query("variant", "0")
        ready = job.phase(self.world.now()) is Phase.SUCCEEDED and "result-missing" not in job.faults
        if not ready or variant != "0":
            raise Rejected(
                self.error(404, "Video content not found" if ready else "Generation is in progress")
            )
        return await self.media.film(call, job)

    def shown(self, job: Job) -> dict[str, Any]:
        """Show a job; seconds are a whole number and an error has only a message."""
        now = self.world.now()
        error = error_of(job, now)
        done = job.phase(now) is Phase.SUCCEEDED
        return video(job, now, WORDS) | {
            "seconds": str(round(job.order.seconds)),
            "error": {"message": error["message"]} if error else None,
            "quality": "standard",
            "url": None,
            "urls": None,
            "file_path": f"/outputs/{job.id}.mp4" if done else None,
            "file_paths": [f"/outputs/{job.id}.mp4"] if done else None,
            "num_outputs": 1,
            "peak_memory_mb": 40_960.0 if done else None,
            "inference_time_s": round(job.run, 2) if done else None,
            "revised_prompt": None,
        }


class LiteLLM(OpenAI):
    """Be LiteLLM's proxy: very long ids, few keys, no DELETE."""

    name = "litellm"

    def routes(self) -> list[Route]:
        """Return OpenAI's routes without DELETE, each also without /v1."""
        known = [route for route in super().routes() if route.method != "DELETE"]
        short = [
            Route(route.method, route.path.removeprefix("/v1"), route.operation, route.handler)
            for route in known
        ]
        return known + short

    def error(self, status: int, message: str) -> Answer:
        """Return an error in LiteLLM's shape; its code is the status as text."""
        kind = "internal_server_error" if status >= 500 else "invalid_request_error"
        return Answer(openai_error(message, kind, param="None", code=str(status)), status)

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a virtual key that is not taken."""
        match verdict:
            case Verdict.QUOTA:
                message = "Budget has been exceeded! Current cost: 10.0, Max budget: 10.0"
                return Answer(openai_error(message, "budget_exceeded", code="400"), 400)
            case Verdict.FORBIDDEN:
                message = "Key is not allowed to access this model."
                return Answer(
                    openai_error(message, "key_model_access_denied", param="model", code="403"), 403
                )
            case _:
                message = "Authentication Error, Invalid proxy server token passed."
                return Answer(openai_error(message, "auth_error", param="None", code="401"), 401)

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return LiteLLM's 429."""
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Answer(openai_error("Rate limit exceeded.", "throttling_error", code="429"), 429, headers)

    def headers(self, call: Call) -> dict[str, str]:
        """Return the headers LiteLLM puts on answers."""
        return {"x-litellm-call-id": self.world.chance.uuid("litellm call", call.number)}

    def opened(self, call: Call, order: Order, *, remixed_from: str | None = None) -> Answer:
        """Open a job under a long id that has to be percent-encoded in paths."""
        number = self.world.count("litellm id")
        inner = f"video_{self.world.chance.hexadecimal(48, 'litellm', number)}"
        deployment = self.world.chance.hexadecimal(256, "deployment")
        known = f"litellm:custom_llm_provider:openai;model_id:{deployment};video_id:{inner}"
        # the odd letters make sure that the encoded id has a slash and a plus in it
        long = f"{known};served_model:?>~/{order.model};deployment_id:{deployment}"
        job = self.world.open_job(call, f"video_{base64.b64encode(long.encode()).decode()}", order)
        job.kept["remixed_from_video_id"] = remixed_from
        return Answer(self.shown(job))

    def shown(self, job: Job) -> dict[str, Any]:
        """Show a job with what LiteLLM passes on: no prompt, no progress, no expiry."""
        now = self.world.now()
        full = super().shown(job)
        kept = ("id", "object", "model", "status", "size", "seconds", "remixed_from_video_id", "error")
        shown = {name: full[name] for name in kept}
        if job.phase(now) is Phase.CANCELLED:
            shown["status"] = "cancelled"
        usage = {"duration_seconds": job.order.seconds}
        return shown | {
            "created_at": full["created_at"],
            "progress": None,
            "expires_at": None,
            "usage": usage,
        }


def _size(call: Call) -> tuple[int, int]:
    width, height = whole(call.fields.get("width")), whole(call.fields.get("height"))
    size = text(call.fields.get("size")) or (f"{width}x{height}" if width and height else "1280x720")
    found = _SIZE.fullmatch(size)
    if found is None or not 0 < int(found[1]) * int(found[2]) <= MAX_PIXELS:
        raise Rejected(_invalid("body", "size", "String should match pattern '^\\d+x\\d+$'"))
    return int(found[1]), int(found[2])


def _invalid(place: str, name: str, message: str) -> Answer:
    kind = "missing" if message == "Field required" else "value_error"
    return Answer({"detail": [{"type": kind, "loc": [place, name], "msg": message, "input": None}]}, 422)


def _listing(shown: list[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return {"object": "list", "data": shown, "first_id": first, "last_id": last, "has_more": more}


def _whole_error(job: Job) -> dict[str, Any]:
    if job.failure == "moderated-after":
        return {"code": 400, "message": "The output was refused by the safety filter"}
    message = "" if job.failure == "failed-without-reason" else "CUDA out of memory"
    return {"code": 500, "message": message}
