"""State what every vendor's wire has to say about itself."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from filmgate.twin.calls import Answer, Call, Rejected, Route, Verdict, bearer, judged
from filmgate.twin.jobs import Job, Jobs
from filmgate.twin.media import Media
from filmgate.twin.webhooks import Callback
from filmgate.twin.world import World


class Wire(ABC):
    """Speak one vendor's wire."""

    name: str
    key_optional: bool = False

    def __init__(self, world: World, media: Media) -> None:
        self.world = world
        self.media = media

    @property
    def jobs(self) -> Jobs:
        """Return the vendor's jobs."""
        return self.world.of(self.name)

    @property
    def here(self) -> str:
        """Return the address that all of this vendor's routes begin with."""
        return f"{self.world.places.wires}/{self.name}"

    @abstractmethod
    def routes(self) -> list[Route]:
        """Return the vendor's routes, in the order in which they are tried."""

    @abstractmethod
    def described(self, call: Call) -> tuple[str, str]:
        """Return the prompt and the model of a request to create something."""

    @abstractmethod
    def error(self, status: int, message: str) -> Answer:
        """Return an error in the vendor's usual shape."""

    @abstractmethod
    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a key that is missing, bad, forbidden or out of credit."""

    @abstractmethod
    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return the vendor's 429."""

    @abstractmethod
    def moderated(self, call: Call) -> Answer:
        """Return the vendor's refusal of a prompt."""

    def credential(self, call: Call) -> str | None:
        """Return the key that came with a request."""
        return bearer(call)

    def judge(self, call: Call) -> Verdict:
        """Judge the key of a request."""
        verdict = judged(self.credential(call))
        return Verdict.FINE if self.key_optional and verdict is Verdict.MISSING else verdict

    def admit(self, call: Call) -> None:
        """Let a request in, or reject it for its key."""
        verdict = self.judge(call)
        if verdict is Verdict.FINE or (verdict is Verdict.QUOTA and call.operation != "create"):
            return
        raise Rejected(self.unkeyed(verdict))

    def job_of(self, call: Call) -> Job | None:
        """Return the job that a request is about, even if it has vanished."""
        return self.jobs.named(call.request.match_info.get("id", ""))

    def known(self, call: Call) -> Job:
        """Return the job that a request is about, or reject the request."""
        job = self.jobs.get(call.part("id"))
        if job is None:
            raise Rejected(self.missing(call))
        return job

    def missing(self, call: Call) -> Answer:
        """Return the answer about a job that is not there."""
        return self.error(404, f"{call.part('id')} was not found")

    def shows_outcome(self, call: Call) -> bool:
        """Tell whether the answer shows what became of a job."""
        return call.operation == "poll"

    def unrouted(self, status: int, method: str, path: str) -> Answer:
        """Return the answer to a path or a method that the vendor does not have."""
        return self.error(status, HTTPStatus(status).phrase)

    def server_error(self, status: int) -> Answer:
        """Return the vendor's 5xx."""
        return self.error(status, "something went wrong on our side")

    def headers(self, call: Call) -> dict[str, str]:
        """Return what every answer of this vendor carries."""
        return {}

    def events(self, job: Job) -> list[str]:
        """Name the events of a job that are told, of: start, end."""
        return []

    def callbacks(self, job: Job, event: str) -> list[Callback]:
        """Say what is sent to whom when an event happens."""
        return []


def iso(moment: float | None) -> str | None:
    """Return a unix time as ISO 8601 with milliseconds, in UTC."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shape(resolution: str, ratio: str) -> tuple[int, int]:
    """Return width and height for words such as 720p and 16:9; the shorter side is the resolution."""
    wide, _, high = ratio.partition(":")
    try:
        proportion = float(wide) / float(high)
    except (ValueError, ZeroDivisionError):
        proportion = 16 / 9
    digits = "".join(letter for letter in resolution if letter.isdigit())
    short = {"4k": 2160, "2k": 1440}.get(resolution.lower(), int(digits or 720))
    long = round(short * max(proportion, 1 / proportion) / 2) * 2
    return (long, short) if proportion >= 1 else (short, long)


def text(value: Any, default: str = "") -> str:
    """Return text that may be missing or of another type."""
    return default if value is None else str(value)
