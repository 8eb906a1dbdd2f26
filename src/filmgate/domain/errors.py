"""Name every way a request or a job can end badly.

FilmgateError
├── BadSettings                 the process refuses to start
├── Unauthenticated             no key, or one we do not know
├── InvalidRequest              what was asked cannot be done as written
│   ├── UnknownModel
│   ├── BadIdempotencyKey
│   └── IdempotencyKeyReused
├── NotFound                    not there, or not yours
├── BudgetExceeded              it would cost more than may be spent
├── VideoNotFinished            the result is asked for too early
├── VideoAlreadyFinal           too late to cancel
├── ResultGone                  it was there once
├── StillBeingCreated           the same create is being carried out at this moment
├── AcceptanceUnknown           the database went away before it said whether the create was kept
├── ServiceUnavailable          try again soon; nothing was done
│   ├── Overloaded
│   ├── DatabaseUnavailable
│   │   ├── DatabaseSilent      it is not answering, and this was not even tried
│   │   └── CommitUnknown       the database went away before it said whether it had committed
│   └── StorageUnavailable
│       └── StorageFull
├── SchemaTooNew                the database belongs to a newer filmgate
├── MediaUnreadable             not a video that plays to its end
└── SubmitError                 how a create at a provider ended, by the decision it forces
    ├── SendFenceClosed         nothing was sent: the video is no longer ours to send
    ├── Unavailable             nothing was sent: the provider was not reached
    ├── Throttled               nothing was made: come back later
    ├── Refused                 nothing was made: this request will never be taken
    └── OutcomeUnknown          something may have been made: never send again blindly
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from filmgate.domain.budget import Overrun

IDEMPOTENCY_HEADER = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Say what is wrong with one field and how to mend it.

    ``field`` is written as the client wrote it; ``row`` is the zero-based row of a batch.
    """

    field: str
    message: str
    code: str = "invalid_value"
    suggestion: str | None = None
    allowed: tuple[str, ...] | None = None
    row: int | None = None


class FilmgateError(Exception):
    """Base of everything filmgate raises on purpose."""


class BadSettings(FilmgateError):
    """A setting is missing or cannot be used; the message names its place and the mend."""


class Unauthenticated(FilmgateError):
    """No key was given, or it is not one of ours."""


class InvalidRequest(FilmgateError):
    """The request cannot be carried out as written; ``problems`` says field by field why."""

    def __init__(self, problems: Sequence[FieldProblem], message: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__(message or self.problems[0].message)


class UnknownModel(InvalidRequest):
    """No model of that name can be asked for here."""


class BadIdempotencyKey(InvalidRequest):
    """The Idempotency-Key is not one that can be kept."""

    def __init__(self, length: int) -> None:
        message = f"The Idempotency-Key header, {length} characters long, is not 1 to 255 visible ASCII ones."
        mend = "Give a fresh UUID with every new request, and the same one when you send it again."
        super().__init__([FieldProblem(IDEMPOTENCY_HEADER, message, "bad_key", mend)])


class IdempotencyKeyReused(InvalidRequest):
    """The Idempotency-Key already stands for a request that asked for something else."""

    def __init__(self) -> None:
        message = "This Idempotency-Key header came before, with a request that asked for something else."
        mend = "Give every new request a key of its own, and send a repeated one unchanged."
        super().__init__([FieldProblem(IDEMPOTENCY_HEADER, message, "reused", mend)])


class NotFound(FilmgateError):
    """There is no such thing, or it belongs to another project."""

    def __init__(self, noun: str, name: str) -> None:
        self.noun = noun
        self.name = name
        super().__init__(f"There is no {noun} {name} here, or it belongs to another key.")


class BudgetExceeded(FilmgateError):
    """What was asked would cost more than the key or the batch may spend; nothing was accepted."""

    def __init__(self, message: str, overrun: Overrun | None = None) -> None:
        self.overrun = overrun
        super().__init__(message)


class VideoNotFinished(FilmgateError):
    """The result was asked for before the video was finished."""


class VideoAlreadyFinal(FilmgateError):
    """The video has already ended, so it can no longer be cancelled."""


class ResultGone(FilmgateError):
    """The video has no result and will not get one."""


class StillBeingCreated(FilmgateError):
    """The same create is being carried out at this moment; nothing was done for this one."""

    retry_after = timedelta(seconds=1)


class AcceptanceUnknown(FilmgateError):
    """The database went away before it said whether a create was kept.

    ``retry_after`` is None unless the same request, sent again, would be recognised.
    """

    def __init__(self, message: str, *, again: bool) -> None:
        self.retry_after = timedelta(seconds=5) if again else None
        super().__init__(message)


class ServiceUnavailable(FilmgateError):
    """Filmgate cannot answer right now; nothing was done."""

    retry_after = timedelta(seconds=5)


class Overloaded(ServiceUnavailable):
    """More requests are waiting than can be kept in memory."""

    retry_after = timedelta(seconds=1)


class DatabaseUnavailable(ServiceUnavailable):
    """The database cannot be reached now."""


class DatabaseSilent(DatabaseUnavailable):
    """The database has not answered others for a while, so it was not asked at all."""


class CommitUnknown(DatabaseUnavailable):
    """The database went away before it said whether it had committed."""


class StorageUnavailable(ServiceUnavailable):
    """The asset store cannot be read or written now."""


class StorageFull(StorageUnavailable):
    """The asset store has no room left."""


class SchemaTooNew(FilmgateError):
    """The database was migrated by a newer filmgate than this one."""


class MediaUnreadable(FilmgateError):
    """The file is not a video that can be played to its end."""


class SubmitError(FilmgateError):
    """Base of the ways a create at a provider can end without a job."""


class SendFenceClosed(SubmitError):
    """The video is no longer ours to send; nothing was written."""


class Unavailable(SubmitError):
    """The provider was not reached; not one byte of the request was written."""


class Throttled(SubmitError):
    """The provider asked to come back later; nothing was made."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class RefusalKind(StrEnum):
    """Sort refusals by what can be done about them."""

    PROMPT = "prompt"
    IMAGE = "image"
    OUTPUT = "output"
    POLICY = "policy"
    QUOTA = "quota"
    KEY = "key"
    CAPACITY = "capacity"
    REQUEST = "request"


class Refused(SubmitError):
    """The provider refused before making anything; sending the same again would not help."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class OutcomeUnknown(SubmitError):
    """The request may have arrived; whether a job was made is not known."""
