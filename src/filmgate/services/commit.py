"""Commit what is harmless when repeated, across a database that comes and goes."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from filmgate.domain.errors import AcceptanceUnknown, CommitUnknown, DatabaseSilent, DatabaseUnavailable

T = TypeVar("T")

BLIND = (
    "Look at the list of your videos before you send it again; with an Idempotency-Key header it could be "
    "sent again without looking."
)

_TRIES = 4
_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 2.0
# What may have happened is asked for at least this long, and what has not is not: the client may try again.
_UNKNOWN_SECONDS = 3.5


async def commit_surely(commit: Callable[[], Awaitable[T]]) -> T:
    """Repeat a commit until the database has answered; the failure that says most is raised.

    Only for commits that bear being done twice: an answer that was lost may hide one that happened, and
    then CommitUnknown is raised, whatever the later tries met.
    """
    unknown: CommitUnknown | None = None
    began, tries = monotonic(), 0
    while True:
        try:
            return await commit()
        except DatabaseUnavailable as error:
            tries += 1
            unknown = unknown or (error if isinstance(error, CommitUnknown) else None)
            waiting = unknown is not None and monotonic() - began < _UNKNOWN_SECONDS
            if not waiting and (tries >= _TRIES or isinstance(error, DatabaseSilent)):
                raise unknown or error from None
        await asyncio.sleep(_PAUSE_SECONDS * min(tries, _TRIES - 1))


async def create_surely(commit: Callable[[], Awaitable[T]], advice: str, *, again: bool) -> T:
    """Commit what was asked for; where that remains unknown, say so with advice, never "nothing was done".

    With ``again`` the request will be recognised if it is sent once more.
    """
    try:
        return await commit_surely(commit)
    except CommitUnknown as lost:
        message = f"The database went away before it said whether your request was accepted. {advice}"
        raise AcceptanceUnknown(message, again=again) from lost


async def commit_at_last(commit: Callable[[], Awaitable[None]]) -> None:
    """Repeat a commit for as long as the database is away: what it says is written down nowhere else."""
    pause = _PAUSE_SECONDS
    while True:
        try:
            return await commit()
        except DatabaseUnavailable:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
