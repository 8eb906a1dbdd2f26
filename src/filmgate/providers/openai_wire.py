"""Make films on servers that speak OpenAI's videos API: one's own GPUs, proxies, resellers.

OpenAI's own service was switched off on 2026-09-24; its wire lives on. What differs from server to server is
a row of :data:`DIALECTS`. Servers keep no word of ours, so a create whose answer was lost is looked for by
its prompt, length, size and time (evidence class B0 on servers that list everything, else presence only).

What a video that came to nothing costs: nothing on one's own GPUs (vLLM-Omni, SGLang); elsewhere it depends
on who is behind the server, and nothing on the wire says so.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from filmgate.domain.errors import RefusalKind, Refused
from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import CancelOutcome, JobState, Lookup, Order, Progress, ProviderJob
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import listing, mapping
from filmgate.infrastructure.http import WireTrouble
from filmgate.providers.asking import LIST_FROM
from filmgate.providers.probing import FreeCalls
from filmgate.providers.queue_api import Candidate, has_image, judge, moment_of, reaches_back
from filmgate.providers.task_api import (
    Account,
    Answer,
    Film,
    Reader,
    TaskApi,
    image_type,
    refuse,
    state_of,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of server deviates from the API as OpenAI had it.

    ``number_seconds`` sends lengths as numbers; ``deletes`` says that DELETE stops a running job; ``extras``
    maps what we may add to the server's name for it; ``lists_all`` says that its listing shows every job
    there is, so that one that is not listed was never made; ``own`` that it runs on the operator's own GPUs,
    where nobody charges for anything; ``lists`` that it shows jobs by the ids that we
    know; ``labels`` that a model's name is a mere label there.
    """

    multipart: bool = False
    number_seconds: bool = False
    deletes: bool = False
    lists_all: bool = False
    own: bool = False
    lists: bool = True
    labels: bool = False
    extras: tuple[str, ...] = ()


DIALECTS: Mapping[str, Dialect] = {
    # Resellers and everything else that copies the API as it was.
    "openai": Dialect(),
    # vLLM-Omni 0.30: forms only, DELETE aborts, jobs are kept in memory.
    "vllm": Dialect(
        multipart=True,
        deletes=True,
        lists_all=True,
        own=True,
        extras=("seed", "negative_prompt", "generate_sound"),
    ),
    # SGLang-Diffusion 0.5.23: whole numbers, DELETE only labels, jobs are kept in memory.
    "sglang": Dialect(
        number_seconds=True, lists_all=True, own=True, labels=True, extras=("seed", "negative_prompt")
    ),
    # LiteLLM 1.109: no DELETE at all, and its listing shows what its upstream shows.
    "litellm": Dialect(lists=False),
}
_PAGES = 20
_STATES: Mapping[str, JobState] = {
    "queued": JobState.PENDING,
    "pending": JobState.PENDING,
    "not_start": JobState.PENDING,
    "in_progress": JobState.PROCESSING,
    "processing": JobState.PROCESSING,
    "completed": JobState.SUCCEEDED,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "deleted": JobState.CANCELLED,
}
_KINDS: Mapping[str, RefusalKind] = {
    "moderation_blocked": RefusalKind.POLICY,
    "content_policy_violation": RefusalKind.POLICY,
    "invalid_api_key": RefusalKind.KEY,
    "authentication_error": RefusalKind.KEY,
    "permission_error": RefusalKind.KEY,
    "insufficient_quota": RefusalKind.QUOTA,
    # LiteLLM's, which keeps the word in the type.
    "auth_error": RefusalKind.KEY,
    "budget_exceeded": RefusalKind.QUOTA,
    "key_model_access_denied": RefusalKind.KEY,
    "billing_hard_limit_reached": RefusalKind.QUOTA,
}


def connect(account: Account, guard: AddressGuard) -> TaskApi:
    """Return one server as a provider, named and spoken to as its account says."""
    return TaskApi(OpenAIWire(account), guard)


class OpenAIWire:
    """Translate to and from the videos API."""

    quiet_seconds = 600.0

    def __init__(self, account: Account) -> None:
        self.name = account.name or account.dialect or "openai"
        self.dialect = DIALECTS[account.dialect or "openai"]
        self.polling = PollTerms(list_from=LIST_FROM if self.dialect.lists else None)
        self.evidence = "B0" if self.dialect.lists_all else "presence"
        self._account = account
        base = account.base_url.rstrip("/")
        # As the openai package has it, the address ends with the version; a bare host gets it.
        self._base = base if urlsplit(base).path else f"{base}/v1"

    def headers(self) -> Mapping[str, str]:
        """Return the key; servers of one's own often have none."""
        return {} if self._account.key is None else {"Authorization": f"Bearer {self._account.key}"}

    def _as_form(self, order: Order) -> bool:
        # Every server that takes an image takes it as a file; in JSON each has a way of its own.
        return self.dialect.multipart or has_image(order)

    def create_headers(self, order: Order) -> Mapping[str, str]:
        """Return the content type, whose boundary follows from the order."""
        return (
            {"Content-Type": f"multipart/form-data; boundary={_boundary(order)}"}
            if self._as_form(order)
            else {}
        )

    def create(self, order: Order) -> bytes:
        """Return the video that is asked for."""
        asked = order.request
        seconds = round(asked.seconds)
        if abs(seconds - asked.seconds) > 1e-9:
            raise Refused(RefusalKind.REQUEST, f"Only whole seconds can be asked for, not {asked.seconds:g}.")
        fields: dict[str, Any] = {
            "model": order.model,
            "prompt": asked.prompt,
            "seconds": seconds if self.dialect.number_seconds else str(seconds),
            "size": asked.size,
        }
        extras = {"seed": asked.seed, "negative_prompt": asked.negative_prompt, "generate_sound": asked.audio}
        fields |= {name: extras[name] for name in self.dialect.extras if extras[name] is not None}
        if not self._as_form(order):
            return msgspec.json.encode(fields)
        if has_image(order) and order.image is None:
            raise Refused(RefusalKind.IMAGE, "The image did not come with the order.")
        return _form(fields, order)

    def create_url(self, order: Order) -> str:
        """Return where videos are made."""
        return f"{self._base}/videos"

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the video's id."""
        job_id = answer.get("id")
        return job_id if isinstance(job_id, str) and job_id else None

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal by its code; a route or model that is gone will not come back."""
        error = mapping(answer.mapping().get("error"))
        words = [str(error.get("code")), str(error.get("type"))]
        kind = next((_KINDS[word] for word in words if word in _KINDS), None)
        usual = refuse(answer, self.name, {})
        return usual if kind is None else Refused(kind, str(usual))

    def job_url(self, job: ProviderJob) -> str:
        """Return where a video is read; ids may hold any character."""
        return f"{self._base}/videos/{quote(job.id, safe='')}"

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a video stands; some servers show failed ones with an error's status."""
        body = answer.mapping()
        if not isinstance(body.get("status"), str) or not (answer.ok or "id" in body):
            return None
        state, charged = state_of(body["status"], _STATES), False if self.dialect.own else None
        if state is not JobState.FAILED:
            return Progress(state, percent=_percent(body.get("progress")), charged=charged)
        error = mapping(body.get("error"))
        reason = error.get("message") or (body["error"] if isinstance(body.get("error"), str) else None)
        kind = _KINDS.get(str(error.get("code")))
        code = kind.value if kind else None
        return Progress(state, reason=str(reason)[:500] if reason else None, code=code, charged=charged)

    def list_urls(self, jobs: Sequence[ProviderJob]) -> Sequence[str]:
        """Return the newest page."""
        return [f"{self._base}/videos?limit=100&order=desc"]

    def rows(self, answer: Mapping[str, Any]) -> Sequence[Any]:
        """Return the videos in a list."""
        return answer["data"]

    def film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return where the film lies: elsewhere if the video says so, else at the server itself."""
        body = answer.mapping()
        if state_of(body.get("status"), _STATES) is not JobState.SUCCEEDED:
            return None
        for name in ("url", "video_url"):
            url = body.get(name)
            if isinstance(url, str) and url.startswith(("https://", "http://")):
                return Film(url)
        # No variant: one server takes a number there, and the film is what comes without.
        address = f"{self.job_url(job)}/content"
        return Film(address, self.headers(), urlsplit(self._base).netloc, own=True)

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the call that stops a video, where there is one."""
        return ("DELETE", self.job_url(job)) if self.dialect.deletes else None

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Believe a deletion, and the refusal of a second one; who charges does not say what it costs."""
        stopped = answer.ok or answer.status in {404, 409}
        return CancelOutcome(stopped=stopped, charged=False if self.dialect.own else None)

    def runs_on(self) -> CancelOutcome:
        """Return what a cancel comes to where nothing stops a video: it is made, and charged if any is."""
        return CancelOutcome(stopped=False, charged=not self.dialect.own)

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Compare the videos since the send with what was asked."""
        found: list[Candidate] = []
        after, complete = "", False
        for _ in range(_PAGES):
            page = await self._page(reader, after)
            rows = [mapping(row) for row in listing(page["data"])]
            moments = [moment_of(row.get("created_at")) for row in rows]
            found += [
                Candidate(str(row["id"]), moment)
                for row, moment in zip(rows, moments, strict=True)
                if moment is not None and _is_ours(order, row)
            ]
            if None in moments or not all(row.get("prompt") for row in rows):
                # What does not say when it was made, or of what, may be ours: absence is not proven.
                break
            complete = not page.get("has_more") or not rows or reaches_back(moments, sent_at)
            if complete:
                break
            after = f"&after={quote(str(rows[-1].get('id')), safe='')}"
        return judge(found, sent_at, self.quiet_seconds, complete=complete and self.dialect.lists_all)

    def free_calls(self) -> FreeCalls:
        """Return the listing of videos, and that of models; a proxy lists its models for itself."""
        models = f"{self._base}/models"
        jobs = f"{self._base}/videos?limit=1"
        key = jobs if self.dialect.lists else models
        return FreeCalls(key, ("data",), models=models, offered=_offered, labels=self.dialect.labels)

    async def _page(self, reader: Reader, after: str) -> dict[str, Any]:
        answer = await reader.get(f"{self._base}/videos?limit=100&order=desc{after}")
        page = answer.mapping()
        if not answer.ok or not isinstance(page.get("data"), list):
            raise WireTrouble(f"{self.name} answered the listing with {answer.status}")
        return page


def _is_ours(order: Order, row: Mapping[str, Any]) -> bool:
    """Tell whether a listed video shows what we asked for; servers may leave out all but the prompt."""
    asked = order.request
    if "id" not in row or row.get("prompt") != asked.prompt or row.get("size") not in {None, "", asked.size}:
        return False
    return row.get("seconds") in {None, ""} or _number(row["seconds"]) == asked.seconds


def _offered(body: Mapping[str, Any]) -> list[str]:
    return [str(mapping(row).get("id")) for row in listing(body.get("data"))]


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _percent(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(max(int(value), 0), 100)


def _boundary(order: Order) -> str:
    return "filmgate-" + hashlib.sha256(order.reference.encode()).hexdigest()[:40]


def _form(fields: Mapping[str, Any], order: Order) -> bytes:
    """Return fields, and the image as a file, as a form."""
    boundary = _boundary(order).encode()
    parts: list[bytes] = []
    for name, value in fields.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode())
    if order.image is not None:
        kind = image_type(order.image)
        suffix = kind.rpartition("/")[2]
        head = f'Content-Disposition: form-data; name="input_reference"; filename="reference.{suffix}"'
        parts.append(f"{head}\r\nContent-Type: {kind}\r\n\r\n".encode() + order.image)
    return (
        b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    )
