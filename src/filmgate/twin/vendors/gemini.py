"""Speak Gemini's Interactions API, through which Omni makes films, and the files they come as."""

import asyncio
import base64
from typing import Any, Final, cast

from filmgate.twin import films, rsa
from filmgate.twin.calls import Answer, Call, Rejected, Route, Verdict
from filmgate.twin.films import Look
from filmgate.twin.jobs import Job, Order, Pace, Phase
from filmgate.twin.signing import Stamp, google, standard
from filmgate.twin.vendors.gemini_input import asked_of, checked_length, input_text
from filmgate.twin.vendors.wire import Wire, iso, shape, text
from filmgate.twin.webhooks import Callback

_WORDS: Final = {
    Phase.QUEUED: "queued",
    Phase.RUNNING: "in_progress",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
    Phase.EXPIRED: "incomplete",
}
_FILE_LIFE: Final = 48 * 3600.0
# how long a finished film is still PROCESSING as a file, in virtual seconds
_FILE_PROCESSING: Final = 2.0
_FOREVER: Final = 3600.0
# micro-USD per second of film
_PRICES: Final = {"360p": 23_200, "720p": 69_500, "1080p": 104_300, "4k": 208_500}
_TOKENS_PER_SECOND: Final = 5_792
_STATUS_NAMES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MODELS: Final = ("gemini-omni-1.2-flash", "gemini-omni-1.1-flash")


class Gemini(Wire):
    """Be the Gemini Developer API."""

    name = "gemini"

    def routes(self) -> list[Route]:
        """Return the routes under both versions; there is no listing of interactions."""
        return [route for version in ("v1beta", "v1") for route in self._versioned(version)]

    def _versioned(self, version: str) -> list[Route]:
        one = f"/{version}/interactions/{{id}}"
        return [
            Route("GET", f"/{version}/models", "other", self.models),
            Route("POST", f"/{version}/interactions", "create", self.create),
            Route("GET", one, "poll", self.retrieve),
            Route("POST", f"{one}/cancel", "cancel", self.cancel),
            Route("DELETE", one, "cancel", self.delete),
            Route("GET", f"/{version}/files/{{file:[^:/]+}}", "other", self.file),
            Route("GET", f"/{version}/files/{{file:[^:/]+}}:download", "download", self.download),
            Route("POST", f"/{version}/webhooks", "other", self.add_webhook),
            *([] if version == "v1" else [Route("GET", "/.well-known/jwks.json", "other", self.public_keys)]),
        ]

    def credential(self, call: Call) -> str | None:
        """Return the key, which has a header of its own."""
        return call.header("x-goog-api-key") or call.query("key") or None

    def admit(self, call: Call) -> None:
        """Let a request in; the public keys are for everybody."""
        if not call.request.path.endswith("/jwks.json"):
            super().admit(call)

    def job_of(self, call: Call) -> Job | None:
        """Return the job of an interaction or of the file it made."""
        file = call.request.match_info.get("file")
        return super().job_of(call) if file is None else self.jobs.named(self._files.get(file, ""))

    def error(self, status: int, message: str) -> Answer:
        """Return an error in Google's classic shape."""
        code = _STATUS_NAMES.get(status, "UNKNOWN")
        return Answer({"error": {"code": status, "message": message, "status": code}}, status)

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a key Google does not take."""
        match verdict:
            case Verdict.QUOTA:
                return self.rate_limited(None)
            case Verdict.BAD:
                answer = self.error(400, "API key not valid. Please pass a valid API key.")
                info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
                answer.document["error"]["details"] = [info]
                return answer
            case _:
                return self.error(403, "Method doesn't allow unregistered callers.")

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return Google's 429; when to come back stands in its details."""
        answer = self.error(429, "You exceeded your current quota.")
        if retry_after is not None:
            info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after}s"}
            answer.document["error"]["details"] = [info]
        return answer

    def moderated(self, call: Call) -> Answer:
        """Return Google's refusal of a prompt, in the short shape."""
        message = "The prompt was blocked because it may violate the usage policies."
        return Answer({"error": {"message": message, "code": "invalid_request"}}, 400)

    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and model of a request."""
        return input_text(call.fields.get("input")), text(call.fields.get("model"))

    async def create(self, call: Call) -> Answer:
        """Create an interaction; without `background` the answer waits until it has ended."""
        prompt, model = self.described(call)
        if model not in _MODELS:
            raise Rejected(self.error(404, f"models/{model} is not found for API version v1beta."))
        if not prompt:
            raise Rejected(self.error(400, "input must hold text."))
        asked = asked_of(call.fields)
        seconds = checked_length(asked, model)
        resolution, ratio = text(asked.get("resolution"), "720p"), text(asked.get("aspect_ratio"), "16:9")
        if resolution not in _PRICES or ratio not in {"16:9", "9:16"}:
            raise Rejected(
                self.error(400, "response_format has a resolution or aspect_ratio that is not supported.")
            )
        width, height = shape(resolution, ratio)
        order = Order(
            model=model,
            prompt=prompt,
            seconds=seconds,
            width=width,
            height=height,
            price=round(_PRICES[resolution] * seconds),
            pace=Pace(1, 8),
            callback=_callback(call.fields),
            given=call.fields,
        )
        number = self.world.count("gemini id")
        job = self.world.open_job(call, f"v1_{self.world.chance.letters(60, 'gemini', number)}", order)
        if not call.fields.get("background"):
            await asyncio.sleep(min(max(0.0, job.ends_at - self.world.now()), _FOREVER))
        return Answer(await self.shown(job))

    async def retrieve(self, call: Call) -> Answer:
        """Show an interaction; one that failed in the known odd way answers 400."""
        job = self.known(call)
        if job.phase(self.world.now()) is Phase.FAILED and job.failure == "gemini-get-400":
            message = "Unsupported file uri: the generated video could not be stored."
            raise Rejected(Answer({"error": {"message": message, "code": "invalid_request"}}, 400))
        return Answer(await self.shown(job))

    async def cancel(self, call: Call) -> Answer:
        """Stop an interaction."""
        job = self.known(call)
        if not job.phase(self.world.now()).ended:
            job.cancel(self.world.now())
        return Answer(await self.shown(job))

    async def delete(self, call: Call) -> Answer:
        """Delete an interaction."""
        self.known(call).deleted = True
        return Answer({})

    async def file(self, call: Call) -> Answer:
        """Show a film as a file, which is PROCESSING for a moment."""
        job, name = self._owner(call), call.part("file")
        now = self.world.now()
        ready = now >= job.ends_at + _FILE_PROCESSING / self.world.speed
        return Answer(
            {
                "name": f"files/{name}",
                "mimeType": "video/mp4",
                "createTime": iso(job.ends_at),
                "expirationTime": iso(job.ends_at + _FILE_LIFE),
                "uri": f"{self.here}/v1beta/files/{name}",
                "downloadUri": f"{self.here}/v1beta/files/{name}:download?alt=media",
                "state": "ACTIVE" if ready else "PROCESSING",
                "source": "GENERATED",
            }
        )

    async def download(self, call: Call) -> Answer:
        """Lead somebody who has the key to where the film lies."""
        job = self._owner(call)
        if self.world.now() < job.ends_at + _FILE_PROCESSING / self.world.speed:
            raise Rejected(self.error(400, "The file is not in an ACTIVE state."))
        return Answer(status=302, raw=b"", headers={"Location": self.media.address(job, _FILE_LIFE)})

    async def models(self, call: Call) -> Answer:
        """List the models."""
        return Answer({"models": [{"name": f"models/{name}"} for name in _MODELS]})

    async def add_webhook(self, call: Call) -> Answer:
        """Register a webhook of the project; its secret is shown once."""
        url = text(call.fields.get("uri"))
        secret = self.world.chance.secret("gemini", url)
        self._endpoints.append({"url": url, "secret": secret})
        made = {"id": self.world.chance.letters(12, "webhook", call.number), "state": "enabled"}
        return Answer(made | call.fields | {"new_signing_secret": secret})

    async def public_keys(self, call: Call) -> Answer:
        """Show the keys that dynamic webhooks are signed with."""
        return Answer(rsa.public_keys())

    async def shown(self, job: Job) -> dict[str, Any]:
        """Show a job as an interaction."""
        now = self.world.now()
        phase = job.phase(now)
        shown: dict[str, Any] = {
            "id": job.id,
            "object": "interaction",
            "model": job.order.model,
            "created": iso(job.created_at),
            "updated": iso(job.ended_at(now) or job.created_at),
            "status": job.word(phase, _WORDS[phase]),
        }
        if phase is Phase.FAILED and job.failure == "moderated-after":
            words = {"type": "text", "text": "I cannot show the video that was made."}
            return shown | {"status": "completed", "steps": _steps(job, words)}
        if phase is Phase.FAILED and job.failure != "failed-without-reason":
            return shown | {"error": {"message": "The video could not be generated.", "code": "internal"}}
        if phase is Phase.SUCCEEDED:
            missing = "result-missing" in job.faults
            shown |= {"usage": _usage(job), "steps": _steps(job, None if missing else await self._part(job))}
        return shown

    async def _part(self, job: Job) -> dict[str, Any]:
        part = {"type": "video", "mime_type": "video/mp4"}
        inline = asked_of(job.order.given).get("delivery") != "uri" or "gemini-inline" in job.faults
        if not inline:
            return part | {"uri": f"{self.here}/v1beta/files/{self._file(job)}:download?alt=media"}
        order = job.order
        film = await self.world.films.film(Look(order.width, order.height, order.seconds))
        return part | {"data": base64.b64encode(films.signed(film, f"{job.vendor} {job.id}")).decode()}

    def events(self, job: Job) -> list[str]:
        """Tell the end."""
        return ["end"] if job.order.callback or self._endpoints else []

    def callbacks(self, job: Job, event: str) -> list[Callback]:
        """Return the event; that Omni sends interaction.* and what it holds is likely, not documented."""
        phase = job.phase(self.world.now())
        word = {Phase.SUCCEEDED: "completed", Phase.CANCELLED: "cancelled"}.get(phase, "failed")
        config: dict[str, Any] = job.order.given.get("webhook_config") or {}
        data = {"id": job.id, "status": _WORDS[phase], "user_metadata": config.get("user_metadata")}
        document = {
            "type": f"interaction.{word}",
            "version": "v1",
            "timestamp": iso(self.world.now()),
            "data": data,
        }
        made = [
            Callback(end["url"], document, lambda stamp, body, end=end: standard(end["secret"], stamp, body))
            for end in self._endpoints
        ]
        uris: list[str] = config.get("uris") or []
        for url in uris:

            def sign(stamp: Stamp, body: bytes, url: str = url) -> dict[str, str]:
                return google(url, stamp, body, {"user_metadata": config.get("user_metadata")})

            made.append(Callback(url, document, sign))
        return made

    @property
    def _endpoints(self) -> list[dict[str, str]]:
        return self.world.kept.setdefault("endpoints", {}).setdefault(self.name, [])

    @property
    def _files(self) -> dict[str, str]:
        return self.world.kept.setdefault("gemini files", {})

    def _file(self, job: Job) -> str:
        name = self.world.chance.letters(12, "file", job.id)
        self._files[name] = job.id
        return name

    def _owner(self, call: Call) -> Job:
        job = self.jobs.get(self._files.get(call.part("file"), ""))
        if job is None or job.ends_at + _FILE_LIFE < self.world.now():
            raise Rejected(self.error(404, f"File {call.part('file')} does not exist or has expired."))
        return job


def _callback(fields: dict[str, Any]) -> str | None:
    config: Any = fields.get("webhook_config")
    uris: list[Any] = cast("dict[str, Any]", config).get("uris") or [] if isinstance(config, dict) else []
    return str(uris[0]) if uris else None


def _usage(job: Job) -> dict[str, Any]:
    tokens = round(job.order.seconds * _TOKENS_PER_SECOND)
    by_kind = [{"modality": "video", "tokens": tokens}]
    words = len(job.order.prompt.split())
    return {"total_input_tokens": words, "total_output_tokens": tokens, "output_tokens_by_modality": by_kind}


def _steps(job: Job, part: dict[str, Any] | None) -> list[dict[str, Any]]:
    asked = {"type": "user_input", "content": [{"type": "text", "text": job.order.prompt}]}
    made = {"type": "model_output", "content": [part] if part else []}
    return [asked, {"type": "thought", "signature": "made-up"}, made]
