"""Find out by free calls whether a vendor would work: its key, its models, its callbacks. Nothing is made."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from filmgate.domain.errors import RefusalKind
from filmgate.domain.probe import Finding, fails, note, works
from filmgate.domain.provider import ProviderJob
from filmgate.infrastructure.answers import Answer, said
from filmgate.infrastructure.http import Reader, WireTrouble
from filmgate.providers.task_api import Callbacks, Wire

UNKNOWN_JOB = "filmgate-asks-for-no-such-job"
_NO_SUCH = frozenset({400, 404, 410, 422})
_NO_API = "Check base_url in filmgate.toml: it leads to something that does not speak this API."
_SHOWN = 6

Read = Callable[[Mapping[str, Any]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class FreeCalls:
    """Where a vendor can be read without paying; every address is fetched with GET.

    ``key`` is answered to a good key alone, and ``tells`` says what the answer tells of the account.
    ``offered`` reads the models out of that answer, or of the one at ``models``; ``model`` is where one model
    is shown. Where names are mere ``labels``, one that is not offered does no harm.
    """

    key: str
    marks: tuple[str, ...]
    tells: Callable[[Mapping[str, Any]], str] | None = None
    models: str | None = None
    offered: Read | None = None
    model: Callable[[str], str] | None = None
    labels: bool = False


@runtime_checkable
class FreelyAsked(Protocol):
    """What a wire adds that can be asked about its account."""

    def free_calls(self) -> FreeCalls:
        """Return what can be read without paying."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about: the key as people know it, where it is set, and the models that are set up."""

    key_hint: str | None
    key_env: str
    models: Sequence[str]


async def probe(wire: Wire, reader: Reader, asked: Asked) -> AsyncIterator[Finding]:
    """Yield what is found out, in the order in which it is looked at."""
    assert isinstance(wire, FreelyAsked)
    calls = wire.free_calls()
    try:
        answer = await reader.get(calls.key)
    except WireTrouble as error:
        yield fails("key", f"the server gave no answer: {error}", "Try again; then check base_url.")
        return
    finding = _of_key(wire, answer, calls, asked)
    yield finding
    if not answer.ok or finding.mend is not None:
        return
    async for found in _of_models(reader, answer, calls, asked.models):
        yield found
    yield await _of_unknown_job(wire, reader, asked.models)
    if isinstance(wire, Callbacks):
        yield await _of_callback_keys(wire, reader)


def _of_key(wire: Wire, answer: Answer, calls: FreeCalls, asked: Asked) -> Finding:
    body = answer.mapping()
    if answer.ok:
        if not any(mark in body for mark in calls.marks):
            return fails("key", f"what answers is not {wire.name}: {answer.body[:60]!r}", _NO_API)
        told = f"; {calls.tells(body)}" if calls.tells is not None else ""
        return works("key", f"{_named(asked)} is accepted{told}")
    return _of_refusal(wire, answer, asked)


def _of_refusal(wire: Wire, answer: Answer, asked: Asked) -> Finding:
    words = said(answer) or f"status {answer.status}"
    if answer.status == 429:
        return fails("key", f"too many calls: {words}", "Try again in a minute.")
    if answer.status >= 500:
        return fails("key", f"{wire.name} has trouble: {words}", "Try again later; nothing here is wrong.")
    kind = wire.refusal(answer).kind
    if kind is RefusalKind.KEY:
        return fails("key", f"{_named(asked)} is refused: {words}", f"Set {asked.key_env} to a good key.")
    if kind is RefusalKind.QUOTA:
        return fails("key", f"{_named(asked)} has nothing left to spend: {words}", "Pay the account up.")
    return fails("key", f"the call for it is answered with {answer.status}: {words}", _NO_API)


def _named(asked: Asked) -> str:
    return "no key" if asked.key_hint is None else f"the key ending {asked.key_hint}"


async def _of_models(
    reader: Reader, answer: Answer, calls: FreeCalls, models: Sequence[str]
) -> AsyncIterator[Finding]:
    if not models:
        mend = "Name those that you use in filmgate.toml."
        yield note("models", "none is set up, so nothing can be asked for here", mend)
    elif calls.offered is not None:
        yield await _of_offered(reader, answer, calls, models)
    elif calls.model is not None:
        for model in models:
            yield await _of_model(reader, model, calls.model(model))
    else:
        yield note("models", f"no free call shows whether yours is allowed {_listed(models)}")


async def _of_offered(reader: Reader, answer: Answer, calls: FreeCalls, models: Sequence[str]) -> Finding:
    assert calls.offered is not None
    try:
        page = answer if calls.models is None else await reader.get(calls.models)
    except WireTrouble as error:
        return note("models", f"they are not listed: {error}")
    if not page.ok:
        return note("models", f"they are not listed: status {page.status}")
    offered = set(calls.offered(page.mapping()))
    missing = [model for model in models if model not in offered]
    if not missing:
        return works("models", f"{_listed(models)} {'is' if len(models) == 1 else 'are'} offered")
    says = f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} not among what is offered"
    mend = f"Offered: {_listed(sorted(offered)) or 'none'}. Take the others out of your routes."
    # One that is missing leaves the others at work.
    harmless = calls.labels or len(missing) < len(models)
    return note("models", says, mend) if harmless else fails("models", says, mend)


async def _of_model(reader: Reader, model: str, url: str) -> Finding:
    try:
        answer = await reader.get(url)
    except WireTrouble as error:
        return note("models", f"{model} is not shown: {error}")
    if answer.ok:
        return works("models", f"{model} is there")
    if answer.status == 404:
        return fails("models", f"{model} is not known there", "Check its name on the vendor's page.")
    return note("models", f"{model} is not shown: status {answer.status}")


async def _of_unknown_job(wire: Wire, reader: Reader, models: Sequence[str]) -> Finding:
    """Ask for a job that cannot be: this is how every job will be followed."""
    model = models[0] if models else "none/none"
    job = ProviderJob(UNKNOWN_JOB, model, "none", datetime.now(UTC))
    try:
        answer = await reader.get(wire.job_url(job))
    except WireTrouble as error:
        return fails("jobs", f"jobs cannot be read: {error}", "Try again later.")
    if answer.status in _NO_SUCH:
        return works("jobs", f"one that is not there is answered with {answer.status}")
    if answer.ok:
        return fails("jobs", "one that cannot be is said to be there", _NO_API)
    return note("jobs", f"one that is not there is answered with {answer.status}: {said(answer) or ''}")


async def _of_callback_keys(wire: Callbacks, reader: Reader) -> Finding:
    try:
        keys = await wire.callback_keys(reader)
    except WireTrouble as error:
        return fails("callbacks", f"what they are signed with cannot be had: {error}", "Try again later.")
    if not keys:
        return note(
            "callbacks", "they are not signed; each is believed for our tag, and then only asked about"
        )
    return works("callbacks", "what they are signed with can be had")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
