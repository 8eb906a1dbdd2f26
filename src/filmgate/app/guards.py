"""Set up what guards paid sends against a database that went back."""

from collections.abc import Mapping
from datetime import timedelta

from filmgate.domain.provider import Provider
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.journal import SendJournal
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.restores import RestoreRepository
from filmgate.services.generation import lease_of
from filmgate.services.guarding import RestoreGuard
from filmgate.settings import Settings

# Its jobs lie in the database itself and cost nothing: they go back with it.
_OWN = frozenset({"embedded"})


def restore_guard(
    settings: Settings, database: Database, table: Mapping[str, Provider], writer: str
) -> RestoreGuard:
    """Return the guard of one process, for every provider that takes money."""
    quiet = {
        name: lease_of(still) + still
        for name, provider in table.items()
        if name not in _OWN
        for still in (timedelta(seconds=provider.quiet_seconds),)
    }
    journal = SendJournal(settings.data / "state" / "sends", writer)
    return RestoreGuard(RestoreRepository(database), AttemptRepository(database), journal, quiet)
