"""Describe how a provider wants to be asked about its jobs, and which jobs take about as long."""

from dataclasses import dataclass
from datetime import timedelta

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class PollTerms:
    """How one provider account wants to be asked.

    ``apart`` is the least time between two polls of one job; from ``list_from`` jobs on one call that shows
    many is worth it, None where there is none; ``called_back`` says that the provider was given an address to
    call when a job ends; ``near`` that the jobs are our own, so that asking costs nothing.
    """

    apart: timedelta = _SECOND
    list_from: int | None = None
    called_back: bool = False
    near: bool = False


@dataclass(frozen=True, slots=True)
class JobKind:
    """Jobs that take about as long: one model of one provider, and films of one length and size."""

    provider: str
    model: str
    seconds: float = 0.0
    width: int = 0
    height: int = 0

    @property
    def any_film(self) -> "JobKind":
        """The same model, whatever the film."""
        return JobKind(self.provider, self.model)
