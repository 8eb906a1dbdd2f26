"""Make films with Runway: its own models, and those of others that it hosts.

A task can be neither listed nor looked up by anything of ours, and there are no callbacks: a create whose
answer was lost stays unknown. In return Runway says what every task has really cost, also one that failed or
was cancelled (``cost.credits`` in the task, SDK 5.24.0); where a task does not say, nobody knows.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from filmgate.domain.errors import RefusalKind, Refused, Throttled
from filmgate.domain.money import Money
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
from filmgate.infrastructure.answers import listing, mapping
from filmgate.infrastructure.http import WireTrouble
from filmgate.providers.probing import FreeCalls
from filmgate.providers.task_api import (
    Account,
    Answer,
    Film,
    Reader,
    TaskApi,
    data_url,
    refuse,
    retry_after,
    said,
    state_of,
)

BASE_URL = "https://api.dev.runwayml.com"
_API_VERSION = "2024-11-06"
# "Up to 5 MB", as text.
_MAX_IMAGE_TEXT = 5_000_000
_MAX_SEED = 2**32 - 1
_CREDIT = Decimal("0.01")
# 429 means that the day's generations of a model are used up; without a word, it is tried again now and then.
_PAUSE_OF_THE_DAY = timedelta(minutes=10)
_STATES: Mapping[str, JobState] = {
    "PENDING": JobState.PENDING,
    # Waits until others of the account have finished.
    "THROTTLED": JobState.PENDING,
    "RUNNING": JobState.PROCESSING,
    "SUCCEEDED": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}
_NOT_ENDED = frozenset({JobState.PENDING, JobState.PROCESSING})
# By the beginning of a task's failure code, the longest first.
_FAILURES: tuple[tuple[str, RefusalKind], ...] = (
    ("SAFETY.INPUT.IMAGE", RefusalKind.IMAGE),
    ("SAFETY.INPUT", RefusalKind.PROMPT),
    ("SAFETY.OUTPUT", RefusalKind.OUTPUT),
    ("SAFETY", RefusalKind.POLICY),
    ("INPUT_PREPROCESSING", RefusalKind.IMAGE),
    ("ASSET.INVALID", RefusalKind.IMAGE),
)
# Refusals have no codes, only sentences.
_SENTENCES: tuple[tuple[re.Pattern[str], RefusalKind], ...] = (
    (re.compile(r"enough credits", re.IGNORECASE), RefusalKind.QUOTA),
    (re.compile(r"moderation|safety", re.IGNORECASE), RefusalKind.PROMPT),
    (re.compile(r"promptImage|asset", re.IGNORECASE), RefusalKind.IMAGE),
)


@dataclass(frozen=True, slots=True)
class _Model:
    """What one model takes: sizes with and without an image, lengths, and the longest prompt (UTF-16).

    ``follows_image`` says that a film from an image has the image's shape, so that only its resolution can
    be asked for.
    """

    sizes: Collection[str]
    seconds: Collection[int]
    image_sizes: Collection[str] = ()
    prompt: int = 1000
    audio: bool = False
    seed: bool = False
    negative_prompt: bool = False
    follows_image: bool = False


_LANDSCAPE_AND_PORTRAIT = ("1280:720", "720:1280")
_GEN4 = (*_LANDSCAPE_AND_PORTRAIT, "1104:832", "960:960", "832:1104", "1584:672")
_VEO = (*_LANDSCAPE_AND_PORTRAIT, "1920:1080", "1080:1920")
_OMNI = (*_VEO, "640:360", "360:640", "3840:2160", "2160:3840")
_SEEDANCE_720 = ("1280:720", "720:1280", "1112:834", "834:1112", "960:960", "1470:630")
_SEEDANCE_480 = ("864:496", "496:864", "752:560", "560:752", "640:640", "992:432")
_SEEDANCE_1080 = ("1920:1080", "1080:1920", "1664:1248", "1248:1664", "1440:1440", "2206:946")
_SEEDANCE_5_480 = ("854:480", "480:854", "752:560", "560:752", "640:640", "992:432")
_SEEDANCE_4K = ("3840:2160", "2160:3840", "3840:2880", "2880:3840", "3840:3840", "3840:1646")
_WAN_480 = ("832:480", "480:832", "720:544", "544:720", "624:624")
_WAN_720 = ("1280:720", "720:1280", "1104:832", "832:1104", "960:960")
_WAN_1080 = ("1920:1080", "1080:1920", "1648:1248", "1248:1648", "1440:1440")


def _veo() -> _Model:
    return _Model(_VEO, (4, 6, 8), _VEO, audio=True, seed=True, negative_prompt=True)


def _seedance(sizes: Collection[str], longest: int = 15, prompt: int = 3500) -> _Model:
    return _Model(sizes, range(4, longest + 1), sizes, prompt, audio=True, seed=True)


# From the types of Runway's SDK 5.24.0.
_MODELS: Mapping[str, _Model] = {
    "gen4.5": _Model(_LANDSCAPE_AND_PORTRAIT, range(2, 11), _GEN4, seed=True),
    "gen4_turbo": _Model((), range(2, 11), _GEN4, seed=True),
    "veo3.1": _veo(),
    "veo3.1_fast": _veo(),
    "gemini_omni_flash_1.1": _Model(_OMNI, range(3, 11), _OMNI),
    "seedance2": _seedance((*_SEEDANCE_480, *_SEEDANCE_720, *_SEEDANCE_1080, *_SEEDANCE_4K)),
    "seedance2_fast": _seedance((*_SEEDANCE_480, *_SEEDANCE_720)),
    "seedance2_mini": _seedance((*_SEEDANCE_480, *_SEEDANCE_720)),
    "seedance2_5": _seedance((*_SEEDANCE_5_480, *_SEEDANCE_720, *_SEEDANCE_1080), longest=30, prompt=15_000),
    "wan3": _Model((*_WAN_480, *_WAN_720, *_WAN_1080), range(2, 16), audio=True, follows_image=True),
}


def connect(account: Account, guard: AddressGuard) -> "Runway":
    """Return the provider for one account."""
    return Runway(RunwayWire(account), guard)


class RunwayWire:
    """The wire of Runway's tasks."""

    quiet_seconds = 600.0
    # A task is not to be read more often than every five seconds.
    polling = PollTerms(apart=timedelta(seconds=5))

    def __init__(self, account: Account) -> None:
        self._account = account
        self.name = account.name or "runway"
        self._base = f"{(account.base_url or BASE_URL).rstrip('/').removesuffix('/v1')}/v1"

    def headers(self) -> Mapping[str, str]:
        """Return the key, and the version that every call has to name."""
        return {"Authorization": f"Bearer {self._account.key}", "X-Runway-Version": _API_VERSION}

    def create(self, order: Order) -> bytes:
        """Return a task; raise Refused for what Runway would not take, or would take for something else."""
        asked, model = order.request, _model(order)
        _check_prompt(asked.prompt, model)
        body: dict[str, Any] = {
            "model": order.model,
            "promptText": asked.prompt,
            "ratio": _ratio(order, model),
            "duration": _seconds(order, model),
        }
        if order.image is not None:
            body["promptImage"] = [{"uri": _image(order.image), "position": "first"}]
        if model.audio:
            body["audio"] = asked.audio
        if model.negative_prompt and asked.negative_prompt:
            body["negativePrompt"] = asked.negative_prompt
        if model.seed:
            body["seed"] = _seed(asked.seed)
        return msgspec.json.encode(body)

    def create_url(self, order: Order) -> str:
        """Return where the task is made: films from an image have a place of their own."""
        return f"{self._base}/{'text' if order.image is None else 'image'}_to_video"

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the task's id."""
        job_id = answer.get("id")
        return job_id if isinstance(job_id, str) else None

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal by its sentence: Runway has no codes for them."""
        problems = [mapping(problem).get("message") for problem in listing(answer.mapping().get("issues"))]
        sentence = " ".join(str(part) for part in (said(answer), *problems) if part)[:500]
        kind = next((kind for pattern, kind in _SENTENCES if pattern.search(sentence)), None)
        if answer.status != 400 or kind is None:
            kind = refuse(answer, "Runway", {}).kind
        return Refused(kind, sentence or f"Runway refused with status {answer.status}.")

    def job_url(self, job: ProviderJob) -> str:
        """Return where a task is read, stopped and deleted."""
        return f"{self._base}/tasks/{quote(job.id, safe='')}"

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a task stands, and what it has cost once it has ended."""
        if not answer.ok:
            return None
        body = answer.mapping()
        state = state_of(body.get("status"), _STATES)
        if state in _NOT_ENDED:
            return Progress(state, percent=_percent(body.get("progress")))
        cost = _cost(body)
        if state is JobState.FAILED:
            return _failed(body, cost)
        if state is JobState.SUCCEEDED and self.film(answer, job) is None:
            reason = "Runway calls the task succeeded and names no film."
            return Progress(JobState.FAILED, reason=reason, cost=cost)
        return Progress(state, cost=cost)

    def film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return where the film lies: a fresh address at every read."""
        for address in listing(answer.mapping().get("output")):
            if isinstance(address, str) and address:
                return Film(address)
        return None

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the call that stops a task, or deletes one that has ended."""
        return "DELETE", self.job_url(job)

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Take the call as done where the task is gone; what is charged shows only in the task."""
        return CancelOutcome(stopped=answer.ok or answer.status == 404, charged=None)

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Say that tasks cannot be looked for."""
        return CannotTell()

    def free_calls(self) -> FreeCalls:
        """Return the organization: its credits and its models."""
        return FreeCalls(f"{self._base}/organization", ("creditBalance",), _account, offered=_offered)


class Runway(TaskApi):
    """Runway as a provider."""

    def _sorted(self, answer: Answer) -> str:
        """Wait longer than usual at a 429: it is about the whole day."""
        if answer.status == 429:
            pause = retry_after(answer) or _PAUSE_OF_THE_DAY
            raise Throttled(said(answer) or "Runway's limit of the day is reached.", pause)
        return super()._sorted(answer)

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        """Stop a task that has not ended, and read what it costs: a running one is not refunded.

        The same call would delete a task that has ended, film and all.
        """
        before = await self._ended(job)
        if before is not None:
            return before
        outcome = await super().cancel(job)
        return await self._ended(job) or outcome

    async def _ended(self, job: ProviderJob) -> CancelOutcome | None:
        """Return what became of a task that has ended; None where it has not, or nobody says."""
        try:
            progress = self._wire.progress(await self._reader.get(self._wire.job_url(job)), job)
        except WireTrouble:
            return None
        if progress is None or progress.state in _NOT_ENDED:
            return None
        charged = None if progress.cost is None else progress.cost.micros > 0
        return CancelOutcome(stopped=progress.state is JobState.CANCELLED, charged=charged)


def _model(order: Order) -> _Model:
    model = _MODELS.get(order.model)
    if model is None:
        raise Refused(RefusalKind.REQUEST, f"filmgate does not know Runway's model {order.model}.")
    if order.request.input_reference is not None and order.image is None:
        raise Refused(RefusalKind.IMAGE, "The image did not come with the order.")
    if order.image is None and not model.sizes:
        raise Refused(RefusalKind.REQUEST, f"{order.model} makes films from an image only.")
    return model


def _check_prompt(prompt: str, model: _Model) -> None:
    if len(prompt.encode("utf-16-le")) // 2 > model.prompt:
        raise Refused(RefusalKind.REQUEST, f"The prompt is longer than {model.prompt:,} UTF-16 units.")


def _ratio(order: Order, model: _Model) -> str:
    asked = order.request
    ratio = f"{asked.width}:{asked.height}"
    follows = order.image is not None and model.follows_image
    if ratio not in (model.sizes if order.image is None or follows else model.image_sizes):
        raise Refused(RefusalKind.REQUEST, f"{order.model} makes no films of {asked.size} from this.")
    return f"auto_{_lines(ratio)}" if follows else ratio


def _lines(ratio: str) -> str:
    return "480p" if ratio in _WAN_480 else "720p" if ratio in _WAN_720 else "1080p"


def _seconds(order: Order, model: _Model) -> int:
    seconds = round(order.request.seconds)
    if seconds != order.request.seconds or seconds not in model.seconds:
        raise Refused(RefusalKind.REQUEST, f"{order.model} makes no films of {order.request.seconds:g} s.")
    return seconds


def _seed(seed: int) -> int:
    if seed > _MAX_SEED:
        raise Refused(RefusalKind.REQUEST, f"Runway takes seeds up to {_MAX_SEED}.")
    return seed


def _image(image: bytes) -> str:
    address = data_url(image)
    if len(address) > _MAX_IMAGE_TEXT:
        raise Refused(RefusalKind.IMAGE, "The image is too large for Runway: 5 MB at most, as base64.")
    return address


def _account(body: Mapping[str, Any]) -> str:
    left = body.get("creditBalance")
    return f"${left * _CREDIT:,.2f} left" if isinstance(left, int) else "its credits are not shown"


def _offered(body: Mapping[str, Any]) -> list[str]:
    return list(mapping(mapping(body.get("tier")).get("models")))


def _percent(progress: object) -> int | None:
    if not isinstance(progress, int | float):
        return None
    return round(100 * min(max(progress, 0), 1))


def _cost(body: Mapping[str, Any]) -> Money | None:
    spent = mapping(body.get("cost")).get("credits")
    if not isinstance(spent, int | float):
        return None
    return Money.parse(Decimal(str(spent)) * _CREDIT)


def _failed(body: Mapping[str, Any], cost: Money | None) -> Progress:
    word = str(body.get("failureCode") or "")
    kind = next((kind for beginning, kind in _FAILURES if word.startswith(beginning)), None)
    reason = body.get("failure") or (f"Runway failed with {word}." if word else None)
    return Progress(JobState.FAILED, reason=reason, code=kind.value if kind else None, cost=cost)
