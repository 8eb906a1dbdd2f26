"""A commit is repeated for as long as that may help, and given up in the words that say most."""

import pytest

from filmgate.domain.errors import CommitUnknown, DatabaseSilent, DatabaseUnavailable
from filmgate.services import commit
from filmgate.services.commit import commit_surely

pytestmark = pytest.mark.anyio

SILENT, AWAY, UNKNOWN = DatabaseSilent("silent"), DatabaseUnavailable("away"), CommitUnknown("unknown")


class Database:
    """Fail in the given ways, the last of them for ever; None is success."""

    def __init__(self, *outcomes: DatabaseUnavailable | None) -> None:
        self._outcomes = list(outcomes)
        self.tries = 0

    async def commit(self) -> str:
        self.tries += 1
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if outcome is not None:
            raise outcome
        return "done"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(commit, "_UNKNOWN_SECONDS", 0.2)


async def given_up(database: Database) -> DatabaseUnavailable:
    with pytest.raises(DatabaseUnavailable) as caught:
        await commit_surely(database.commit)
    return caught.value


async def test_a_silent_database_is_not_asked_again_where_nothing_can_have_happened() -> None:
    database = Database(SILENT)
    assert await given_up(database) is SILENT
    assert database.tries == 1


async def test_what_may_have_happened_is_asked_for_until_the_silence_is_over() -> None:
    database = Database(UNKNOWN, SILENT, SILENT, SILENT, SILENT, AWAY, None)
    assert await commit_surely(database.commit) == "done"
    assert database.tries == 7


async def test_what_may_have_happened_is_never_said_not_to_have_happened() -> None:
    for last in (SILENT, AWAY):
        database = Database(AWAY, UNKNOWN, last)
        assert await given_up(database) is UNKNOWN
        assert database.tries > 4


async def test_a_database_that_is_away_is_tried_four_times() -> None:
    database = Database(AWAY)
    assert await given_up(database) is AWAY
    assert database.tries == 4
