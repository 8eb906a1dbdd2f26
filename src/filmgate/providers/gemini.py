"""Make films with Gemini Omni, through the Interactions API of the Gemini Developer API.

Always in the background: without that, a create would hold its connection for minutes. An interaction can be
neither listed nor looked up by anything of ours, so a create whose answer was lost is settled only by the
callback that carries our reference, where one is set up.

What an interaction that came to nothing costs: nothing where the filter held the film back (Google's page on
prices: not charged when blocked); of all other failures, and of a cancel, Google does not say.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from filmgate.domain.errors import RefusalKind, Refused, Throttled
from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import (
    CancelOutcome,
    CannotTell,
    JobState,
    Lookup,
    Order,
    Progress,
    ProviderJob,
)
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import MAX_RETRY_AFTER, listing, mapping
from filmgate.infrastructure.http import DownloadRefused, WireTrouble, download
from filmgate.infrastructure.signatures import SignatureRefused, header
from filmgate.infrastructure.storage import receive
from filmgate.infrastructure.tokens import check_published, from_base64url
from filmgate.providers.probing import FreeCalls
from filmgate.providers.task_api import (
    MAX_FILM_BYTES,
    Account,
    Answer,
    Film,
    Notice,
    Reader,
    TaskApi,
    data_url,
    hook_url,
    refuse,
    retry_after,
    said,
    state_of,
    unnamed,
)

BASE_URL = "https://generativelanguage.googleapis.com"
# By size: the ratio and the resolution to ask for.
_SIZES: Mapping[tuple[int, int], tuple[str, str]] = {
    (640, 360): ("16:9", "360p"),
    (360, 640): ("9:16", "360p"),
    (1280, 720): ("16:9", "720p"),
    (720, 1280): ("9:16", "720p"),
    (1920, 1080): ("16:9", "1080p"),
    (1080, 1920): ("9:16", "1080p"),
    (3840, 2160): ("16:9", "4k"),
    (2160, 3840): ("9:16", "4k"),
}
_STATES: Mapping[str, JobState] = {
    "queued": JobState.PENDING,
    "in_progress": JobState.PROCESSING,
    "requires_continuation": JobState.PROCESSING,
    "completed": JobState.SUCCEEDED,
    "cancelled": JobState.CANCELLED,
    **dict.fromkeys(("failed", "incomplete", "budget_exceeded", "requires_action"), JobState.FAILED),
}
_REFUSALS: Mapping[str, RefusalKind] = {
    "API_KEY_INVALID": RefusalKind.KEY,
    "UNAUTHENTICATED": RefusalKind.KEY,
    "PERMISSION_DENIED": RefusalKind.KEY,
    # The paid tier is not set up: "enable billing".
    "FAILED_PRECONDITION": RefusalKind.QUOTA,
}
# No code is documented for a prompt that is turned down at once; only the sentence tells.
_TURNED_DOWN = re.compile(r"safety|blocked|prohibited|violat|sensitive", re.IGNORECASE)
_FILE = re.compile(r"/v1(?:beta)?/files/([\w-]+)(?::download)?$")
_DELAY = re.compile(r"^(\d+(?:\.\d+)?)s$")
_FILE_PAUSE_SECONDS = 2.0
_FILE_LOOKS = 30


def connect(account: Account, guard: AddressGuard) -> "Gemini":
    """Return the provider for one account."""
    return Gemini(GeminiWire(account), guard)


class GeminiWire:
    """The wire of the Interactions API."""

    quiet_seconds = 600.0
    # A film of 4 MB may come inside an interaction, as text a third longer.
    answer_bytes = 8 * 1024**2

    def __init__(self, account: Account) -> None:
        self._account = account
        self.name = account.name or "gemini"
        self.polling = PollTerms(called_back=account.callback_url is not None)
        self._host = (account.base_url or BASE_URL).rstrip("/").removesuffix("/v1beta")
        self._base = f"{self._host}/v1beta"
        # Jobs whose last read was answered with 400; a second one in a row is their end.
        self._doubted: set[str] = set()

    def headers(self) -> Mapping[str, str]:
        """Return the key."""
        return {"x-goog-api-key": self._account.key or ""}

    def create(self, order: Order) -> bytes:
        """Return an interaction in the background, whose film is to be fetched from an address."""
        asked = order.request
        shape = _SIZES.get((asked.width, asked.height))
        if shape is None:
            raise Refused(RefusalKind.REQUEST, f"Gemini makes no films of {asked.size}.")
        if asked.input_reference is not None and order.image is None:
            raise Refused(RefusalKind.IMAGE, "The image did not come with the order.")
        text = {"type": "text", "text": asked.prompt}
        body: dict[str, Any] = {
            "model": order.model,
            "input": [{"type": "user_input", "content": [*_image_parts(order.image), text]}],
            "response_modalities": ["video"],
            "response_format": {
                "type": "video",
                "aspect_ratio": shape[0],
                "resolution": shape[1],
                "duration": f"{asked.seconds:g}s",
                "delivery": "uri",
            },
            "generation_config": {
                "video_config": {"task": "image_to_video" if order.image else "text_to_video"}
            },
            "background": True,
            "store": True,
        }
        hook = hook_url(self._account, self.name, order)
        if hook is not None:
            body["webhook_config"] = {"uris": [hook], "user_metadata": {"reference": order.reference}}
        return msgspec.json.encode(body)

    def create_url(self, order: Order) -> str:
        """Return where interactions are made."""
        return f"{self._base}/interactions"

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the interaction's id."""
        return _text(answer.get("id"))

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal by Google's status word, or by the reason in its details."""
        message = said(answer) or f"Gemini refused with status {answer.status}."
        kind = next((_REFUSALS[word] for word in _error_words(answer) if word in _REFUSALS), None)
        if kind is None and answer.status == 400 and _TURNED_DOWN.search(message):
            kind = RefusalKind.PROMPT
        return Refused(kind or refuse(answer, "Gemini", {}).kind, message)

    def job_url(self, job: ProviderJob) -> str:
        """Return where an interaction is read."""
        return f"{self._base}/interactions/{quote(job.id, safe='')}"

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how an interaction stands; it gives no percentage and no price."""
        if answer.status == 400 and said(answer) is not None:
            return self._complained(answer, job)
        self._doubted.discard(job.id)
        if not answer.ok:
            return None
        body = answer.mapping()
        state = state_of(body.get("status"), _STATES)
        if state is JobState.SUCCEEDED and video_part(body) is None:
            return _withheld(body)
        return _failed(body) if state is JobState.FAILED else Progress(state)

    def _complained(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Take the second 400 in a row for the end: that is how some failures are told."""
        if job.id not in self._doubted:
            self._doubted.add(job.id)
            return None
        self._doubted.discard(job.id)
        return Progress(JobState.FAILED, reason=said(answer))

    def film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return where the film lies; the key goes to the API's own host and nowhere else."""
        uri = _text((video_part(answer.mapping()) or {}).get("uri"))
        if uri is None:
            return None
        file_id = file_of(uri)
        if file_id is None:
            return Film(uri)
        address = f"{self._base}/files/{file_id}:download?alt=media"
        return Film(address, self.headers(), urlsplit(self._base).netloc, own=True)

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the call that stops an interaction."""
        return "POST", f"{self.job_url(job)}/cancel"

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Believe only an interaction that says it is cancelled; Google does not say what that costs."""
        return CancelOutcome(stopped=answer.mapping().get("status") == "cancelled", charged=None)

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Say that interactions cannot be looked for."""
        return CannotTell()

    async def is_for(self, reader: Reader, answer: Answer, job: ProviderJob, order: Order) -> bool:
        """Compare with the model and the prompt, where the interaction shows them."""
        body = answer.mapping()
        asked = [part.get("text") for part in _parts_of(body, "user_input") if part.get("text")]
        return body.get("model") in (None, order.model) and (not asked or order.request.prompt in asked)

    async def callback_keys(self, reader: Reader) -> Sequence[bytes]:
        """Read the keys that Google publishes for callbacks, as one document."""
        answer = await reader.get(f"{self._host}/.well-known/jwks.json")
        if not answer.ok:
            raise WireTrouble(f"Google's keys cannot be read: {answer.status}")
        return (answer.body,)

    def read_callback(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime
    ) -> Notice:
        """Return what a callback proves."""
        return verify_webhook(headers, body, keys, now, self._account)

    def free_calls(self) -> FreeCalls:
        """Return the list of models."""
        return FreeCalls(f"{self._base}/models?pageSize=1000", ("models",), offered=_offered)


class Gemini(TaskApi):
    """Gemini Omni as a provider."""

    def _sorted(self, answer: Answer) -> str:
        """Take the delay of a 429 from its body, where Google puts it."""
        if answer.status == 429:
            raise Throttled(said(answer) or "Gemini asked to come back later.", delay_of(answer))
        return super()._sorted(answer)

    async def download(self, job: ProviderJob, target: Path) -> None:
        """Fetch the film once its file is ready, or take it out of the interaction itself."""
        answer = await self.asking.now(job)
        film = self._film(answer, job)
        if film is not None:
            if film.own:
                await self._until_ready(film.url.rpartition(":download")[0])
            await download(film, target, guard=self._guard, limit=MAX_FILM_BYTES)
            return
        data = from_base64url(str((video_part(answer.mapping()) or {}).get("data") or ""))
        if not data:
            raise DownloadRefused(unnamed(self.name, answer, job))
        await receive(_whole(data), target, MAX_FILM_BYTES)

    async def _until_ready(self, file_url: str) -> None:
        """Wait while Google still works on a file; one that failed will never come."""
        for _ in range(_FILE_LOOKS):
            answer = await self._reader.get(file_url)
            state = answer.mapping().get("state") if answer.ok else None
            if state == "FAILED":
                raise DownloadRefused("gemini could not finish the film's file")
            if state != "PROCESSING":
                return
            await asyncio.sleep(_FILE_PAUSE_SECONDS)
        raise WireTrouble("gemini is still working on the film's file")

    async def forget(self, job: ProviderJob) -> None:
        """Delete the interaction, which Google would keep for weeks with prompt and image."""
        await self._reader.call("DELETE", self._wire.job_url(job))


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _offered(body: Mapping[str, Any]) -> list[str]:
    rows = [mapping(row) for row in listing(body.get("models"))]
    return [str(row.get("name")).removeprefix("models/") for row in rows]


def _image_parts(image: bytes | None) -> Sequence[Mapping[str, str]]:
    if image is None:
        return ()
    kind, _, data = data_url(image).removeprefix("data:").partition(";base64,")
    return ({"type": "image", "mime_type": kind, "data": data},)


def video_part(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the part of an interaction that holds or names its film, None where there is none."""
    # Some clients have seen the film beside the steps.
    for part in (*_output_parts(body), mapping(body.get("output_video"))):
        if part.get("type", "video") == "video" and (part.get("uri") or part.get("data")):
            return part
    return None


def _output_parts(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return _parts_of(body, "model_output")


def _parts_of(body: Mapping[str, Any], kind: str) -> Sequence[Mapping[str, Any]]:
    steps = [mapping(step) for step in listing(body.get("steps"))]
    chosen = [step for step in steps if step.get("type") == kind]
    return [mapping(part) for step in chosen for part in listing(step.get("content"))]


def file_of(uri: str) -> str | None:
    """Return the id of the file of the API that an address names, None where it names another place."""
    match = _FILE.search(urlsplit(uri).path)
    return match[1] if match else None


def _withheld(body: Mapping[str, Any]) -> Progress:
    """Say why a completed interaction has no film: Google's filter leaves words at most."""
    words = " ".join(str(part["text"]) for part in _output_parts(body) if part.get("text"))
    reason = _fault(body) or words[:500]
    usual = "Gemini finished without a film; most likely its filter held it back."
    return Progress(JobState.FAILED, reason=reason or usual, code=RefusalKind.OUTPUT.value, charged=False)


def _failed(body: Mapping[str, Any]) -> Progress:
    status, reason = str(body.get("status")), _fault(body)
    code = RefusalKind.OUTPUT.value if reason and _TURNED_DOWN.search(reason) else None
    if status == "budget_exceeded":
        code = RefusalKind.QUOTA.value
    return Progress(
        JobState.FAILED,
        reason=reason or f"Gemini ended the interaction as {status}.",
        code=code,
        charged=False if code == RefusalKind.OUTPUT.value else None,
    )


def _fault(body: Mapping[str, Any]) -> str | None:
    """Return what an interaction says went wrong: among its errors, or in one of its steps."""
    steps = [mapping(step).get("error") for step in listing(body.get("steps"))]
    for error in (body.get("error"), *listing(body.get("errors")), *steps):
        message = _text(mapping(error).get("message"))
        if message is not None:
            return message[:500]
    return None


def _error_words(answer: Answer) -> Sequence[str]:
    """Return the machine's words in an error, the most telling first."""
    error = mapping(answer.mapping().get("error"))
    reasons = [mapping(detail).get("reason") for detail in listing(error.get("details"))]
    return [word for word in (*reasons, error.get("status"), error.get("code")) if isinstance(word, str)]


def delay_of(answer: Answer) -> timedelta | None:
    """Return how long Google asked to wait: RetryInfo in the body, else the header."""
    error = mapping(answer.mapping().get("error"))
    for detail in listing(error.get("details")):
        match = _DELAY.match(str(mapping(detail).get("retryDelay", "")))
        if match:
            return min(timedelta(seconds=float(match[1])), MAX_RETRY_AFTER)
    return retry_after(answer)


def verify_webhook(
    headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime, account: Account
) -> Notice:
    """Return what a callback proves, or raise SignatureRefused.

    ``keys`` are documents of JSON Web Keys. Google's documentation describes a token (RS256) in the
    signature's header; the deliveries seen since August 2026 carry Ed25519 signatures over id, time and
    body instead (googleapis/python-genai, issue 2927). Both are taken. Google signs whatever anybody has
    it call: that it was us is proven by the seal in the address, which is not looked at here.
    """
    check_published(headers, body, keys, now, account.callback_url)
    job_id = _text(mapping(Answer(200, {}, body).mapping().get("data")).get("id"))
    if job_id is None:
        raise SignatureRefused("the callback names no interaction")
    return Notice(job_id.rpartition("/")[2], header(headers, "webhook-id"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
