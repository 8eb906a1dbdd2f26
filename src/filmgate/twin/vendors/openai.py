"""Speak OpenAI's videos API as it was until it was switched off on 2026-09-24."""

from typing import Any, Final, cast

from filmgate.twin.calls import Answer, Call, Rejected, Route, Verdict
from filmgate.twin.jobs import Job, Order, Pace, Phase
from filmgate.twin.signing import standard
from filmgate.twin.vendors.openai_checks import check_prompt, check_reference, check_seconds, price_of
from filmgate.twin.vendors.openai_objects import (
    WORDS,
    error_of,
    listed,
    model_list,
    openai_error,
    refused,
    video,
)
from filmgate.twin.vendors.wire import Wire, text
from filmgate.twin.webhooks import Callback

_URL_LIFE: Final = 3600.0
_LONGEST_FILM: Final = 120
_REQUESTS_PER_MINUTE: Final = 375


class OpenAI(Wire):
    """Be OpenAI while its videos API lived."""

    name = "openai"

    def routes(self) -> list[Route]:
        """Return the ten operations; fixed words come before identifiers."""
        return [
            Route("GET", "/v1/models", "other", self.models),
            Route("POST", "/v1/videos", "create", self.create),
            Route("GET", "/v1/videos", "list", self.index),
            Route("POST", "/v1/videos/edits", "create", self.edit),
            Route("POST", "/v1/videos/extensions", "create", self.extend),
            Route("POST", "/v1/videos/characters", "other", self.create_character),
            Route("GET", "/v1/videos/characters/{id}", "other", self.character),
            Route("GET", "/v1/videos/{id}", "poll", self.retrieve),
            Route("DELETE", "/v1/videos/{id}", "cancel", self.delete),
            Route("GET", "/v1/videos/{id}/content", "download", self.content),
            Route("POST", "/v1/videos/{id}/remix", "create", self.remix),
        ]

    # what the wire looks like when it says no

    def error(self, status: int, message: str) -> Answer:
        """Return an error in OpenAI's shape."""
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return Answer(openai_error(message, kind), status)

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a key OpenAI does not take."""
        match verdict:
            case Verdict.QUOTA:
                message = "You exceeded your current quota, please check your plan and billing details."
                return Answer(openai_error(message, "insufficient_quota", code="insufficient_quota"), 429)
            case Verdict.FORBIDDEN:
                message = "You have insufficient permissions for this operation."
                return Answer(openai_error(message, "permission_error"), 403)
            case _:
                given = verdict is Verdict.BAD
                message = "Incorrect API key provided." if given else "You didn't provide an API key."
                code = "invalid_api_key" if given else None
                return Answer(openai_error(message, "authentication_error", code=code), 401)

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return OpenAI's 429."""
        message = f"Rate limit reached for requests. Limit: {_REQUESTS_PER_MINUTE} / min."
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Answer(openai_error(message, "requests", code="rate_limit_exceeded"), 429, headers)

    def moderated(self, call: Call) -> Answer:
        """Return OpenAI's refusal of a prompt."""
        message = "Your request was blocked by our moderation system."
        return Answer(openai_error(message, "invalid_request_error", code="moderation_blocked"), 400)

    def missing(self, call: Call) -> Answer:
        """Return the answer about a video that is not there."""
        message = f"Video with id '{call.part('id')}' not found."
        return Answer(openai_error(message, "invalid_request_error", param="video_id", code="not_found"), 404)

    def unrouted(self, status: int, method: str, path: str) -> Answer:
        """Return OpenAI's answer to a path it does not have."""
        return self.error(status, f"Invalid URL ({method} {path})")

    def headers(self, call: Call) -> dict[str, str]:
        """Return the headers OpenAI puts on answers."""
        headers = {
            "x-request-id": f"req_{self.world.chance.hexadecimal(32, 'request', call.number)}",
            "openai-processing-ms": "42",
            "openai-version": "2020-10-01",
        }
        if call.operation == "create":
            left = str(max(0, _REQUESTS_PER_MINUTE - self.jobs.unfinished() - 1))
            headers |= {
                "x-ratelimit-limit-requests": str(_REQUESTS_PER_MINUTE),
                "x-ratelimit-remaining-requests": left,
                "x-ratelimit-reset-requests": "2s",
            }
        if call.operation == "poll":
            headers["openai-poll-after-ms"] = str(max(20, round(2000 / self.world.speed)))
        return headers

    # operations

    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and model of a request."""
        return text(call.fields.get("prompt")), text(call.fields.get("model"), "sora-2")

    async def create(self, call: Call) -> Answer:
        """Create a video."""
        prompt, model = self.described(call)
        check_prompt(prompt)
        size = text(call.fields.get("size"), "720x1280")
        price = price_of(model, size)
        seconds = check_seconds(call.fields.get("seconds", "4"))
        width, height = map(int, size.split("x"))
        check_reference(call, width, height)
        order = Order(
            model=model,
            prompt=prompt,
            seconds=seconds,
            width=width,
            height=height,
            price=price * seconds,
            pace=Pace(4, 16 if "pro" in model else 9),
        )
        return self.opened(call, order)

    async def index(self, call: Call) -> Answer:
        """List the videos, newest first unless asked otherwise."""
        jobs = list(self.jobs.newest_first())
        if call.query("order", "desc") == "asc":
            jobs.reverse()
        return Answer(listed(jobs, call, [self.shown(job) for job in jobs]))

    async def models(self, call: Call) -> Answer:
        """List the models."""
        return Answer(model_list(("sora-2", "sora-2-pro")))

    async def retrieve(self, call: Call) -> Answer:
        """Show a video."""
        return Answer(self.shown(self.known(call)))

    async def delete(self, call: Call) -> Answer:
        """Delete a video that has ended."""
        job = self.known(call)
        if not job.phase(self.world.now()).ended:
            raise Rejected(refused("Video is still being processed and cannot be deleted yet."))
        job.deleted = True
        return Answer({"id": job.id, "object": "video.deleted", "deleted": True})

    async def content(self, call: Call) -> Answer:
        """Send the film, its thumbnail or its spritesheet."""
        job = self.known(call)
        now = self.world.now()
        ended = job.ended_at(now)
        if job.phase(now) is not Phase.SUCCEEDED or ended is None:
            raise Rejected(self.error(404, "Video is not ready yet; retrieve the video to see its status."))
        if ended + _URL_LIFE < now or "result-missing" in job.faults:
            raise Rejected(self.error(404, "Video content has expired."))
        variant = call.query("variant", "video")
        if variant == "video":
            return await self.media.film(call, job)
        kinds = {"thumbnail": "image/webp", "spritesheet": "image/jpeg"}
        if variant not in kinds:
            raise Rejected(refused(f"Invalid value: '{variant}'.", "variant"))
        return Answer(raw=await self.media.picture(job, variant), content_type=kinds[variant])

    async def remix(self, call: Call) -> Answer:
        """Create a video from another and a new prompt."""
        source = self._finished(self.jobs.get(call.part("id")), call.part("id"))
        order = self._derived(call, source)
        return self.opened(call, order, remixed_from=source.id)

    async def edit(self, call: Call) -> Answer:
        """Create a video that changes another."""
        return self.opened(call, self._derived(call, self._source(call)))

    async def extend(self, call: Call) -> Answer:
        """Create a video that goes on where another ends; its length is the total."""
        source = self._source(call)
        added = check_seconds(call.fields.get("seconds"))
        total = (int(source.order.seconds) if source else 0) + added
        if total > _LONGEST_FILM:
            raise Rejected(refused(f"The stitched video must be at most {_LONGEST_FILM} s.", "seconds"))
        return self.opened(call, self._derived(call, source, added, total))

    async def create_character(self, call: Call) -> Answer:
        """Keep a character from an uploaded film."""
        name, file = text(call.fields.get("name")), call.body.files.get("video")
        if not 1 <= len(name) <= 80:
            raise Rejected(refused("name must have 1 to 80 characters.", "name"))
        if file is None or not file.data:
            raise Rejected(refused("Missing required parameter: 'video'.", "video"))
        character_id = f"char_{self.world.chance.hexadecimal(32, 'character', call.number)}"
        made = {"id": character_id, "object": "character", "name": name, "created_at": int(self.world.now())}
        self._characters[character_id] = made
        return Answer(made)

    async def character(self, call: Call) -> Answer:
        """Show a character."""
        found = self._characters.get(call.part("id"))
        return Answer(found) if found else self.error(404, f"Character '{call.part('id')}' not found.")

    @property
    def _characters(self) -> dict[str, Any]:
        return self.world.kept.setdefault("characters", {})

    # the object and its callbacks

    def opened(self, call: Call, order: Order, *, remixed_from: str | None = None) -> Answer:
        """Open a job and show it."""
        number = self.world.count("openai id")
        job_id = f"video_{self.world.chance.hexadecimal(48, 'video', number)}"
        job = self.world.open_job(call, job_id, order)
        job.kept["remixed_from_video_id"] = remixed_from
        return Answer(self.shown(job))

    def shown(self, job: Job) -> dict[str, Any]:
        """Show a job as a Video object."""
        now = self.world.now()
        expires = None if (ended := job.ended_at(now)) is None else int(ended + _URL_LIFE)
        seconds = str(int(job.order.seconds))
        return video(job, now, WORDS) | {
            "seconds": seconds,
            "remixed_from_video_id": job.kept.get("remixed_from_video_id"),
            "expires_at": expires if job.phase(now) is Phase.SUCCEEDED else None,
            "error": error_of(job, now),
        }

    def events(self, job: Job) -> list[str]:
        """Tell the end, to the endpoints of the account."""
        return ["end"] if self._endpoints else []

    def callbacks(self, job: Job, event: str) -> list[Callback]:
        """Return the event for each of the account's endpoints."""
        now = self.world.now()
        word = "completed" if job.phase(now) is Phase.SUCCEEDED else "failed"
        document = {
            "id": f"evt_{self.world.chance.hexadecimal(32, 'event', job.id)}",
            "object": "event",
            "created_at": int(now),
            "type": f"video.{word}",
            "data": {"id": job.id},
        }
        return [
            Callback(end["url"], document, lambda stamp, body, end=end: standard(end["secret"], stamp, body))
            for end in self._endpoints
        ]

    @property
    def _endpoints(self) -> list[dict[str, str]]:
        return self.world.kept.setdefault("endpoints", {}).get(self.name, [])

    # checks

    def _source(self, call: Call) -> Job | None:
        file, given = call.body.files.get("video"), call.fields.get("video")
        if file is not None and file.data:
            return None
        if not isinstance(given, dict) or "id" not in given:
            raise Rejected(refused("Missing required parameter: 'video'.", "video"))
        video_id = text(cast("dict[str, Any]", given)["id"])
        return self._finished(self.jobs.get(video_id), video_id)

    def _finished(self, job: Job | None, video_id: str) -> Job:
        if job is None:
            raise Rejected(self.error(404, f"Video with id '{video_id}' not found."))
        if job.phase(self.world.now()) is not Phase.SUCCEEDED:
            raise Rejected(refused(f"Video '{video_id}' is not completed.", "video"))
        return job

    def _derived(self, call: Call, source: Job | None, added: int | None = None, total: int = 4) -> Order:
        prompt = text(call.fields.get("prompt"))
        check_prompt(prompt)
        base = source.order if source else None
        model = text(call.fields.get("model"), base.model if base else "sora-2")
        size = f"{base.width}x{base.height}" if base else "1280x720"
        seconds = total if added is not None or base is None else int(base.seconds)
        price = price_of(model, size) * (added or seconds)
        width, height = map(int, size.split("x"))
        return Order(
            model=model,
            prompt=prompt,
            seconds=seconds,
            width=width,
            height=height,
            price=price,
            pace=Pace(4, 9),
        )
