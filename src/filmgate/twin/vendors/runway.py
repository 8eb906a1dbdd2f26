"""Speak Runway's tasks API."""

from typing import Any, Final, cast

from filmgate.twin.calls import Answer, Call, Rejected, Route, Verdict, whole
from filmgate.twin.jobs import Job, Order, Pace, Phase
from filmgate.twin.vendors.wire import Wire, iso, shape, text

_VERSION: Final = "2024-11-06"
_WORDS: Final = {
    Phase.QUEUED: "PENDING",
    Phase.RUNNING: "RUNNING",
    Phase.SUCCEEDED: "SUCCEEDED",
    Phase.FAILED: "FAILED",
    Phase.CANCELLED: "CANCELLED",
    Phase.EXPIRED: "FAILED",
}
_URL_LIFE: Final = 24 * 3600.0
_MOST_RUNNING: Final = 5
_BALANCE: Final = 100_000
_LONGEST_PROMPT: Final = 1000
# credits per second, a credit is a cent
_CREDITS: Final = {
    "gen4.5": 12,
    "gen4_turbo": 5,
    "aleph2": 28,
    "veo3.1": 40,
    "veo3.1_fast": 15,
    "hailuo3": 15,
    "h3_max": 8,
    "seedance2_5": 30,
    "seedance2": 40,
    "seedance2_fast": 29,
    "seedance2_mini": 16,
    "wan3": 10,
    "gemini_omni_flash": 10,
    "gemini_omni_flash_1.1": 10,
    "grok_imagine_1_5": 16,
}
_USUAL_CREDITS: Final = 12
_NEEDED: Final = {
    "text_to_video": ("model", "promptText", "ratio"),
    "image_to_video": ("model", "promptImage", "ratio"),
    "video_to_video": ("model", "videoUri"),
    "character_performance": ("model", "character"),
}
_GEN4_RATIOS: Final = {
    "text_to_video": ("1280:720", "720:1280"),
    "image_to_video": ("1280:720", "720:1280", "1104:832", "960:960", "832:1104", "1584:672"),
}
_GEN4_SECONDS: Final = (2, 10)


class Runway(Wire):
    """Be Runway."""

    name = "runway"

    def routes(self) -> list[Route]:
        """Return the routes of tasks and of the organization; there is no listing."""
        creates = [Route("POST", f"/v1/{kind}", "create", self.create) for kind in _NEEDED]
        return [
            *creates,
            Route("POST", "/v1/generate/video", "create", self.generate),
            Route("POST", "/v1/uploads", "other", self.begin_upload),
            Route("GET", "/v1/tasks/{id}", "poll", self.retrieve),
            Route("DELETE", "/v1/tasks/{id}", "cancel", self.delete),
            Route("GET", "/v1/organization", "other", self.organization),
            Route("POST", "/v1/organization/usage", "other", self.usage),
        ]

    def admit(self, call: Call) -> None:
        """Let a request in that has a key and names the version of the API."""
        super().admit(call)
        if call.header("X-Runway-Version") != _VERSION:
            given = call.header("X-Runway-Version")
            reason = "is missing" if given is None else "is not supported"
            raise Rejected(self.error(400, f"The X-Runway-Version header {reason}; send {_VERSION}."))

    def error(self, status: int, message: str) -> Answer:
        """Return an error in Runway's shape."""
        return Answer({"error": message}, status)

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a key Runway does not take."""
        match verdict:
            case Verdict.QUOTA:
                return self.error(400, "You do not have enough credits to run this task.")
            case Verdict.FORBIDDEN:
                return self.error(403, "This API key may not do this.")
            case _:
                return self.error(401, "The API key is missing or not valid.")

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return Runway's 429, which is about the day's limit only."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return Answer(
            {"error": "You have reached the daily limit of generations for this model."}, 429, headers
        )

    def moderated(self, call: Call) -> Answer:
        """Return a refusal of a prompt; Runway usually fails the task instead."""
        return self.error(400, "The prompt did not pass content moderation.")

    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and model of a request."""
        given: Any = (
            call.fields.get("input") if call.request.path.endswith("/generate/video") else call.fields
        )
        fields = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        return text(fields.get("promptText")), text(fields.get("model") or call.fields.get("configId"))

    async def create(self, call: Call) -> Answer:
        """Create a task, and say nothing but its id."""
        self._check(call)
        return Answer({"id": self._opened(call, call.fields).id})

    async def generate(self, call: Call) -> Answer:
        """Create a task through the model router."""
        given: Any = call.fields.get("input")
        if not isinstance(given, dict):
            raise Rejected(self.error(400, "input is required"))
        job = self._opened(call, cast("dict[str, Any]", given))
        return Answer({"id": job.id, "routing": {"estimatedCost": {"credits": _credits(job)}}})

    async def retrieve(self, call: Call) -> Answer:
        """Show a task; each time with a fresh address of the film."""
        job = self.known(call)
        now = self.world.now()
        phase = job.phase(now)
        shown: dict[str, Any] = {
            "id": job.id,
            "createdAt": iso(job.created_at),
            "status": self._word(job, phase),
        }
        if phase is Phase.RUNNING:
            shown |= {"progress": round(job.progress(now), 4)}
        if not phase.ended:
            return Answer(shown | {"estimatedCost": {"credits": _credits(job)}})
        if phase is Phase.SUCCEEDED:
            missing = "result-missing" in job.faults
            shown["output"] = (
                [] if missing else [f"{self.media.address(job, _URL_LIFE, fresh=True)}?_jwt=made-up"]
            )
        elif phase is Phase.FAILED:
            shown |= _failure(job)
        return Answer(shown | {"cost": {"credits": job.billed(now) // 10_000}})

    async def delete(self, call: Call) -> Answer:
        """Cancel a task that has not ended, delete one that has."""
        job = self.known(call)
        now = self.world.now()
        if job.phase(now).ended:
            job.deleted = True
        else:
            job.cancel(now)
        return Answer(status=204, raw=b"", content_type="")

    async def begin_upload(self, call: Call) -> Answer:
        """Give the address a file is sent to."""
        name = self.world.chance.uuid("upload", call.number)
        return Answer(
            {"uploadUrl": f"{self.here}/uploads/{name}", "fields": {}, "runwayUri": f"runway://{name}"}
        )

    async def organization(self, call: Call) -> Answer:
        """Show what is left of the credits, and the limits."""
        limits = {"maxConcurrentGenerations": _MOST_RUNNING, "maxDailyGenerations": 1000}
        models = dict.fromkeys(_CREDITS, limits)
        used = {model: {"dailyGenerations": count} for model, count in self._counted().items()}
        return Answer(
            {
                "creditBalance": _BALANCE - self._spent(),
                "tier": {"maxMonthlyCreditSpend": 1_000_000, "models": models},
                "usage": {"models": used},
            }
        )

    async def usage(self, call: Call) -> Answer:
        """Show the credits used today, by model."""
        now = self.world.now()
        costs: dict[str, int] = {}
        for job in self._all():
            costs[job.order.model] = costs.get(job.order.model, 0) + job.billed(now) // 10_000
        used = [{"model": model, "amount": amount} for model, amount in costs.items()]
        return Answer(
            {"models": list(costs), "results": [{"date": (iso(now) or "")[:10], "usedCredits": used}]}
        )

    def _all(self) -> list[Job]:
        entries = self.world.ledger.entries
        return [entry.job for entry in entries if entry.vendor == self.name and entry.job is not None]

    def _counted(self) -> dict[str, int]:
        models = [job.order.model for job in self._all()]
        return {model: models.count(model) for model in set(models)}

    def _spent(self) -> int:
        return sum(job.billed(self.world.now()) for job in self._all()) // 10_000

    def _word(self, job: Job, phase: Phase) -> str:
        if phase is Phase.QUEUED and job.kept.get("throttled"):
            return "THROTTLED"
        return job.word(phase, _WORDS[phase])

    def _opened(self, call: Call, fields: dict[str, Any]) -> Job:
        prompt, model = self.described(call)
        width, height = _size(fields)
        seconds = whole(fields.get("duration")) or 5
        order = Order(
            model=model,
            prompt=prompt,
            seconds=seconds,
            width=width,
            height=height,
            price=_CREDITS.get(model, _USUAL_CREDITS) * 10_000 * seconds,
            pace=Pace(5, 10),
            seed=whole(fields.get("seed")),
            given=fields,
        )
        throttled = self.jobs.unfinished() >= _MOST_RUNNING
        job = self.world.open_job(
            call, self.world.chance.uuid("runway", self.world.count("runway id")), order
        )
        job.kept["throttled"] = throttled
        return job

    def _check(self, call: Call) -> None:
        kind, fields = call.request.path.rpartition("/")[2], call.fields
        for name in _NEEDED[kind]:
            if not fields.get(name):
                raise Rejected(self.error(400, f"{name} is required"))
        # JavaScript counts UTF-16 units
        if len(text(fields.get("promptText")).encode("utf-16-le")) // 2 > _LONGEST_PROMPT:
            raise Rejected(self.error(400, f"promptText must be at most {_LONGEST_PROMPT} characters"))
        if fields["model"] == "gen4.5":
            self._check_gen4(kind, fields)

    def _check_gen4(self, kind: str, fields: dict[str, Any]) -> None:
        low, high = _GEN4_SECONDS
        duration = fields.get("duration")
        if not isinstance(duration, int) or not low <= duration <= high:
            raise Rejected(self.error(400, f"duration must be an integer from {low} to {high}"))
        ratios = _GEN4_RATIOS.get(kind, ())
        if ratios and fields.get("ratio") not in ratios:
            raise Rejected(self.error(400, f"ratio must be one of {', '.join(ratios)}"))


def _size(fields: dict[str, Any]) -> tuple[int, int]:
    ratio = text(fields.get("ratio"), "1280:720")
    wide, _, high = ratio.partition(":")
    width, height = whole(wide) or 16, whole(high) or 9
    return (
        (width, height) if min(width, height) > 100 else shape(text(fields.get("resolution"), "720p"), ratio)
    )


def _credits(job: Job) -> int:
    return job.order.price // 10_000


def _failure(job: Job) -> dict[str, Any]:
    if job.failure == "failed-without-reason":
        return {"failure": None, "failureCode": None}
    if job.failure == "moderated-after":
        return {"failure": "The film did not pass content moderation.", "failureCode": "SAFETY.OUTPUT.VIDEO"}
    return {"failure": "An unexpected error occurred.", "failureCode": "INTERNAL.BAD_OUTPUT.CODE01"}
