"""Make films with Gemini Omni, through the Interactions API of the Gemini Developer API.

Always in the background: without that, a create would hold its connection for minutes. An interaction can be
neither listed nor looked up by anything of ours, so a create whose answer was lost is settled only by the
callback that carries our reference, where one is set up.
"""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from filmgate.domain.errors import RefusalKind, Refused, Throttled
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
from filmgate.infrastructure.signatures import SignatureRefused, check_age, ed25519_holds, header
from filmgate.infrastructure.storage import receive
from filmgate.infrastructure.tokens import check_token, from_base64url
from filmgate.providers.task_api import (
    MAX_FILM_BYTES,
    Account,
    Answer,
    Film,
    Notice,
    Reader,
    TaskApi,
    hook_url,
    image_type,
    retry_after,
    said,
    state_of,
)

BASE_URL = "https://generativelanguage.googleapis.com"
_VERSION = "v1beta"
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
    "failed": JobState.FAILED,
    "incomplete": JobState.FAILED,
    "budget_exceeded": JobState.FAILED,
    "requires_action": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
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
_MAX_SIGNATURES = 5


def connect(account: Account, guard: AddressGuard) -> "Gemini":
    """Return the provider for one account."""
    return Gemini(GeminiWire(account), guard)


class GeminiWire:
    """The wire of the Interactions API."""

    name = "gemini"
    quiet_seconds = 600.0

    def __init__(self, account: Account) -> None:
        self._account = account
        self._base = (account.base_url or BASE_URL).rstrip("/")
        # Jobs whose last read was answered with 400; a second one in a row is their end.
        self._doubted: set[str] = set()

    def headers(self) -> Mapping[str, str]:
        """Return the key."""
        return {"x-goog-api-key": self._account.key or ""}

    def create(self, order: Order) -> bytes:
        """Return an interaction in the background, its film to be fetched from an address."""
        request = order.request
        shape = _SIZES.get((request.width, request.height))
        if shape is None:
            raise Refused(RefusalKind.REQUEST, f"Gemini makes no film of {request.size}.")
        parts = [*_image_parts(order), {"type": "text", "text": request.prompt}]
        body: dict[str, Any] = {
            "model": order.model,
            "input": [{"type": "user_input", "content": parts}],
            "response_modalities": ["video"],
            "response_format": {
                "type": "video",
                "aspect_ratio": shape[0],
                "resolution": shape[1],
                "duration": f"{request.seconds:g}s",
                "delivery": "uri",
            },
            "generation_config": {
                "video_config": {"task": "image_to_video" if order.image else "text_to_video"}
            },
            "background": True,
            "store": True,
        }
        if self._account.callback_url is not None:
            body["webhook_config"] = self._webhook(self._account.callback_url, order.reference)
        return msgspec.json.encode(body)

    def _webhook(self, callback_url: str, reference: str) -> dict[str, Any]:
        seal = seal_of(reference, self._account.key or "")
        return {
            "uris": [f"{callback_url.rstrip('/')}/{reference}"],
            "user_metadata": {"reference": reference, "seal": seal},
        }

    def create_url(self, order: Order) -> str:
        """Return where interactions are made."""
        return f"{self._base}/{_VERSION}/interactions"

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the interaction's id."""
        return _text(answer.get("id"))

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal by Google's status word, or the reason in its details."""
        message = said(answer) or f"Gemini refused with status {answer.status}."
        words = _error_words(answer)
        kind = next((_REFUSALS[word] for word in words if word in _REFUSALS), None)
        if kind is None and answer.status in {401, 403}:
            kind = RefusalKind.KEY
        if kind is None and answer.status == 400 and _TURNED_DOWN.search(message):
            kind = RefusalKind.PROMPT
        return Refused(kind or RefusalKind.REQUEST, message)

    def job_url(self, job: ProviderJob) -> str:
        """Return where an interaction is read."""
        return f"{self._base}/{_VERSION}/interactions/{job.id}"

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how an interaction stands; it gives no percentage and no price."""
        if answer.status == 400 and said(answer) is not None:
            return self._complained(answer, job)
        self._doubted.discard(job.id)
        if answer.status == 404 and datetime.now(UTC) - job.accepted_at > _SETTLING:
            return Progress(JobState.FAILED, reason="Gemini no longer knows the interaction.")
        if not answer.ok:
            return None
        body = answer.mapping()
        state = state_of(body.get("status"), _STATES)
        if state is JobState.SUCCEEDED and video_part(body) is None:
            return _withheld(body)
        if state is JobState.FAILED:
            return _failed(body, answer)
        return Progress(state)

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
        address = f"{self._base}/{_VERSION}/files/{file_id}:download?alt=media"
        return Film(address, self.headers(), urlsplit(self._base).netloc)

    def file_url(self, file_id: str) -> str:
        """Return where the state of a file is read."""
        return f"{self._base}/{_VERSION}/files/{file_id}"

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the call that stops an interaction."""
        return "POST", f"{self.job_url(job)}/cancel"

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Believe only an interaction that says it is cancelled; Google does not say what that costs."""
        return CancelOutcome(stopped=answer.mapping().get("status") == "cancelled", charged=None)

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Say that interactions cannot be looked for."""
        return CannotTell()


class Gemini(TaskApi):
    """Gemini Omni as a provider."""

    def __init__(self, wire: GeminiWire, guard: AddressGuard) -> None:
        super().__init__(wire, guard)
        self._gemini = wire

    def _sorted(self, answer: Answer) -> str:
        """Take the delay of a 429 from its body, where Google puts it."""
        if answer.status == 429:
            raise Throttled(said(answer) or "Gemini asked to come back later", delay_of(answer))
        return super()._sorted(answer)

    async def download(self, job: ProviderJob, target: Path) -> None:
        """Fetch the film once its file is ready, or take it out of the interaction itself."""
        answer = await self._reader.get(self._gemini.job_url(job))
        part = video_part(answer.mapping()) or {}
        film = self._gemini.film(answer, job)
        if film is not None:
            await self._until_ready(file_of(str(part.get("uri"))))
            await download(
                film.url,
                target,
                guard=self._guard,
                limit=MAX_FILM_BYTES,
                headers=film.headers,
                keep_headers_on=film.host,
            )
            return
        data = from_base64(str(part.get("data") or ""))
        if not data:
            raise DownloadRefused(f"gemini does not say where the film of job {job.id} lies")
        await receive(_whole(data), target, MAX_FILM_BYTES)

    async def _until_ready(self, file_id: str | None) -> None:
        """Wait while Google still works on a file; one that failed will never come."""
        for _ in range(_FILE_LOOKS if file_id else 0):
            answer = await self._reader.get(self._gemini.file_url(file_id or ""))
            state = answer.mapping().get("state") if answer.ok else None
            if state == "FAILED":
                raise DownloadRefused("gemini could not finish the film's file")
            if state != "PROCESSING":
                return
            await asyncio.sleep(_FILE_PAUSE_SECONDS)
        if file_id:
            raise WireTrouble("gemini is still working on the film's file")

    async def forget(self, job: ProviderJob) -> None:
        """Delete the interaction, which Google would keep for weeks with prompt and image."""
        await self._reader.call("DELETE", self._gemini.job_url(job))


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _image_parts(order: Order) -> Sequence[Mapping[str, str]]:
    if order.image is None:
        return ()
    kind = media_type(order.image)
    if kind is None:
        raise Refused(RefusalKind.IMAGE, "The image is neither PNG, JPEG nor WebP.")
    return ({"type": "image", "mime_type": kind, "data": base64.b64encode(order.image).decode()},)


def video_part(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the part of an interaction that holds or names its film, None where there is none."""
    parts = [part for step in _maps(body.get("steps")) for part in _maps(step.get("content"))]
    # Some clients have seen the film beside the steps.
    for part in (*parts, *_maps([body.get("output_video")])):
        if part.get("type", "video") == "video" and (part.get("uri") or part.get("data")):
            return part
    return None


def file_of(uri: str) -> str | None:
    """Return the id of the file of the API that an address names, None where it names another place."""
    match = _FILE.search(urlsplit(uri).path)
    return match[1] if match else None


def delay_of(answer: Answer) -> timedelta | None:
    """Return how long Google asked to wait: RetryInfo in the body, else the header."""
    for detail in _maps(_error(answer.mapping()).get("details")):
        match = _DELAY.match(str(detail.get("retryDelay", "")))
        if match:
            return min(timedelta(seconds=float(match[1])), _LONGEST_DELAY)
    return retry_after(answer)


def seal_of(reference: str, key: str) -> str:
    """Return what proves that a reference in a callback was written by us.

    Google signs whatever anybody asked it to call us with, so its signature alone proves no reference.
    """
    return hmac.new(key.encode(), b"filmgate:" + reference.encode(), hashlib.sha256).hexdigest()[:32]


def verify_webhook(
    headers: Mapping[str, str], body: bytes, keys: WebhookKeys, now: datetime
) -> tuple[str | None, str]:
    """Return our reference (None where it is not proven) and the interaction's id, or raise SignatureRefused.

    Webhooks of a project are signed with its secret. For those asked for in a create, Google's
    documentation describes a token (RS256); since August 2026 the deliveries seen carry Ed25519 signatures
    instead, as Standard Webhooks writes them (googleapis/python-genai, issue 2927). Both are taken.
    """
    event = _checked(headers, body, keys, now)
    data = cast("Mapping[str, Any]", event.get("data")) if isinstance(event.get("data"), dict) else {}
    job_id = _text(data.get("id"))
    if job_id is None:
        raise SignatureRefused("the callback names no interaction")
    metadata = next(iter(_maps([event.get("user_metadata"), data.get("user_metadata")])), {})
    return _proven(metadata, keys.seal_key), job_id.rpartition("/")[2]


def _checked(headers: Mapping[str, str], body: bytes, keys: WebhookKeys, now: datetime) -> Mapping[str, Any]:
    event = Answer(200, {}, body).mapping()
    signature = next((value for name, value in headers.items() if name.lower() == "webhook-signature"), "")
    if signature.count(".") == 2 and "," not in signature:
        claims = check_token(signature, keys.published, now)
        _check_audience(claims.get("aud"), keys.callback_url)
        return claims if isinstance(claims.get("data"), dict) else event
    ed25519 = [from_base64(str(key.get("x", ""))) for key in keys.published if key.get("crv") == "Ed25519"]
    check_standard_webhook(headers, body, now, secrets=keys.secrets, ed25519_keys=ed25519)
    return event


def _check_audience(audience: object, callback_url: str | None) -> None:
    named = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    if callback_url is None or not any(
        isinstance(name, str) and name.startswith(callback_url) for name in named
    ):
        raise SignatureRefused("the token is meant for somebody else")


def _proven(metadata: Mapping[str, Any], seal_key: str | None) -> str | None:
    reference, seal = _text(metadata.get("reference")), _text(metadata.get("seal"))
    if reference is None or seal is None or seal_key is None:
        return None
    return reference if hmac.compare_digest(seal.encode(), seal_of(reference, seal_key).encode()) else None


def _withheld(body: Mapping[str, Any]) -> Progress:
    """Say why a completed interaction has no film: Google's filter leaves only words."""
    parts = [
        part
        for step in _maps(body.get("steps"))
        if step.get("type") == "model_output"
        for part in _maps(step.get("content"))
    ]
    words = " ".join(str(part["text"]) for part in parts if part.get("text"))
    reason = words[:500] or "Gemini finished without a film; most likely its filter held it back."
    return Progress(JobState.FAILED, reason=reason, code=RefusalKind.OUTPUT.value)


def _failed(body: Mapping[str, Any], answer: Answer) -> Progress:
    status = str(body.get("status"))
    reason = said(answer) if _error(body) else None
    turned_down = reason is not None and _TURNED_DOWN.search(reason)
    code = RefusalKind.OUTPUT.value if turned_down else None
    if status == "budget_exceeded":
        code = RefusalKind.QUOTA.value
    return Progress(JobState.FAILED, reason=reason or f"Gemini ended the interaction as {status}.", code=code)


def _error(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(_maps([body.get("error")])), {})


def _error_words(answer: Answer) -> Sequence[str]:
    """Return the machine's words in an error, the most telling first."""
    error = _error(answer.mapping())
    reasons = [detail.get("reason") for detail in _maps(error.get("details"))]
    return [str(word) for word in (*reasons, error.get("status"), error.get("code")) if word]


def _maps(value: object) -> Sequence[Mapping[str, Any]]:
    """Return the objects in a list, and nothing where it is no list."""
    if not isinstance(value, list):
        return ()
    return [cast("dict[str, Any]", item) for item in cast("list[object]", value) if isinstance(item, dict)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
