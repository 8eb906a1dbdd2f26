"""Build the objects that OpenAI's videos API and its many copies share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from filmgate.twin.calls import Answer, Call, Rejected, whole
from filmgate.twin.jobs import Job, Phase

WORDS: Final = {
    Phase.QUEUED: "queued",
    Phase.RUNNING: "in_progress",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "failed",
    Phase.EXPIRED: "failed",
}
MOST_LISTED: Final = 100
_FEWEST_LISTED: Final = 20


def openai_error(
    message: str, kind: str, *, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """Return OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refused(message: str, param: str | None = None, code: str | None = None) -> Answer:
    """Return the answer to a request that is not right."""
    return Answer(openai_error(message, "invalid_request_error", param=param, code=code), 400)


def video(job: Job, now: float, words: Mapping[Phase, str]) -> dict[str, Any]:
    """Return what all Video objects have in common, with every key."""
    phase, ended = job.phase(now), job.ended_at(now)
    done = {Phase.QUEUED: 0, Phase.SUCCEEDED: 100}.get(phase, int(job.progress(now) * 100))
    return {
        "id": job.id,
        "object": "video",
        "model": job.order.model,
        "status": job.word(phase, words[phase]),
        "progress": done,
        "created_at": int(job.created_at),
        "completed_at": int(ended) if phase is Phase.SUCCEEDED and ended else None,
        "expires_at": None,
        "prompt": job.order.prompt,
        "size": f"{job.order.width}x{job.order.height}",
        "seconds": f"{job.order.seconds:g}",
        "remixed_from_video_id": None,
        "error": None,
    }


def error_of(job: Job, now: float) -> dict[str, Any] | None:
    """Return why a job failed: a code and a message."""
    if job.phase(now) is not Phase.FAILED or job.failure == "failed-without-reason":
        return None
    if job.failure == "moderated-after":
        return {"code": "moderation_blocked", "message": "The generated video was blocked by moderation."}
    return {"code": "video_generation_failed", "message": "Video generation failed."}


def page(jobs: Sequence[Job], call: Call, fewest: int = 0) -> tuple[int, int]:
    """Return where the page that was asked for begins and ends."""
    limit = whole(call.query("limit", str(_FEWEST_LISTED)))
    if limit is None or not fewest <= limit <= MOST_LISTED:
        raise Rejected(refused(f"limit must be between {fewest} and {MOST_LISTED}.", "limit"))
    after = call.query("after")
    places = [number for number, job in enumerate(jobs) if job.id == after]
    start = places[0] + 1 if places else (len(jobs) if after else 0)
    return start, start + limit


def listed(jobs: Sequence[Job], call: Call, shown: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one page of a listing."""
    start, stop = page(jobs, call)
    data = shown[start:stop]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": stop < len(shown),
    }


def model_list(names: Iterable[str]) -> dict[str, Any]:
    """Show models as a list."""
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "twin"} for name in names]
    return {"object": "list", "data": rows}
