"""Choose the moments at which a job is asked about, from how long jobs of its kind have taken.

Polls stand close together where ends are likely and far apart where they are not. How close, and from when
on, is chosen by trying: each schedule of a small set is played against the past jobs, and the one is taken
that would have found their ends with the fewest polls and the least delay, both in proportion to what fixed
polling needs.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

LONGEST = timedelta(seconds=30)
LONGEST_FIRST = timedelta(minutes=2)
# After the last planned moment, a job is asked about whenever it has grown older by this share.
SHARE_OF_AGE = 0.1

# The measures: polls count as those of a poll every ten seconds, delays as those of one every five.
_SECONDS_PER_POLL = 10.0
_DELAY = 2.5
# How much the mean delay counts beside the median.
_MEAN_COUNTS = 0.08
# What is tried: the share of jobs that are over at the first poll, the shortest pause in seconds, and the
# power of the likelihood of an end that the polls are as dense as.
_STARTS = (0.02, 0.06, 0.12, 0.2)
_PAUSES = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 7.0, 10.0)
_POWERS = (0.5, 1.0)
_MOST_POINTS = 400
_CELLS = 80
# Where the end of a job lay between two polls is not known: it is spread over the pause.
_WITHIN_PAUSE = (0.125, 0.375, 0.625, 0.875)
_KERNEL = (-1.0, -0.3, 0.3, 1.0)
_NARROWEST = 0.01
_TAIL = 0.985
# Moments nearer than this are the same: a poll comes a little late, and clocks differ.
_CLOSE = 0.5

Gap = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is asked about, in seconds after it was accepted; ``usual`` is its likely age at the end."""

    moments: tuple[float, ...]
    usual: float

    def after(self, age: float) -> float:
        """Return the moment of the next poll of a job of this age."""
        place = bisect_right(self.moments, age + _CLOSE)
        return self.moments[place] if place < len(self.moments) else age * (1 + SHARE_OF_AGE)

    def gap(self, seen: float) -> float:
        """Return how long before this moment a job that was seen as ended then had been asked about."""
        place = bisect_left(self.moments, seen - _CLOSE)
        if place == 0:
            return seen * 2 * SHARE_OF_AGE
        if place >= len(self.moments):
            return seen * SHARE_OF_AGE
        return self.moments[place] - self.moments[place - 1]


def by_share_of_age(seen: float) -> float:
    """Return the pause before an end that was seen at this age, where nothing was planned."""
    return max(seen * SHARE_OF_AGE / (1 + SHARE_OF_AGE), 1.0)


def fit(seen: Sequence[float], gap: Gap, apart: float) -> Schedule:
    """Return the best schedule for jobs that were seen as ended at these ages, polls ``apart`` at least."""
    ends = _smoothed(seen, gap)
    usual = ends[len(ends) // 2]
    polls_usual = sum(ends) / len(ends) / _SECONDS_PER_POLL + 0.5
    best: tuple[float, tuple[float, ...]] | None = None
    for start, power in product(_STARTS, _POWERS):
        likely = _likelihood(ends, start)
        for pause in _PAUSES:
            moments = _moments(likely, max(pause, apart), power)
            polls, median, mean = _played(moments, ends)
            score = max(polls / polls_usual, median / _DELAY) + _MEAN_COUNTS * mean / _DELAY
            if best is None or score < best[0]:
                best = score, moments
    assert best is not None
    return Schedule(best[1], usual)


@dataclass(frozen=True, slots=True)
class _Likelihood:
    """How likely ends are in cells of one width from ``begin`` on, the likeliest being 1."""

    begin: float
    width: float
    cells: tuple[float, ...]


def _smoothed(seen: Sequence[float], gap: Gap) -> list[float]:
    """Return likely ends, sorted: each seen one spread over its pause and over what chance may do."""
    logs = sorted(math.log(max(age - gap(age) * share, 0.3)) for age in seen for share in _WITHIN_PAUSE)
    last = len(logs) - 1
    spread = min(
        (logs[int(0.84 * last)] - logs[int(0.16 * last)]) / 2,
        (logs[int(0.75 * last)] - logs[int(0.25 * last)]) / 1.34,
    )
    # Silverman's rule.
    kernel = max(0.9 * spread * len(seen) ** -0.2, _NARROWEST)
    ends = sorted(math.exp(log + kernel * step) for log in logs for step in _KERNEL)
    every = max(1, len(ends) // _MOST_POINTS)
    return ends[every // 2 :: every]


def _likelihood(ends: Sequence[float], start: float) -> _Likelihood:
    begin, end = ends[int(start * len(ends))], ends[int(_TAIL * (len(ends) - 1))]
    width = max((end - begin) / _CELLS, 0.01)
    # Wider than a cell, so that chance does not show.
    reach = width * _CELLS / 25
    counts = [
        bisect_left(ends, middle + reach) - bisect_left(ends, middle - reach)
        for middle in (begin + (cell + 0.5) * width for cell in range(_CELLS))
    ]
    most = max(*counts, 1)
    return _Likelihood(begin, width, tuple(count / most for count in counts))


def _moments(likely: _Likelihood, pause: float, power: float) -> tuple[float, ...]:
    moments = [min(max(likely.begin, 1.0), LONGEST_FIRST.total_seconds())]
    done, longest = 0.0, LONGEST.total_seconds()
    while likely.begin - moments[-1] > longest:
        moments.append(moments[-1] + longest)
    for place, cell in enumerate(likely.cells, start=1):
        done += likely.width * max(cell**power / pause, 1 / longest)
        if done >= 1:
            moments.append(likely.begin + place * likely.width)
            done = 0.0
    return tuple(moments)


def _played(moments: Sequence[float], ends: Sequence[float]) -> tuple[float, float, float]:
    """Return how many polls a job would have taken, and the median and mean delay of seeing its end."""
    polls = 0
    delays: list[float] = []
    for end in ends:
        place = bisect_left(moments, end)
        polls += place + 1
        if place < len(moments):
            delays.append(moments[place] - end)
            continue
        moment = moments[-1]
        while moment < end:
            moment *= 1 + SHARE_OF_AGE
            polls += 1
        polls -= 1
        delays.append(moment - end)
    delays.sort()
    return polls / len(ends), delays[len(delays) // 2], sum(delays) / len(delays)
