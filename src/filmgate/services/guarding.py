"""Guard paid sends against a database that went back: a restore is a payment event.

Every paid send is noted outside the database before its first byte leaves. Whenever the database may have
been exchanged, no paid send leaves before the notes were compared with it; what it has forgotten is held for
sent, and its account gets nothing until that is settled.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from filmgate.domain.errors import StorageUnavailable, Unavailable
from filmgate.infrastructure.journal import SendJournal, Sent
from filmgate.repositories.attempts import AttemptRepository, Intent
from filmgate.repositories.restores import Evidence, Finding, RestoreRepository

_log = structlog.get_logger(__name__)


class SendGuard(Protocol):
    """What a sender asks before it sends, and tells afterwards."""

    @property
    def incarnation(self) -> str | None:
        """The database that was last found to be whole; None where it does not matter."""
        ...

    async def note(self, intent: Intent, at: datetime) -> bool:
        """Note a send whose intent is on disk; False where it must not leave, Unavailable where it cannot."""
        ...

    async def made(self, attempt_id: str, job_id: str) -> None:
        """Note the job that a send has made."""
        ...

    async def made_nothing(self, attempt_id: str) -> None:
        """Note that a send has certainly made nothing."""
        ...

    async def stops(self, account: str) -> bool:
        """Look at the database again if need be, and tell whether that is why nothing may be sent."""
        ...


class Unguarded:
    """Let everything pass: for what costs nothing and has its jobs in the database itself."""

    incarnation: str | None = None

    async def note(self, intent: Intent, at: datetime) -> bool:
        """Let it leave."""
        return True

    async def made(self, attempt_id: str, job_id: str) -> None:
        """Note nothing."""

    async def made_nothing(self, attempt_id: str) -> None:
        """Note nothing."""

    async def stops(self, account: str) -> bool:
        """Stop nothing."""
        return False


class RestoreGuard:
    """Guard the sends of one process.

    ``quiet`` says for each guarded provider how long after a send its absence there proves nothing.
    """

    def __init__(
        self,
        restores: RestoreRepository,
        attempts: AttemptRepository,
        journal: SendJournal,
        quiet: Mapping[str, timedelta],
    ) -> None:
        self._restores = restores
        self._attempts = attempts
        self._journal = journal
        self._quiet = quiet
        self.incarnation: str | None = ""

    def of_providers(self) -> Mapping[str, SendGuard]:
        """Return this guard by the provider that it guards."""
        return dict.fromkeys(self._quiet, self)

    async def verify(self) -> None:
        """Compare the database with the journal, unless it is the one that was compared last."""
        incarnation = await self._restores.incarnation()
        if incarnation == self.incarnation:
            return
        mark = await self._journal.mark()
        sends = await self._journal.read()
        held = await self._restores.examine(Evidence(mark, _last_of_each(sends), self._quiet))
        if held:
            _log.error("database_went_back", sends_held=held, see="filmgate recover")
        await self._replay(sends)
        await self._journal.prune()
        self.incarnation = incarnation

    async def _replay(self, sends: Sequence[Sent]) -> None:
        """Bind jobs whose ids had arrived when their process died, before it could commit them."""
        known = [sent for sent in sends if sent.job_id is not None]
        for sent in await self._restores.without_job(known):
            assert sent.job_id is not None
            if await self._attempts.accept(sent.attempt_id, sent.job_id, timedelta(0)):
                _log.info("send_found", attempt=sent.attempt_id, by="journal")

    async def note(self, intent: Intent, at: datetime) -> bool:
        """Note a send, and look once more whether its intent is there: a restore may have come between.

        ``at`` is when the intent was written: sends are put in order by it, since a stopped sender may wake
        and note an old one late.
        """
        sent = Sent(
            intent.attempt_id,
            intent.video_id,
            intent.account,
            intent.provider,
            intent.provider_model,
            at,
        )
        try:
            await self._journal.sent(sent)
        except StorageUnavailable as error:
            raise Unavailable(str(error)) from error
        return await self._attempts.is_sending(intent.attempt_id)

    async def made(self, attempt_id: str, job_id: str) -> None:
        """Note the job that a send has made; it is committed even where it cannot be noted."""
        try:
            await self._journal.made(attempt_id, job_id)
        except StorageUnavailable as error:
            _log.warning("job_not_journalled", attempt=attempt_id, reason=str(error))

    async def made_nothing(self, attempt_id: str) -> None:
        """Note that a send has certainly made nothing; without the note it is looked for after a restore."""
        try:
            await self._journal.made_nothing(attempt_id)
        except StorageUnavailable as error:
            _log.warning("send_not_struck_out", attempt=attempt_id, reason=str(error))

    async def stops(self, account: str) -> bool:
        """Tell whether the database had been exchanged, or the account waits for sends to be settled."""
        before = self.incarnation
        await self.verify()
        return before != self.incarnation or account in await self._restores.stopped()


class RecoveryService:
    """Hold the operator's verbs after the database went back."""

    def __init__(self, restores: RestoreRepository) -> None:
        self._restores = restores

    async def findings(self) -> Sequence[Finding]:
        """Return every send that the database had forgotten."""
        return await self._restores.findings()

    async def stopped(self) -> Mapping[str, int]:
        """Return the accounts that nothing is sent to, and how many sends each waits for."""
        return await self._restores.stopped()

    async def resume(self) -> int:
        """Let sending go on; return how many sends are left unsettled."""
        released = await self._restores.release()
        _log.warning("sending_resumed", unsettled=released)
        return released


def _last_of_each(sends: Sequence[Sent]) -> Sequence[Sent]:
    """Return the last send of each video, unless it made nothing: about those before it there was proof."""
    last = {sent.video_id: sent for sent in sends}
    return [sent for sent in last.values() if not sent.nothing]
