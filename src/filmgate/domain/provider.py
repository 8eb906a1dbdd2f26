"""Say what a provider of videos must be able to do.

One attempt is one ``submit``. A provider never retries a create by itself, opens its connection
before it awaits the fence, writes nothing if the fence raises, and sorts what happened into the
:class:`~filmgate.domain.errors.SubmitError` family.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from filmgate.domain.money import Money
from filmgate.domain.poll import PollTerms
from filmgate.domain.video import VideoRequest

SendFence = Callable[[], Awaitable[None]]


class JobState(StrEnum):
    """Say where a provider job stands; words we do not know mean processing."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Order:
    """One video to be made: ``reference`` is ours, derived from the video, the same at every attempt.

    ``image`` holds the bytes of the image reference, for providers that take it inside the request.
    """

    reference: str
    model: str
    request: VideoRequest
    image: bytes | None = None


@dataclass(frozen=True, slots=True)
class ProviderJob:
    """One job at a provider."""

    id: str
    model: str
    reference: str
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """What a provider says of a job; ``percent`` and ``cost`` are None where it gives no figure.

    ``charged`` is about a job that came to nothing: True or False only where the provider's documentation,
    or the job itself, says so. ``listed`` says that one call told of this job and of others.
    """

    state: JobState
    percent: int | None = None
    reason: str | None = None
    code: str | None = None
    cost: Money | None = None
    charged: bool | None = None
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The lost job was found at the provider."""

    job_id: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """The provider can be asked, and does not have it."""


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The provider cannot be asked for it."""


Lookup = Found | NotThere | CannotTell


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """Whether the provider stopped, and whether it still charges (None: it does not say)."""

    stopped: bool
    charged: bool | None


class Provider(Protocol):
    """Make videos, one attempt at a time."""

    @property
    def name(self) -> str:
        """The name in the table of providers."""
        ...

    @property
    def inline_images(self) -> bool:
        """Whether image references travel inside the request."""
        ...

    @property
    def quiet_seconds(self) -> float:
        """Seconds after a send until "not there" proves that nothing was made."""
        ...

    @property
    def polling(self) -> PollTerms:
        """How it wants to be asked about its jobs."""
        ...

    def prepare(self, order: Order) -> bytes:
        """Return the exact bytes of the request; raise Refused where it cannot be expressed."""
        ...

    async def submit(self, order: Order, body: bytes, fence: SendFence) -> str:
        """Send once and return the provider job's id, or raise one of the SubmitError family."""
        ...

    async def poll(self, jobs: Sequence[ProviderJob]) -> Mapping[str, Progress]:
        """Ask how jobs stand, by provider job id; one that could not be asked is left out."""
        ...

    async def find_lost(self, order: Order, sent_at: datetime) -> Lookup:
        """Look for the job of an attempt whose answer was lost."""
        ...

    async def download(self, job: ProviderJob, target: Path) -> None:
        """Write the finished film to ``target``."""
        ...

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        """Ask the provider to stop; harmless when repeated."""
        ...

    async def forget(self, job: ProviderJob) -> None:
        """Give up what the provider keeps for us, now that the film is stored."""
        ...
