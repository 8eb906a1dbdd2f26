"""Be the hosts that films are fetched from; they ask for no key, and should be sent none."""

from filmgate.twin.calls import Answer, Call, Route, Verdict
from filmgate.twin.jobs import Job
from filmgate.twin.media import Media
from filmgate.twin.vendors.wire import Wire


class MediaHost(Wire):
    """Stand beside one vendor's wire and hand out its films."""

    def __init__(self, wire: Wire, media: Media) -> None:
        super().__init__(wire.world, media)
        self.name = wire.name

    def routes(self) -> list[Route]:
        """Return the one route."""
        return [Route("GET", f"/media/{self.name}/{{token}}/{{file}}", "download", self.media.fetch)]

    def described(self, call: Call) -> tuple[str, str]:
        """Return nothing: films are not described."""
        return "", ""

    def admit(self, call: Call) -> None:
        """Let everybody in."""

    def job_of(self, call: Call) -> Job | None:
        """Return the job whose film is asked for."""
        return self.media.owner(call)

    def error(self, status: int, message: str) -> Answer:
        """Return an error as storage services do."""
        body = f'<?xml version="1.0"?><Error><Code>{status}</Code><Message>{message}</Message></Error>'
        return Answer(status=status, raw=body.encode(), content_type="application/xml")

    def unkeyed(self, verdict: Verdict) -> Answer:
        """Return the answer to a key, which is never judged here."""
        return self.error(403, verdict.value)

    def rate_limited(self, retry_after: int | None) -> Answer:
        """Return a 429."""
        answer = self.error(429, "slow down")
        if retry_after is not None:
            answer.headers["Retry-After"] = str(retry_after)
        return answer

    def moderated(self, call: Call) -> Answer:
        """Return a refusal."""
        return self.error(403, "forbidden")
