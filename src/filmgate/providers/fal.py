"""Make films with the models that fal hosts, through its queue.

A create puts one request into the queue. fal's history shows requests with their inputs, but only when they
have ended, so a create whose answer was lost may be found there and is never proven not to exist (evidence:
presence only; a callback that carries our reference tells sooner).

What a request that came to nothing costs (fal's pages on queue and billing, read in September 2026):

=====================================  ==========================================================
the server failed (5xx)                nothing
it did not begin in the time we gave   nothing
refused for its content, bad input     not said: some partners' models are charged all the same
cancelled                              nothing while it waited; not said once it ran
=====================================  ==========================================================
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from filmgate.domain.errors import RefusalKind, Refused
from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import CancelOutcome, JobState, Lookup, Order, Progress, ProviderJob
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import listing, mapping
from filmgate.infrastructure.http import WireTrouble
from filmgate.infrastructure.signatures import SignatureRefused, check_age, ed25519_holds, header
from filmgate.infrastructure.tokens import from_base64url
from filmgate.providers.probing import FreeCalls
from filmgate.providers.queue_api import (
    Candidate,
    Fields,
    endpoint_of,
    fields_of,
    is_ours,
    judge,
    moment_of,
    written,
)
from filmgate.providers.task_api import (
    Account,
    Answer,
    Film,
    Notice,
    Reader,
    TaskApi,
    code_of,
    hook_url,
    refuse,
    said,
    state_of,
)

BASE_URL = "https://queue.fal.run"
PLATFORM_URL = "https://api.fal.ai/v1"
REST_URL = "https://rest.fal.ai"
# How long fal keeps the film for us; its own default is not documented.
MEDIA_SECONDS = 86_400
_PAGES = 20
_STATES: Mapping[str, JobState] = {
    "IN_QUEUE": JobState.PENDING,
    "IN_PROGRESS": JobState.PROCESSING,
    "COMPLETED": JobState.SUCCEEDED,
}
# fal's error types, as its page on errors names them.
_KINDS: Mapping[str, RefusalKind] = {
    "content_policy_violation": RefusalKind.POLICY,
    "image_too_small": RefusalKind.IMAGE,
    "image_too_large": RefusalKind.IMAGE,
    "image_load_error": RefusalKind.IMAGE,
    "file_download_error": RefusalKind.IMAGE,
    "face_detection_error": RefusalKind.IMAGE,
    "feature_not_supported": RefusalKind.REQUEST,
}
# A locked account is told as 403 with this sentence (fal-ai/fal, issues 1147 and 1163).
_LOCKED = "user is locked"
# Types of the server's own failures, which fal does not bill.
_UNBILLED = frozenset(
    {
        "internal_server_error",
        "generation_timeout",
        "downstream_service_error",
        "downstream_service_unavailable",
    }
)
_LATER = frozenset({401, 403, 404, 408, 410, 425, 429})
_STILL_RUNNING = "still in progress"
# A key may read its requests and not their history.
_HIDDEN = frozenset({401, 403, 404})

# How models want their inputs, as fal's pages of the models list them.
MODELS: Mapping[str, Fields] = {
    "fal-ai/veo3.1": Fields(
        "fal-ai/veo3.1", image_endpoint="fal-ai/veo3.1/image-to-video", seconds_as="text_s"
    ),
    "fal-ai/kling-video/v3/pro": Fields(
        "fal-ai/kling-video/v3/pro/text-to-video",
        image_endpoint="fal-ai/kling-video/v3/pro/image-to-video",
        seconds_as="text",
        resolution=None,
        seed=None,
        image="start_image_url",
        not_with_image=("aspect_ratio",),
    ),
}


def connect(account: Account, guard: AddressGuard) -> TaskApi:
    """Return fal as a provider."""
    return TaskApi(FalWire(account), guard)


class FalWire:
    """Translate to and from fal's queue."""

    # Absence is never proven; this is how long a request may be looked for until it counts as parked, and
    # about how long fal keeps results.
    quiet_seconds = 3600.0

    # Only what has ended is listed: a job may be found, and is never proven absent.
    evidence = "presence"

    def __init__(self, account: Account) -> None:
        self.name = account.name or "fal"
        self.polling = PollTerms(called_back=account.callback_url is not None)
        self._account = account
        self._base, self._platform, self._rest = _hosts((account.base_url or BASE_URL).rstrip("/"))
        self._own = {name: fields_of(name, table) for name, table in account.fields.items()}

    def headers(self) -> Mapping[str, str]:
        """Return the key."""
        return {"Authorization": f"Key {self._account.key or ''}"}

    def create_headers(self, order: Order) -> Mapping[str, str]:
        """Return how long the film is to be kept."""
        keep = msgspec.json.encode({"expiration_duration_seconds": MEDIA_SECONDS}).decode()
        return {"X-Fal-Object-Lifecycle-Preference": keep}

    def _fields(self, model: str) -> Fields:
        return self._own.get(model) or MODELS.get(model) or Fields(model)

    def create(self, order: Order) -> bytes:
        """Return the model's input."""
        return msgspec.json.encode(written(self._fields(order.model), order))

    def create_url(self, order: Order) -> str:
        """Return the model's endpoint, with where to call back."""
        url = f"{self._base}/{quote(endpoint_of(self._fields(order.model), order))}"
        hook = hook_url(self._account, self.name, order)
        return url if hook is None else f"{url}?{urlencode({'fal_webhook': hook})}"

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the request's id."""
        job_id = answer.get("request_id")
        return job_id if isinstance(job_id, str) and job_id else None

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal by its error type."""
        reason = said(answer) or ""
        if answer.status == 403 and _LOCKED in reason.lower():
            return Refused(RefusalKind.QUOTA, reason)
        return refuse(answer, self.name, _KINDS)

    def _request_url(self, job: ProviderJob) -> str:
        """Return where a request is: under the app, which is the first parts of the endpoint."""
        parts = self._fields(job.model).endpoint.split("/")
        app = "/".join(parts[: 3 if parts[0] in {"workflows", "comfy"} else 2])
        return f"{self._base}/{quote(app)}/requests/{quote(job.id, safe='')}"

    def job_url(self, job: ProviderJob) -> str:
        """Return where a request's status is read."""
        return f"{self._request_url(job)}/status"

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a request stands; fal gives no percentage, and tells failures as completed."""
        body = answer.mapping()
        if not answer.ok or "status" not in body:
            return None
        if body.get("error"):
            return _failed(str(body.get("error_type") or ""), said(answer))
        return Progress(state_of(body["status"], _STATES))

    def outcome_url(self, answer: Answer, job: ProviderJob) -> str | None:
        """Return where the model's own answer lies, once the request is completed."""
        body = answer.mapping()
        completed = answer.ok and body.get("status") == "COMPLETED" and not body.get("error")
        return self._request_url(job) if completed else None

    def outcome(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how the model ended: its own status and error are those of this answer."""
        if answer.ok:
            return Progress(JobState.SUCCEEDED, percent=100)
        reason = said(answer)
        unfinished = answer.status == 400 and _STILL_RUNNING in (reason or "").lower()
        if unfinished or answer.status in _LATER:
            return None
        word = code_of(answer) or answer.headers.get("X-Fal-Error-Type", "")
        if answer.status >= 500 and not word:
            # The queue itself has trouble: this says nothing about the model.
            return None
        if answer.headers.get("X-Fal-Request-Timeout-Type") == "user":
            return Progress(
                JobState.FAILED,
                reason="It did not begin in time; nothing is charged.",
                code="expired",
                charged=False,
            )
        return _failed(word, reason, unbilled=answer.status >= 500)

    def film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return the film in the model's answer; the key is not sent there."""
        body = answer.mapping()
        videos = [mapping(body.get("video")), *(mapping(one) for one in listing(body.get("videos")))]
        url = next((one["url"] for one in videos if isinstance(one.get("url"), str)), None)
        return Film(url) if url else None

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the call that cancels a request."""
        return "PUT", f"{self._request_url(job)}/cancel"

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Read what came of it: one that runs is only told to stop, and what that costs is not documented."""
        if answer.status == 202:
            return CancelOutcome(stopped=True, charged=None)
        done = answer.mapping().get("status") == "ALREADY_COMPLETED"
        return CancelOutcome(stopped=False, charged=True if done else None)

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Compare the ended requests since the send with what was asked."""
        fields = self._fields(order.model)
        asked = {
            "endpoint_id": endpoint_of(fields, order),
            "start": (sent_at - timedelta(minutes=2)).isoformat(),
            "expand": "payloads",
            "limit": "100",
        }
        found: list[Candidate] = []
        for _ in range(_PAGES):
            answer = await reader.get(f"{self._platform}/models/requests/by-endpoint?{urlencode(asked)}")
            page = answer.mapping()
            if not answer.ok or not isinstance(page.get("items"), list):
                raise WireTrouble(f"{self.name} answered the history with {answer.status}")
            rows = [mapping(row) for row in listing(page["items"])]
            found += [one for row in rows if (one := _candidate(fields, order, row)) is not None]
            cursor = page.get("next_cursor")
            if not page.get("has_more") or not isinstance(cursor, str):
                break
            asked["cursor"] = cursor
        return judge(found, sent_at, self.quiet_seconds, complete=False)

    async def is_for(self, reader: Reader, answer: Answer, job: ProviderJob, order: Order) -> bool:
        """Compare with the input in the history; a request that is not listed yet cannot be judged."""
        fields = self._fields(order.model)
        asked = {"endpoint_id": endpoint_of(fields, order), "request_id": job.id, "expand": "payloads"}
        page = await reader.get(f"{self._platform}/models/requests/by-endpoint?{urlencode(asked)}")
        if page.status in _HIDDEN:
            return True
        shown = [mapping(row) for row in listing(page.mapping().get("items"))]
        given = next(
            (mapping(row.get("json_input")) for row in shown if row.get("request_id") == job.id), None
        )
        if given is None:
            raise WireTrouble(f"{self.name} does not list request {job.id}: {page.status}")
        return not given or is_ours(fields, order, given)

    async def callback_keys(self, reader: Reader) -> Sequence[bytes]:
        """Read the public keys, which fal allows to be kept for a day."""
        answer = await reader.get(f"{self._rest}/.well-known/jwks.json")
        keys = read_keys(answer.mapping())
        if not answer.ok or not keys:
            raise WireTrouble(f"{self.name} did not show its public keys")
        return keys

    def read_callback(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime
    ) -> Notice:
        """Check a callback and say which request it is about."""
        return verify_webhook(headers, body, keys, now)

    def free_calls(self) -> FreeCalls:
        """Return the history of requests, and the price of each model's endpoint."""
        return FreeCalls(
            f"{self._platform}/models/requests/by-endpoint?endpoint_id={next(iter(MODELS))}&limit=1",
            ("items",),
            model=lambda model: f"{self._platform}/models/pricing?endpoint_id={self._fields(model).endpoint}",
        )


def read_keys(document: Mapping[str, Any]) -> list[bytes]:
    """Return the Ed25519 keys of a JSON Web Key Set."""
    rows = [mapping(row) for row in listing(document.get("keys"))]
    return [key for row in rows if len(key := from_base64url(str(row.get("x", "")))) == 32]


def verify_webhook(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> Notice:
    """Return what a callback proves, or raise SignatureRefused.

    It may come twice or late: ``delivery`` tells repetitions, and how the job stands is asked anyway.
    """
    request_id, user_id, timestamp, signature = (
        header(headers, f"X-Fal-Webhook-{name}")
        for name in ("Request-Id", "User-Id", "Timestamp", "Signature")
    )
    check_age(timestamp, now)
    signed = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()
    try:
        given = bytes.fromhex(signature)
    except ValueError as error:
        raise SignatureRefused("the signature is not hexadecimal") from error
    if not any(ed25519_holds(key, given, signed) for key in keys):
        raise SignatureRefused("the signature is wrong")
    if Answer(200, {}, body).mapping().get("request_id") != request_id:
        raise SignatureRefused("the callback is about another request than its signature")
    # fal tells one thing of each request: that it has ended.
    return Notice(request_id, request_id)


def _hosts(base: str) -> tuple[str, str, str]:
    """Return where the queue, the platform and the rest are; one who stands in for fal has all three."""
    if base == BASE_URL:
        return BASE_URL, PLATFORM_URL, REST_URL
    root = base.removesuffix("/queue")
    return f"{root}/queue", f"{root}/api/v1", f"{root}/rest"


def _candidate(fields: Fields, order: Order, row: Mapping[str, Any]) -> Candidate | None:
    moment, job_id = moment_of(row.get("sent_at")), row.get("request_id")
    if moment is None or not isinstance(job_id, str) or row.get("endpoint_id") != endpoint_of(fields, order):
        return None
    given = mapping(row.get("json_input"))
    if not given:
        return Candidate(job_id, moment, sure=False)
    return Candidate(job_id, moment) if is_ours(fields, order, given) else None


def _failed(word: str, reason: str | None, *, unbilled: bool = False) -> Progress:
    if "cancel" in word:
        return Progress(JobState.CANCELLED, reason=reason)
    kind = _KINDS.get(word)
    charged = False if unbilled or word in _UNBILLED else None
    said_code = kind.value if kind else None
    return Progress(JobState.FAILED, reason=reason or word or None, code=said_code, charged=charged)
