"""Plan polls from how long jobs have taken, so that few polls find the end soon.

Where enough jobs of a kind have ended, the moments come from their schedule. Where a provider gives a
percentage, the rest is estimated from it as well. Where a provider calls us back, polls are only a net for
callbacks that got lost; if several ends in a row had to be found that way, polls are planned again.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import timedelta

from filmgate.domain.poll import JobKind, PollTerms
from filmgate.domain.video import Video
from filmgate.services.schedules import (
    LONGEST,
    LONGEST_FIRST,
    SHARE_OF_AGE,
    Gap,
    Schedule,
    by_share_of_age,
    fit,
)

SHORTEST = timedelta(seconds=1)
# With fewer jobs than this in its history a kind is not planned for.
ENOUGH = 8
# A percentage rarely moves evenly: only so much of the estimated rest is waited for, unless one poll is left.
_SHARE_OF_REST = 0.7
_LEAST_PERCENT = 10
_AFTER_REST = 0.3
# A job that stays at 99 % is asked about less and less often, above all when it is late.
_LEAST_SHARE_OF_AGE = 0.01
_LEAST_SHARE_WHEN_LATE = 0.05
# One call about many jobs comes this often for each of them, and no more often than the second figure.
_SHARED_SECONDS = 12.0
_SHARED_SHORTEST = 2.0
# The net under callbacks: the first poll when a job of its kind should long be over, then ever more seldom.
_NET_FIRST = 60.0
_NET_BEYOND_USUAL = 1.5
_NET_SHORTEST = 30.0
_NET_SHARE_OF_AGE = 0.25
NET_LONGEST = timedelta(minutes=5)
# Of so many of the latest ends of a provider, this many without a callback show that callbacks do not come.
_ENDS = 10
_MISSED = 3


def kind_of(video: Video) -> JobKind:
    """Return what a job for this video is of."""
    asked = video.request
    return JobKind(video.provider, video.provider_model, asked.seconds, asked.width, asked.height)


class PollPlan:
    """Say when each job is asked about next."""

    def __init__(self, terms: Mapping[str, PollTerms] | None = None) -> None:
        self._terms = terms or {}
        self._past: dict[JobKind, Sequence[float]] = {}
        self._schedules: dict[JobKind, Schedule] = {}
        self._called: defaultdict[str, deque[bool]] = defaultdict(lambda: deque(maxlen=_ENDS))

    def learn(self, durations: Mapping[JobKind, Sequence[float]]) -> None:
        """Plan from how long the latest jobs took until they were seen as ended; may run in a thread."""
        past = dict(durations)
        for model in {kind.any_film for kind in durations}:
            seen = [one for kind, ends in durations.items() if kind.any_film == model for one in ends]
            past[model] = sorted(seen)
        for kind, seen in past.items():
            if len(seen) >= ENOUGH and seen != self._past.get(kind):
                apart = max(self._of(kind).apart, SHORTEST).total_seconds()
                self._schedules[kind] = fit(seen, self._gap(kind), apart)
                self._past[kind] = seen

    def ended(self, provider: str, *, called: bool) -> None:
        """Take note of an end, and of whether a callback had told of it."""
        if self._terms.get(provider, PollTerms()).called_back:
            self._called[provider].append(called)

    def first(self, kind: JobKind) -> timedelta:
        """Return the pause between accepting and the first poll."""
        terms = self._of(kind)
        if terms.near:
            return SHORTEST
        schedule = self._schedule(kind)
        if self._is_called(kind.provider):
            usual = _NET_FIRST if schedule is None else schedule.usual * _NET_BEYOND_USUAL
            return _bounded(max(usual, _NET_SHORTEST), terms, NET_LONGEST)
        return max(SHORTEST, terms.apart) if schedule is None else _bounded(schedule.moments[0], terms)

    def following(self, kind: JobKind, age: float, percent: int | None, together: int = 1) -> timedelta:
        """Return the pause until the next poll of a job that has lasted ``age`` seconds.

        ``together`` is how many jobs the last call was about: what they share can be asked for more often.
        """
        terms = self._of(kind)
        if terms.near:
            return SHORTEST
        if self._is_called(kind.provider):
            return _bounded(max(age * _NET_SHARE_OF_AGE, _NET_SHORTEST), terms, NET_LONGEST)
        pause = self._until_next(kind, age, percent)
        if together > 1:
            pause = min(pause, max(_SHARED_SECONDS / together, _SHARED_SHORTEST))
        return _bounded(pause, terms, LONGEST)

    def _until_next(self, kind: JobKind, age: float, percent: int | None) -> float:
        schedule = self._schedule(kind)
        by_history = _after(schedule, age)
        if percent is None or not _LEAST_PERCENT <= percent < 100:
            return by_history - age
        apart = max(self._of(kind).apart, SHORTEST).total_seconds()
        rest = _until_end(age * (100 - percent) / percent, apart)
        late = schedule is None or age > schedule.moments[-1]
        least = age * (_LEAST_SHARE_WHEN_LATE if late else _LEAST_SHARE_OF_AGE)
        # A percentage finds the end by itself, so that history may ask half as often.
        return min(max(rest, least), _after(schedule, by_history) - age)

    def _of(self, kind: JobKind) -> PollTerms:
        return self._terms.get(kind.provider, PollTerms())

    def _schedule(self, kind: JobKind) -> Schedule | None:
        return self._schedules.get(kind) or self._schedules.get(kind.any_film)

    def _gap(self, kind: JobKind) -> Gap:
        known = self._schedule(kind)
        return by_share_of_age if known is None else known.gap

    def _is_called(self, provider: str) -> bool:
        """Tell whether callbacks of a provider come, as far as is known."""
        if not self._terms.get(provider, PollTerms()).called_back:
            return False
        ends = self._called[provider]
        missed = len(ends) - sum(ends)
        return missed < _MISSED or missed * 2 <= len(ends)


def _after(schedule: Schedule | None, age: float) -> float:
    return age * (1 + SHARE_OF_AGE) if schedule is None else schedule.after(age)


def _until_end(rest: float, apart: float) -> float:
    """Return how much of an estimated rest to wait: all of it where no two polls would fit."""
    return rest + _AFTER_REST if rest <= 2 * apart else min(_SHARE_OF_REST * rest, rest - apart)


def _bounded(seconds: float, terms: PollTerms, longest: timedelta = LONGEST_FIRST) -> timedelta:
    return max(min(timedelta(seconds=seconds), longest), SHORTEST, terms.apart)
