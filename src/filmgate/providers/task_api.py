"""Speak the shape that most vendors share: create a task, read it until it ends, fetch its film.

A vendor is a :class:`Wire`: pure functions from our words to its bytes and back. Everything that has to
do with money and time (one send, sorting what came back, guarded downloads) is here, once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from filmgate.domain.errors import OutcomeUnknown, RefusalKind, Refused, Throttled
from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import (
    CancelOutcome,
    CannotTell,
    JobState,
    Lookup,
    Order,
    Progress,
    ProviderJob,
    SendFence,
)
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import code_of, retry_after, said
from filmgate.infrastructure.http import (
    SEND_SECONDS,
    Answer,
    DownloadRefused,
    Film,
    Outgoing,
    Reader,
    WireTrouble,
    download,
    send_once,
)
from filmgate.infrastructure.images import data_url as data_url
from filmgate.infrastructure.images import image_type as image_type
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.infrastructure.tokens import seal_of
from filmgate.providers.asking import ODD, Asking
from filmgate.providers.recognition import recognises

MAX_FILM_BYTES = 2 * 1024**3
# Answers to a create after which nothing exists at the vendor (providers' documentation, one by one).
REFUSED_BEFORE_CREATION = frozenset({400, 401, 402, 403, 404, 405, 410, 413, 415, 422})
_KEYS_LIFE = timedelta(hours=24)
_KEYS_REST = timedelta(minutes=5)
_SEAL = 32


@dataclass(frozen=True, slots=True)
class Account:
    """One account at a vendor, or one server of the operator's: where it is, and what opens it.

    ``name`` is the provider's name where one wire serves several, ``dialect`` how such a server speaks, and
    ``fields`` how the inputs of models that the operator added are called.
    """

    base_url: str
    key: str | None
    callback_url: str | None = None
    name: str | None = None
    dialect: str | None = None
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])


@dataclass(frozen=True, slots=True)
class Notice:
    """What a signed callback proves: that something happened to a provider job, which is then asked for.

    ``delivery`` is the same whenever the same event is delivered again.
    """

    job_id: str
    delivery: str


class Wire(Protocol):
    """Translate between our words and one vendor's; no input or output."""

    name: str
    quiet_seconds: float
    polling: PollTerms

    def headers(self) -> Mapping[str, str]:
        """Return what opens every call."""
        ...

    def create(self, order: Order) -> bytes:
        """Return the body of a create; raise Refused where the order cannot be expressed."""
        ...

    def create_url(self, order: Order) -> str:
        """Return where a create goes."""
        ...

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the job's id in the answer to a create, None where there is none."""
        ...

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal by what can be done about it, in the vendor's words."""
        ...

    def job_url(self, job: ProviderJob) -> str:
        """Return where a job is read."""
        ...

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a job stands; None where the answer says nothing about it."""
        ...

    def film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return where a finished job's film lies; None where the answer does not say."""
        ...

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the method and address that stop a job, None where nothing does."""
        ...

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Return what came of asking a job to stop."""
        ...

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Look for the job of an order whose answer was lost."""
        ...


@runtime_checkable
class CreateHeaders(Protocol):
    """What a wire adds whose creates carry headers of their own, such as another content type."""

    def create_headers(self, order: Order) -> Mapping[str, str]:
        """Return headers for one create; they win over the usual ones."""
        ...


@runtime_checkable
class LongAnswers(Protocol):
    """What a wire adds whose vendor may put a film into an answer."""

    answer_bytes: int


@runtime_checkable
class RunsOn(Protocol):
    """What a wire adds whose jobs cannot be stopped, where that need not mean that they are charged."""

    def runs_on(self) -> CancelOutcome:
        """Return what a cancel comes to that cannot be made."""
        ...


@runtime_checkable
class Callbacks(Protocol):
    """What a wire adds whose vendor signs its callbacks."""

    async def callback_keys(self, reader: Reader) -> Sequence[bytes]:
        """Ask the vendor for the keys that its callbacks are signed with."""
        ...

    def read_callback(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime
    ) -> Notice:
        """Return what a callback proves; raise SignatureRefused where it proves nothing."""
        ...


class TaskApi:
    """A provider over one wire."""

    inline_images = True

    def __init__(self, wire: Wire, guard: AddressGuard) -> None:
        self._wire = wire
        self._guard = guard
        limit = wire.answer_bytes if isinstance(wire, LongAnswers) else None
        self._reader = Reader(wire.headers(), limit=limit)
        self.name = wire.name
        self.quiet_seconds = wire.quiet_seconds
        self.send_seconds = SEND_SECONDS
        self.asking = Asking(wire, self._reader)
        self._keys: tuple[datetime, Sequence[bytes]] | None = None

    @property
    def wire(self) -> Wire:
        """How the vendor is spoken to."""
        return self._wire

    @property
    def reader(self) -> Reader:
        """What reads from the vendor with our key."""
        return self._reader

    def prepare(self, order: Order) -> bytes:
        """Return the exact bytes of the create."""
        return self._wire.create(order)

    async def submit(self, order: Order, body: bytes, fence: SendFence) -> str:
        """Send once and sort what comes back."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._wire.headers()}
        if isinstance(self._wire, CreateHeaders):
            headers |= self._wire.create_headers(order)
        outgoing = Outgoing(self._wire.create_url(order), body, headers)
        return self._sorted(await send_once(outgoing, fence, seconds=self.send_seconds))

    def _sorted(self, answer: Answer) -> str:
        if answer.ok:
            job_id = self._wire.created(answer.mapping())
            if not job_id:
                raise OutcomeUnknown(f"{self.name} answered {answer.status} without a job id")
            return job_id
        if answer.status == 429:
            # Some vendors also say in this way that there is nothing left to spend.
            refused = self._wire.refusal(answer)
            if refused.kind is RefusalKind.QUOTA:
                raise refused
            raise Throttled(said(answer) or f"{self.name} asked to come back later", retry_after(answer))
        if answer.status in REFUSED_BEFORE_CREATION:
            raise self._wire.refusal(answer)
        raise OutcomeUnknown(f"{self.name} answered {answer.status}")

    @property
    def polling(self) -> PollTerms:
        """How the vendor wants to be asked; lists count while they help."""
        return replace(self._wire.polling, list_from=self.asking.list_from)

    async def poll(self, jobs: Sequence[ProviderJob]) -> Mapping[str, Progress]:
        """Ask how jobs stand; what could not be read is left out."""
        return await self.asking.ask(jobs)

    async def find_lost(self, order: Order, sent_at: datetime) -> Lookup:
        """Look for a job whose answer was lost; trouble on the way proves nothing."""
        try:
            return await self._wire.find_lost(self._reader, order, sent_at)
        except (WireTrouble, *ODD):
            return CannotTell()

    async def download(self, job: ProviderJob, target: Path) -> None:
        """Read the job once more for a fresh link, and fetch the film; NotNow where it cannot be read."""
        answer = await self.asking.now(job)
        film = self._film(answer, job)
        if film is None:
            raise DownloadRefused(unnamed(self.name, answer, job))
        await download(film, target, guard=self._guard, limit=MAX_FILM_BYTES)

    def _film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return where the film lies; an answer of an odd shape does not say so."""
        try:
            return self._wire.film(answer, job)
        except ODD:
            return None

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        """Ask the vendor to stop."""
        call = self._wire.cancel_call(job)
        if call is None:
            runs_on = CancelOutcome(stopped=False, charged=True)
            return self._wire.runs_on() if isinstance(self._wire, RunsOn) else runs_on
        return self._wire.cancelled(await self._reader.call(*call))

    async def forget(self, job: ProviderJob) -> None:
        """Leave the vendor's copy to expire by itself."""

    async def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Notice:
        """Return what a callback proves; raise SignatureRefused, or WireTrouble where no keys can be had."""
        if not isinstance(self._wire, Callbacks):
            raise SignatureRefused(f"{self.name} does not sign callbacks")
        asked_at, keys = await self._callback_keys(self._wire, now)
        try:
            return self._wire.read_callback(headers, body, keys, now)
        except SignatureRefused:
            # The vendor may have exchanged its keys; forgeries must not make us ask all the time.
            if now - asked_at < _KEYS_REST:
                raise
        self._keys = None
        _, keys = await self._callback_keys(self._wire, now)
        return self._wire.read_callback(headers, body, keys, now)

    async def _callback_keys(self, wire: Callbacks, now: datetime) -> tuple[datetime, Sequence[bytes]]:
        if self._keys is None or now - self._keys[0] > _KEYS_LIFE:
            self._keys = now, await wire.callback_keys(self._reader)
        return self._keys

    async def recognises(self, job: ProviderJob, order: Order) -> bool:
        """Tell whether a job is our account's and this order's; raise WireTrouble where nobody can say."""
        try:
            return await recognises(self._wire, self._reader, job, order)
        except ODD as error:
            raise WireTrouble(f"{self.name} answered oddly about job {job.id}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()


def unnamed(provider: str, answer: Answer, job: ProviderJob) -> str:
    """Say that an answer about a finished job does not say where its film lies."""
    how = "" if answer.ok else f": it answered {answer.status}"
    return f"{provider} does not say where the film of job {job.id} lies{how}"


def hook_url(account: Account, provider: str, order: Order) -> str | None:
    """Return where a vendor is to call back about an order; None where filmgate cannot be called.

    Vendors sign what anybody has them call, so only the seal says that the reference is from us.
    """
    if account.callback_url is None:
        return None
    seal = seal_of(order.reference, account.key)[:_SEAL]
    return f"{account.callback_url.rstrip('/')}/hooks/{provider}/{order.reference}?seal={seal}"


def is_sealed(account: Account, reference: str, seal: str) -> bool:
    """Tell whether a callback's address was made by us for this reference."""
    wanted = seal_of(reference, account.key)[:_SEAL]
    return account.key is not None and compare_digest(wanted.encode(), seal.encode())


REFUSALS_BY_STATUS: Mapping[int, RefusalKind] = {
    401: RefusalKind.KEY,
    402: RefusalKind.QUOTA,
    403: RefusalKind.KEY,
    404: RefusalKind.REQUEST,
    410: RefusalKind.REQUEST,
}


def refuse(answer: Answer, provider: str, by_code: Mapping[str, RefusalKind]) -> Refused:
    """Return the refusal that an answer means: by the vendor's code first, then by its status."""
    kind = by_code.get(code_of(answer)) or REFUSALS_BY_STATUS.get(answer.status, RefusalKind.REQUEST)
    return Refused(kind, said(answer) or f"{provider} refused with status {answer.status}")


def state_of(word: object, table: Mapping[str, JobState]) -> JobState:
    """Return what a vendor's status word means; a word we do not know means processing."""
    return table.get(str(word), JobState.PROCESSING)
