"""Plan polls from how long jobs have taken, so that few polls find the end soon.

A job is first asked about when the quickest tenth of its kind is done. After that, each poll is set to
the moment by which a fixed share of the jobs that have lasted as long as this one is over: close together
where ends are likely, far apart where they are not. Where a provider gives a percentage, the rest is
estimated from it as well, and the nearer moment counts.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(seconds=30)
LONGEST_FIRST = timedelta(minutes=2)
# With fewer jobs than this in its history a kind is not planned for.
ENOUGH = 8
_FIRST_SHARE = 0.1
_STEP_SHARE = 0.08
# A percentage finds the end by itself, so that history may ask less often.
_STEP_SHARE_WITH_PERCENT = 0.12
_SHARE_OF_AGE = 0.1
# A percentage rarely moves evenly: only so much of the estimated rest is waited for.
_SHARE_OF_REST = 0.7
_LEAST_PERCENT = 10

Kind = tuple[str, str]


@dataclass(slots=True)
class PollPlan:
    """How long jobs have taken lately, by provider and model, in seconds and sorted.

    Jobs of a provider in ``close`` cost nothing to ask about, and are asked about all the time.
    """

    durations: Mapping[Kind, Sequence[float]] = field(default_factory=dict[Kind, Sequence[float]])
    close: frozenset[str] = frozenset({"embedded"})

    def first(self, kind: Kind) -> timedelta:
        """Return the pause between accepting and the first poll."""
        past = self.durations.get(kind, ())
        if kind[0] in self.close or len(past) < ENOUGH:
            return SHORTEST
        return _bounded(past[int(len(past) * _FIRST_SHARE)], LONGEST_FIRST)

    def following(self, kind: Kind, age: float, percent: int | None) -> timedelta:
        """Return the pause until the next poll of a job that has lasted ``age`` seconds."""
        if kind[0] in self.close:
            return SHORTEST
        if percent is None or not _LEAST_PERCENT <= percent < 100:
            return _bounded(self._by_history(kind, age, _STEP_SHARE))
        rest = age * (100 - percent) / percent
        by_history = self._by_history(kind, age, _STEP_SHARE_WITH_PERCENT)
        return _bounded(min(_SHARE_OF_REST * rest, by_history))

    def _by_history(self, kind: Kind, age: float, share: float) -> float:
        past = self.durations.get(kind, ())
        lasting = len(past) - (over := bisect_right(past, age))
        if len(past) < ENOUGH or lasting == 0:
            return age * _SHARE_OF_AGE
        step = max(1, round(len(past) * share))
        return past[min(over + step, len(past)) - 1] - age


def _bounded(seconds: float, longest: timedelta = LONGEST) -> timedelta:
    return min(max(timedelta(seconds=seconds), SHORTEST), longest)
