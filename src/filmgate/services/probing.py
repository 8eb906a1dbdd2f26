"""Say what is set up, and find out whether it would work, by nothing but calls that cost nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from filmgate.domain.errors import FilmgateError
from filmgate.domain.probe import Finding, Report, fails, note, works
from filmgate.domain.routing import Capability, Lane
from filmgate.infrastructure.addresses import is_public
from filmgate.infrastructure.http import Reader, WireTrouble
from filmgate.infrastructure.reachability import Handshake, Place, Unreachable, connect, resolve
from filmgate.providers.probing import Asked, probe
from filmgate.providers.task_api import Callbacks, TaskApi

_MENDS: Mapping[str, str] = {
    "address": "Check base_url in filmgate.toml, and this machine's network.",
    "connection": "Check base_url in filmgate.toml, that the server runs, and the firewall in between.",
    "TLS": "Check base_url in filmgate.toml; a server of your own may be called by http://.",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """One provider that is set up; without an ``api`` it is the built-in renderer.

    ``key_hint`` holds the last characters of its key, ``key_env`` the variable that a key is read from.
    """

    name: str
    wire: str
    address: str | None
    key_hint: str | None
    key_env: str
    models: tuple[Capability, ...]
    lane: Lane
    api: TaskApi | None = None

    @property
    def calls_back(self) -> bool:
        """Whether it can tell us by itself that a job has ended."""
        return self.api is not None and isinstance(self.api.wire, Callbacks)


class ProbingService:
    """Hold the verbs for looking at providers."""

    def __init__(
        self, subjects: Sequence[Subject], public_url: str | None, render: Callable[[], Awaitable[str]]
    ) -> None:
        self._subjects = {subject.name: subject for subject in subjects}
        self._public_url = public_url
        self._render = render

    def list(self) -> Sequence[Subject]:
        """Return what is set up."""
        return tuple(self._subjects.values())

    async def test(self, name: str) -> Report:
        """Find out about one provider; never by anything that is charged."""
        subject = self._subjects[name]
        findings = [finding async for finding in self._findings(subject)]
        return Report(subject.name, subject.wire, subject.address, tuple(findings))

    async def _findings(self, subject: Subject) -> AsyncIterator[Finding]:
        if subject.api is None or subject.address is None:
            yield await self._of_renderer()
            return
        reached = True
        async for finding in _of_network(subject.address):
            reached = reached and finding.mend is None
            yield finding
        if not reached:
            return
        asked = Asked(subject.key_hint, subject.key_env, [able.model for able in subject.models])
        async for finding in probe(subject.api.wire, subject.api.reader, asked):
            yield finding
        yield await self._of_callbacks(subject)

    async def _of_renderer(self) -> Finding:
        try:
            return works("renderer", await self._render())
        except FilmgateError as error:
            return fails("renderer", str(error), "Install filmgate anew, and look at this machine's memory.")

    async def _of_callbacks(self, subject: Subject) -> Finding:
        if not subject.calls_back:
            return note("callbacks", "there are none: jobs are asked about, and a lost answer may stay lost")
        if self._public_url is None:
            mend = "Set PUBLIC_URL to where the internet reaches filmgate; lost answers are found sooner."
            return note("callbacks", "PUBLIC_URL is not set, so nobody can call back", mend)
        return await _of_public_url(self._public_url)


async def _of_network(address: str) -> AsyncIterator[Finding]:
    try:
        place = Place.of(address)
        found = await resolve(place)
        yield works("address", f"{place.host} is {', '.join(found[:3])}")
        handshake = await connect(place)
    except Unreachable as error:
        yield fails(error.step, str(error), _MENDS[error.step])
        return
    yield works("connection", f"port {place.port} answers")
    yield _of_encryption(handshake, found)


def _of_encryption(handshake: Handshake | None, addresses: Sequence[str]) -> Finding:
    if handshake is not None:
        until = handshake.good_until
        good = "" if until is None else f", the certificate is good until {until:%Y-%m-%d}"
        return works("TLS", f"{handshake.version}{good}")
    if any(is_public(ip_address(text.partition("%")[0])) for text in addresses):
        says = "the connection is not encrypted: key, prompts and films can be read on the way"
        return note("TLS", f"{says}; an https:// address would be better")
    return note("TLS", "the connection is not encrypted; it stays in a private network")


async def _of_public_url(public_url: str) -> Finding:
    mend = "Start filmgate, and let PUBLIC_URL lead to it: what is asked is PUBLIC_URL/health."
    reader = Reader({})
    try:
        answer = await reader.get(f"{public_url.rstrip('/')}/health")
    except WireTrouble as error:
        return fails("callbacks", f"PUBLIC_URL does not answer: {error}", mend)
    finally:
        await reader.close()
    if answer.ok and answer.mapping().get("status") == "ok":
        return works("callbacks", f"{public_url} answers, as far as can be seen from this machine")
    return fails("callbacks", f"PUBLIC_URL answers with {answer.status}, and not as filmgate does", mend)
