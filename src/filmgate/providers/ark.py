"""Make films with Seedance on BytePlus ModelArk.

A task carries a tag of ours, and the listing of tasks shows it: a create whose answer was lost is found
there, or proven absent.

What a task that came to nothing costs: nothing where it was cancelled, which is possible only while it waits
(ModelArk's page on deleting tasks); of a task that failed or expired ModelArk does not say.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any
from urllib.parse import quote

import msgspec

from filmgate.domain.errors import RefusalKind, Refused
from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import (
    CancelOutcome,
    CannotTell,
    Found,
    JobState,
    Lookup,
    NotThere,
    Order,
    Progress,
    ProviderJob,
)
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import listing, mapping
from filmgate.infrastructure.http import WireTrouble
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.infrastructure.tokens import seal_of
from filmgate.providers.asking import LIST_FROM
from filmgate.providers.probing import FreeCalls
from filmgate.providers.task_api import (
    Account,
    Answer,
    Film,
    Notice,
    Reader,
    TaskApi,
    code_of,
    data_url,
    hook_url,
    refuse,
    said,
    state_of,
)

BASE_URL = "https://ark.ap-southeast.bytepluses.com"
_TASKS = "/api/v3/contents/generations/tasks"
_MAX_SEED = 2**32 - 1
_STATES: Mapping[str, JobState] = {
    "queued": JobState.PENDING,
    "running": JobState.PROCESSING,
    "succeeded": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "expired": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
}
_CHARGED = frozenset({JobState.PROCESSING, JobState.SUCCEEDED})
# By the first word of a code such as RateLimitExceeded.EndpointRPMExceeded.
_CODES: Mapping[str, RefusalKind] = {
    "InputTextSensitiveContentDetected": RefusalKind.PROMPT,
    "InputImageSensitiveContentDetected": RefusalKind.IMAGE,
    "OutputVideoSensitiveContentDetected": RefusalKind.OUTPUT,
    "AuthenticationError": RefusalKind.KEY,
    "AccessDenied": RefusalKind.KEY,
    "AccountOverdueError": RefusalKind.QUOTA,
    "QuotaExceeded": RefusalKind.QUOTA,
}
_SENSITIVE = "may contain sensitive information"
_480 = {(864, 496): "16:9", (854, 480): "16:9", (496, 864): "9:16", (480, 854): "9:16"}
_480_OTHERS = {(752, 560): "4:3", (560, 752): "3:4", (640, 640): "1:1", (992, 432): "21:9"}
_720 = {(1280, 720): "16:9", (720, 1280): "9:16", (1112, 834): "4:3", (834, 1112): "3:4"}
_720_OTHERS = {(960, 960): "1:1", (1470, 630): "21:9"}
_1080 = {(1920, 1080): "16:9", (1080, 1920): "9:16", (1664, 1248): "4:3", (1248, 1664): "3:4"}
_1080_OTHERS = {(1440, 1440): "1:1", (2206, 946): "21:9"}
_SHAPES: Mapping[str, Mapping[tuple[int, int], str]] = {
    "480p": _480 | _480_OTHERS,
    "720p": _720 | _720_OTHERS,
    "1080p": _1080 | _1080_OTHERS,
    "4k": {(3840, 2160): "16:9", (2160, 3840): "9:16"},
}
# What a model does not know is refused by Ark, not ignored: lengths and resolutions, by model.
_MODELS: Mapping[str, tuple[Collection[int], Collection[str]]] = {
    "dreamina-seedance-2-5-260628": (range(4, 31), ("480p", "720p", "1080p")),
    "dreamina-seedance-2-0-260128": (range(4, 16), ("480p", "720p", "1080p", "4k")),
    "dreamina-seedance-2-0-fast-260128": (range(4, 16), ("480p", "720p")),
    "dreamina-seedance-2-0-mini-260615": (range(4, 16), ("480p", "720p")),
}
# Of a tag's 64 characters, 32 prove that it is ours.
_SEAL, _REFERENCE = 32, 31
_PAGE, _MAX_PAGES = 100, 50
# So many ids fit into an address.
_NAMED = 50
# How far Ark's clock and ours may differ.
_CLOCKS = timedelta(minutes=10)
# Records are kept for seven days; before that nothing is proven by their absence.
_RECORDS = timedelta(days=6)


def connect(account: Account, guard: AddressGuard) -> "Ark":
    """Return the provider for one account."""
    return Ark(ArkWire(account), guard)


class ArkWire:
    """The wire of ModelArk's video tasks."""

    # How long a new task may take to be listed is not documented.
    quiet_seconds = 600.0

    def __init__(self, account: Account) -> None:
        self._account = account
        self.name = account.name or "ark"
        self.polling = PollTerms(list_from=LIST_FROM, called_back=account.callback_url is not None)
        host = (account.base_url or BASE_URL).rstrip("/").removesuffix("/api/v3")
        self._tasks = f"{host}{_TASKS}"

    def headers(self) -> Mapping[str, str]:
        """Return the key."""
        return {"Authorization": f"Bearer {self._account.key}"}

    def create(self, order: Order) -> bytes:
        """Return a task with our tag; raise Refused for what the model would refuse."""
        asked = order.request
        resolution, ratio, seconds = _shape(order)
        content: list[dict[str, Any]] = [{"type": "text", "text": asked.prompt}]
        if order.image is not None:
            address = {"url": data_url(order.image)}
            content.append({"type": "image_url", "image_url": address, "role": "first_frame"})
        body: dict[str, Any] = {
            "model": order.model,
            "content": content,
            "resolution": resolution,
            "ratio": ratio,
            "duration": seconds,
            "seed": asked.seed,
            "generate_audio": asked.audio,
            "watermark": False,
            "safety_identifier": tag_of(order.reference, self._account.key),
        }
        hook = hook_url(self._account, self.name, order)
        if hook is not None:
            body["callback_url"] = hook
        return msgspec.json.encode(body)

    def create_url(self, order: Order) -> str:
        """Return where tasks are made."""
        return self._tasks

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the task's id."""
        job_id = answer.get("id")
        return job_id if isinstance(job_id, str) else None

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal by the first word of its code, or by its sentence."""
        message = said(answer) or f"Ark refused with status {answer.status}."
        kind = _kind(code_of(answer), message)
        return Refused(kind or refuse(answer, "Ark", {}).kind, message)

    def job_url(self, job: ProviderJob) -> str:
        """Return where a task is read and stopped."""
        return f"{self._tasks}/{quote(job.id, safe='')}"

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a task stands; it gives no percentage, and tokens instead of a price."""
        if not answer.ok:
            return None
        body = answer.mapping()
        state = state_of(body.get("status"), _STATES)
        if state is JobState.FAILED:
            return _failed(body)
        if state is JobState.SUCCEEDED and self.film(answer, job) is None:
            reason = "Ark calls the task succeeded and names no film."
            return Progress(JobState.FAILED, reason=reason, charged=True)
        return Progress(state)

    def film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return where the film lies; the address holds its own signature for a day."""
        address = mapping(answer.mapping().get("content")).get("video_url")
        return Film(address) if isinstance(address, str) and address else None

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the call that stops a task that still waits; it deletes the record of one that has ended."""
        return "DELETE", self.job_url(job)

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Take a stopped task for free: it had not begun."""
        return CancelOutcome(stopped=answer.ok, charged=False if answer.ok else None)

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Look through the listing for our tag; absent only if the listing is sure to show tags.

        It is not narrowed by model: what is shown as a task's model need not be what was asked for.
        """
        seen, before = _Seen(since=sent_at - _CLOCKS), 0
        for number in range(1, _MAX_PAGES + 1):
            total, tasks = await self._page(reader, number)
            for task in tasks:
                if _is_of(task.get("safety_identifier"), order.reference):
                    return Found(str(task["id"]))
                seen.add(task)
            if total >= before and (seen.count >= total or seen.past):
                return seen.verdict(datetime.now(UTC), sent_at)
            if total < before or not tasks:
                # Something was deleted on the way, so a task may have slipped to a page already read.
                break
            before = total
        return CannotTell()

    async def _page(self, reader: Reader, number: int) -> tuple[int, Sequence[Mapping[str, Any]]]:
        answer = await reader.get(f"{self._tasks}?page_num={number}&page_size={_PAGE}")
        body = answer.mapping()
        if not answer.ok or not isinstance(body.get("items"), list):
            raise WireTrouble(f"Ark does not list its tasks: {answer.status}")
        return int(body["total"]), [mapping(task) for task in listing(body["items"])]

    def list_urls(self, jobs: Sequence[ProviderJob]) -> Sequence[str]:
        """Return lists of just these tasks, each of as many as an address can name."""
        named = [f"&filter.task_ids={quote(job.id, safe='')}" for job in jobs]
        pages = ["".join(named[start : start + _NAMED]) for start in range(0, len(named), _NAMED)]
        return [f"{self._tasks}?page_num=1&page_size={_PAGE}{page}" for page in pages]

    def rows(self, answer: Mapping[str, Any]) -> Sequence[Any]:
        """Return the tasks in a list."""
        return answer["items"]

    async def is_for(self, reader: Reader, answer: Answer, job: ProviderJob, order: Order) -> bool:
        """Compare with the tag, where the task shows one."""
        tag = answer.mapping().get("safety_identifier")
        return tag is None or _is_of(tag, order.reference)

    async def callback_keys(self, reader: Reader) -> Sequence[bytes]:
        """Return no keys: Ark publishes none."""
        return ()

    def read_callback(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime
    ) -> Notice:
        """Return what a callback proves."""
        return verify_webhook(headers, body, keys, now, self._account)

    def free_calls(self) -> FreeCalls:
        """Return the listing of tasks; no call that shows models is known."""
        return FreeCalls(f"{self._tasks}?page_num=1&page_size=1", ("items",))


class Ark(TaskApi):
    """ModelArk as a provider."""

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        """Stop a task that still waits; one that runs cannot be, and one that has ended stays readable."""
        state = await self._state(job)
        if state is JobState.PENDING:
            await super().cancel(job)
            state = await self._state(job)
        if state is JobState.CANCELLED:
            return CancelOutcome(stopped=True, charged=False)
        return CancelOutcome(stopped=False, charged=state in _CHARGED or None)

    async def _state(self, job: ProviderJob) -> JobState | None:
        progress = self._wire.progress(await self._reader.get(self._wire.job_url(job)), job)
        return progress and progress.state


@dataclass(slots=True)
class _Seen:
    """What a walk through the listing has shown so far.

    ``past`` says that everything since ``since`` has been seen, which holds only while the tasks came newest
    first; ``tagged`` that the listing shows tags; ``untagged`` that a task of the time in question has none.
    """

    since: datetime
    count: int = 0
    past: bool = False
    tagged: bool = False
    untagged: bool = False
    ordered: bool = True
    last: float = inf

    def add(self, task: Mapping[str, Any]) -> None:
        """Take note of one task that is not ours."""
        made = float(task.get("created_at") or "inf")
        self.count += 1
        self.ordered = self.ordered and made <= self.last
        self.last = made
        self.tagged = self.tagged or bool(task.get("safety_identifier"))
        recent = made >= self.since.timestamp()
        self.untagged = self.untagged or (recent and not task.get("safety_identifier"))
        self.past = self.ordered and not recent

    def verdict(self, now: datetime, sent_at: datetime) -> Lookup:
        """Say whether not having seen our tag proves anything."""
        if now - sent_at > _RECORDS or (self.untagged and not self.tagged):
            return CannotTell()
        return NotThere()


def tag_of(reference: str, key: str | None) -> str:
    """Return what a task carries of ours: the reference, and what proves to us that we wrote it.

    Ark's field is meant for an end user's id, 64 characters at most.
    """
    short = _short(reference)
    return f"{short}.{seal_of(short, key)[:_SEAL]}"


def _short(reference: str) -> str:
    if len(reference) <= _REFERENCE:
        return reference
    return hashlib.sha256(reference.encode()).hexdigest()[:_REFERENCE]


def _is_of(tag: object, reference: str) -> bool:
    # The seal is left aside: the account's key may have been exchanged since.
    return isinstance(tag, str) and tag.rpartition(".")[0] == _short(reference)


def verify_webhook(
    headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime, account: Account
) -> Notice:
    """Return what a callback proves, or raise SignatureRefused.

    Ark is not known to sign its callbacks; what they show is the whole task, with the tag that only we and
    Ark know.
    """
    task = Answer(200, {}, body).mapping()
    short, _, seal = str(task.get("safety_identifier") or "").rpartition(".")
    wanted = seal_of(short, account.key)[:_SEAL]
    if not account.key or not hmac.compare_digest(wanted.encode(), seal.encode()):
        raise SignatureRefused("the callback does not carry a tag of ours")
    job_id = task.get("id")
    if isinstance(job_id, str) and job_id:
        return Notice(job_id, f"{job_id}:{task.get('status')}")
    raise SignatureRefused("the callback names no task")


def _shape(order: Order) -> tuple[str, str, int]:
    """Return the resolution, the ratio and the length of an order."""
    asked = order.request
    lengths, resolutions = _MODELS.get(order.model, ((), ()))
    if asked.input_reference is not None and order.image is None:
        raise Refused(RefusalKind.IMAGE, "The image did not come with the order.")
    if asked.seed > _MAX_SEED:
        raise Refused(RefusalKind.REQUEST, f"Ark takes seeds up to {_MAX_SEED}.")
    if asked.seconds not in lengths:
        raise Refused(RefusalKind.REQUEST, f"{order.model} makes no films of {asked.seconds:g} s.")
    for resolution in resolutions:
        ratio = _SHAPES[resolution].get((asked.width, asked.height))
        if ratio is not None:
            return resolution, ratio, round(asked.seconds)
    raise Refused(RefusalKind.REQUEST, f"{order.model} makes no films of {asked.size}.")


def _failed(body: Mapping[str, Any]) -> Progress:
    error = mapping(body.get("error"))
    late = "The task waited too long and expired at Ark." if body.get("status") == "expired" else None
    reason = str(error.get("message") or "")[:500]
    kind = _kind(str(error.get("code") or ""), reason)
    return Progress(JobState.FAILED, reason=reason or late, code=kind.value if kind else None)


def _kind(code: str, sentence: str) -> RefusalKind | None:
    kind = _CODES.get(code.partition(".")[0])
    if kind is not None or _SENSITIVE not in sentence:
        return kind
    if "output" in sentence:
        return RefusalKind.OUTPUT
    return RefusalKind.IMAGE if "image" in sentence else RefusalKind.PROMPT
