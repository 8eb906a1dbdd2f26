"""Name every fault the twin can inject, what it does, and which numbers it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

Param = int | float | str
Params = Mapping[str, Param]

OPERATIONS: Final = ("create", "poll", "list", "cancel", "download", "webhook", "other")


class Stage(StrEnum):
    """Say where a fault bites."""

    LISTENER = "listener"
    ANSWER = "answer"
    JOB = "job"
    LIST = "list"
    FILM = "film"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Kind:
    """Describe one fault: its stage, its effect in one sentence, and its parameters with defaults."""

    name: str
    stage: Stage
    does: str
    params: Params = field(default_factory=dict[str, Param])


_SECONDS: Final = {"seconds": 2.0}

_LISTENER = (
    Kind(
        "refuse-connection",
        Stage.LISTENER,
        "The port is closed for a while; connecting is refused.",
        _SECONDS,
    ),
    Kind(
        "close-on-accept",
        Stage.LISTENER,
        "Connections are accepted and closed before a byte is read.",
        _SECONDS,
    ),
)
_ANSWER = (
    Kind(
        "drop-before-reading",
        Stage.ANSWER,
        "The connection is reset before the body is read; nothing is created.",
    ),
    Kind("lost-before-accept", Stage.ANSWER, "The body is read, nothing is done, the connection is reset."),
    Kind("lost-after-accept", Stage.ANSWER, "The work is done and billed, then the connection is reset."),
    Kind("created-late", Stage.ANSWER, "The work is done, and answered, only after this time.", _SECONDS),
    Kind(
        "dropped-created-late",
        Stage.ANSWER,
        "The connection is reset at once; the work is done after this time.",
        _SECONDS,
    ),
    Kind(
        "rate-limited",
        Stage.ANSWER,
        "429 in the vendor's own shape, with Retry-After where the vendor is known to send it.",
        {"retry_after": 1},
    ),
    Kind(
        "rate-limited-silent", Stage.ANSWER, "429 in the vendor's own shape, without saying when to return."
    ),
    Kind("error-before", Stage.ANSWER, "5xx in the vendor's own shape; nothing was done.", {"status": 503}),
    Kind(
        "error-after",
        Stage.ANSWER,
        "5xx in the vendor's own shape, after the work was done.",
        {"status": 502},
    ),
    Kind(
        "redirect",
        Stage.ANSWER,
        "3xx to this address; nothing was done.",
        {"status": 307, "to": "/elsewhere"},
    ),
    Kind("html", Stage.ANSWER, "The work is done; the answer is 200 with an HTML page."),
    Kind("truncated-json", Stage.ANSWER, "The work is done; the answer's JSON ends in the middle."),
    Kind("empty-answer", Stage.ANSWER, "The work is done; the answer is 200 without a body."),
    Kind("without-id", Stage.ANSWER, "The work is done; the answer is 2xx JSON without any id."),
    Kind("error-in-200", Stage.ANSWER, "Nothing is done; the vendor's error comes with status 200."),
    Kind(
        "deep-json", Stage.ANSWER, "The work is done; the answer is JSON nested this deep.", {"depth": 10_000}
    ),
    Kind(
        "huge-body",
        Stage.ANSWER,
        "The work is done; the answer is this many megabytes of JSON.",
        {"megabytes": 64},
    ),
    Kind("slow-headers", Stage.ANSWER, "The work is done; the answer begins only after this time.", _SECONDS),
    Kind("endless-headers", Stage.ANSWER, "The work is done; headers keep coming for this time.", _SECONDS),
    Kind("slow-body", Stage.ANSWER, "The work is done; the body drips out over this time.", _SECONDS),
    Kind("moderated-before", Stage.ANSWER, "The prompt is refused at once, in the vendor's own words."),
)
_JOB = (
    Kind("long-queue", Stage.JOB, "The job waits this much longer (virtual seconds).", {"seconds": 600.0}),
    Kind("stuck", Stage.JOB, "The job runs to 99 % and stays there."),
    Kind("never-ends", Stage.JOB, "The job runs on for ever, ever more slowly."),
    Kind("progress-backwards", Stage.JOB, "The job's progress goes back several times."),
    Kind(
        "unknown-status",
        Stage.JOB,
        "The running job shows a status word nobody knows.",
        {"word": "reticulating"},
    ),
    Kind("vanish-while-running", Stage.JOB, "The job is not found any more after a third of its run."),
    Kind("vanish-after-success", Stage.JOB, "The finished job is shown once, and then not found any more."),
    Kind("failed", Stage.JOB, "The job fails, with the vendor's technical error."),
    Kind("failed-without-reason", Stage.JOB, "The job fails and does not say why."),
    Kind("moderated-after", Stage.JOB, "The film is made, then withheld by moderation."),
    Kind("result-missing", Stage.JOB, "The job succeeds and names no film."),
    Kind("gemini-inline", Stage.JOB, "Gemini: the film comes inline although an address was asked for."),
    Kind("gemini-get-400", Stage.JOB, "Gemini: the failed interaction answers every GET with 400."),
    Kind("fal-result-only", Stage.JOB, "fal: the failure shows in the result only, not in the status."),
)
_LIST = (
    Kind("list-lag", Stage.LIST, "The job appears in listings only after this time.", _SECONDS),
    Kind("list-omits", Stage.LIST, "The job never appears in listings."),
)
_FILM = (
    Kind(
        "url-expired",
        Stage.FILM,
        "The film's address has expired for the first this many fetches.",
        {"fetches": 1},
    ),
    Kind("url-forbidden", Stage.FILM, "The film's address answers 403, always."),
    Kind(
        "media-redirect",
        Stage.FILM,
        "The film's address redirects to another origin, or to this one.",
        {"to": ""},
    ),
    Kind(
        "media-cut",
        Stage.FILM,
        "The connection breaks half-way, for the first this many fetches.",
        {"fetches": 1},
    ),
    Kind("length-short", Stage.FILM, "Content-Length is half of what is sent."),
    Kind("length-long", Stage.FILM, "Content-Length is twice what is sent; then the connection closes."),
    Kind("length-absent", Stage.FILM, "There is no Content-Length; the connection closes at the end."),
    Kind("film-truncated", Stage.FILM, "The film is cut at half its bytes, and its length says so."),
    Kind("film-empty", Stage.FILM, "The film has zero bytes."),
    Kind("film-html", Stage.FILM, "An HTML page comes instead of the film, as video/mp4."),
    Kind("film-json", Stage.FILM, "A JSON error comes instead of the film, as video/mp4."),
    Kind("film-black", Stage.FILM, "The film is black from start to end."),
    Kind("film-wrong-length", Stage.FILM, "The film is half as long as asked."),
    Kind("film-wrong-size", Stage.FILM, "The film has half the width and height asked."),
)
_WEBHOOK = (
    Kind("webhook-none", Stage.WEBHOOK, "No callback is sent."),
    Kind("webhook-repeated", Stage.WEBHOOK, "Each callback is sent this many times.", {"times_sent": 3}),
    Kind("webhook-out-of-order", Stage.WEBHOOK, "The last callback comes first, and the others after it."),
    Kind("webhook-forged", Stage.WEBHOOK, "The callback's signature is wrong."),
    Kind("webhook-stale", Stage.WEBHOOK, "The callback's timestamp is this old.", {"age": 3600}),
    Kind(
        "webhook-early",
        Stage.WEBHOOK,
        "The job ends at once, and its callback comes before the create answer.",
    ),
    Kind("webhook-delayed", Stage.WEBHOOK, "Callbacks come this much later.", _SECONDS),
    Kind("webhook-unknown-id", Stage.WEBHOOK, "The callback is about a job that was never made."),
)

KINDS: Final = {kind.name: kind for kind in (*_LISTENER, *_ANSWER, *_JOB, *_LIST, *_FILM, *_WEBHOOK)}
