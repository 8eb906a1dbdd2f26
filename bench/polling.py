"""Play the plan of polls against jobs of real lengths, beside polling every five and every ten seconds.

The plan is the real one and the clock is virtual: nothing waits. It begins with no history and learns from
nothing but the ends that it has itself seen. `bench.polling_gate` checks it against real time.
"""

import heapq
import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from bench.machine import Cores, load
from bench.polling_gate import FIRST, SECOND, Watched, watch_the_twin
from bench.render_times import VENDORS, WILD, Job, Vendor
from bench.report import Result, Target, table
from filmgate.domain.poll import JobKind
from filmgate.providers.asking import LIST_FROM
from filmgate.services.polling import PollPlan
from filmgate.services.watching import AHEAD

KIND = JobKind("vendor", "film-1", 5.0, 1280, 720)
SEED = 20261122
# What a poll takes, from the planned moment to the answer.
ROUND_TRIP = 0.15
LEARN_EVERY = 25
WARM = 200
HISTORY = 200
IN_FLIGHT = 30

Pause = Callable[[float, int | None], float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of following many jobs: polls of each, and the delays of seeing their ends, in seconds."""

    polls: float
    median: float
    mean: float
    late: float

    @classmethod
    def of(cls, polls: Sequence[int], delays: Sequence[float]) -> "Outcome":
        """Sum up; ``late`` is what nine of ten do not exceed."""
        ordered = sorted(delays)
        late = ordered[int(0.9 * len(ordered))]
        return cls(statistics.mean(polls), statistics.median(ordered), statistics.mean(ordered), late)


def follow(job: Job, first: float, following: Pause) -> tuple[int, float]:
    """Return the polls that one job takes, and the age at which its end is seen."""
    age, polls = first + ROUND_TRIP, 1
    while age < job.ends:
        age += following(age, job.percent(age)) + ROUND_TRIP
        polls += 1
    return polls, age


def fixed(every: float, jobs: Sequence[Job]) -> Outcome:
    """Follow jobs by polling at one distance."""
    pause = every - ROUND_TRIP
    seen = [follow(job, pause, lambda _age, _percent: pause) for job in jobs]
    delays = [age - job.ends for (_, age), job in zip(seen, jobs, strict=True)]
    return Outcome.of([polls for polls, _ in seen], delays)


def planned(vendor: Vendor, jobs: Sequence[Job], warm: int = WARM) -> Outcome:
    """Follow jobs by the plan, which has learned from the first ``warm`` of them and goes on learning."""
    plan = PollPlan({KIND.provider: vendor.terms})
    ages: list[float] = []
    polls: list[int] = []
    delays: list[float] = []
    for number, job in enumerate(jobs):
        if number % LEARN_EVERY == 0:
            plan.learn({KIND: sorted(ages[-HISTORY:])})
        count, age = follow(job, plan.first(KIND).total_seconds(), _by(plan))
        ages.append(age)
        if number >= warm:
            polls.append(count)
            delays.append(age - job.ends)
    return Outcome.of(polls, delays)


def _by(plan: PollPlan) -> Pause:
    return lambda age, percent: plan.following(KIND, age, percent).total_seconds()


def called_back(vendor: Vendor, jobs: Sequence[Job], chance: random.Random, lost: float) -> Outcome:
    """Follow jobs by callbacks, of which a share is lost, with the plan's net below them."""
    plan = PollPlan({KIND.provider: replace(vendor.terms, called_back=True)})
    ages: list[float] = []
    polls: list[int] = []
    delays: list[float] = []
    for number, job in enumerate(jobs):
        if number % LEARN_EVERY == 0:
            plan.learn({KIND: sorted(ages[-HISTORY:])})
        called = math.inf if chance.random() < lost else job.ends + chance.uniform(0.3, 1.5)
        age, count = plan.first(KIND).total_seconds(), 1
        while age < min(job.ends, called):
            age += plan.following(KIND, age, job.percent(age)).total_seconds()
            count += 1
        plan.ended(KIND.provider, called=called < age)
        ages.append(min(age, called) + ROUND_TRIP)
        polls.append(count)
        delays.append(ages[-1] - job.ends)
    return Outcome.of(polls[WARM:], delays[WARM:])


def listed(vendor: Vendor, jobs: Sequence[Job], page: int) -> Outcome:
    """Follow jobs, many at once, at a vendor that shows ``page`` of them in one call; polls are calls."""
    plan = PollPlan({KIND.provider: vendor.terms})
    waiting = list(reversed(jobs))
    ages: list[float] = []
    delays: list[float] = []
    calls = now = 0.0
    due: list[tuple[float, float, int]] = []
    under_way: dict[int, Job] = {}
    while waiting or due:
        while waiting and len(due) < IN_FLIGHT:
            number = len(waiting)
            under_way[number] = waiting.pop()
            heapq.heappush(due, (now + plan.first(KIND).total_seconds(), now, number))
            now += 0.01
        now = max(now, due[0][0])
        soon = sum(moment <= now + AHEAD.total_seconds() for moment, _, _ in due)
        together = soon >= LIST_FROM
        group = [heapq.heappop(due) for _ in range(soon if together else 1)]
        now += ROUND_TRIP
        calls += math.ceil(len(group) / page) if together else 1
        for _, accepted, number in group:
            job, age = under_way[number], now - accepted
            if age < job.ends:
                shared = len(group) if together else 1
                pause = plan.following(KIND, age, job.percent(age), shared).total_seconds()
                heapq.heappush(due, (now + pause, accepted, number))
                continue
            # How it ended is read from the job itself.
            calls += together
            ages.append(age)
            delays.append(age - job.ends)
            if len(ages) % LEARN_EVERY == 0:
                plan.learn({KIND: sorted(ages[-HISTORY:])})
    outcome = Outcome.of([0], delays[WARM:])
    return replace(outcome, polls=calls / len(jobs))


def measure(cores: Cores, *, rounds: int, quick: bool) -> Result:
    """Play every vendor, then check the plan in real time against the twin."""
    count = 300 if quick else 2000
    compared = [_compared(vendor, count) for vendor in VENDORS]
    real = [] if quick else watch_the_twin()
    about = (
        f"{count:,} jobs of each vendor after {WARM} that the plan has learned from, beginning with nothing "
        "and knowing only the ends that it saw itself; the real plan under a virtual clock, "
        f"{ROUND_TRIP:g} s for each poll. Delay: from the end of a job to when it is seen, the median and "
        "what nine of ten do not exceed. How long jobs take is assumed (`bench/render_times.py`); no vendor "
        "publishes it. The last row is beyond what a plan can do, and is not held to the targets."
    )
    head = ["", "job, median s", "polls: every 5 s", "every 10 s", "**plan**"]
    head += ["delay, s: every 5 s", "every 10 s", "**plan**", "p90, s: every 10 s", "plan"]
    rows = [one.row() for one in (*compared, _compared(WILD, count))]
    parts = [about, table(head, rows), _others(count), *_real(real)]
    raw = {"vendors": {one.name: asdict(one) for one in compared}, "load": load()}
    return Result("Polling", "\n\n".join(parts), raw, _targets(compared))


@dataclass(frozen=True, slots=True)
class Compared:
    """One vendor under three ways of polling."""

    name: str
    usual: float
    five: Outcome
    ten: Outcome
    plan: Outcome

    def row(self) -> list[str]:
        """Return the row of the table."""
        polls = [f"{self.five.polls:.1f}", f"{self.ten.polls:.1f}", f"**{self.plan.polls:.1f}**"]
        delays = [f"{self.five.median:.1f}", f"{self.ten.median:.1f}", f"**{self.plan.median:.1f}**"]
        return [
            self.name,
            f"{self.usual:.0f}",
            *polls,
            *delays,
            f"{self.ten.late:.1f}",
            f"{self.plan.late:.1f}",
        ]


def jobs_of(vendor: Vendor, count: int) -> list[Job]:
    """Return the same jobs at every run."""
    chance = random.Random(f"{SEED} {vendor.name}")
    return [vendor.job(chance) for _ in range(count)]


def _compared(vendor: Vendor, count: int) -> Compared:
    jobs = jobs_of(vendor, WARM + count)
    counted = jobs[WARM:]
    usual = statistics.median(job.ends for job in counted)
    return Compared(vendor.name, usual, fixed(5, counted), fixed(10, counted), planned(vendor, jobs))


def _others(count: int) -> str:
    fal, ark = VENDORS[0], VENDORS[4]
    jobs = jobs_of(fal, WARM + count)
    rows = [
        [f"{fal.name}: called back, {words}", *_figures(called_back(fal, jobs, random.Random(SEED), lost))]
        for words, lost in (("all come", 0.0), ("one in 20 is lost", 0.05), ("none comes", 1.0))
    ]
    shown = listed(ark, jobs_of(ark, WARM + count), 50)
    rows.append([f"{ark.name}: {IN_FLIGHT} under way, listed", *_figures(shown)])
    return table(["", "calls per video", "delay, median s", "p90 s"], rows)


def _figures(outcome: Outcome) -> list[str]:
    return [f"{outcome.polls:.1f}", f"{outcome.median:.1f}", f"{outcome.late:.1f}"]


def _real(watched: Sequence[Watched]) -> list[str]:
    if not watched:
        return []
    rows = [
        [one.vendor, f"{statistics.median(one.renders):.0f}", *_figures(Outcome.of([0], one.delays))]
        for one in watched
    ]
    for row, one in zip(rows, watched, strict=True):
        row[2] = f"{one.calls:.1f}"
    check = (
        f"The check in real time: {SECOND} videos at once at each of two twins, through the whole of "
        f"filmgate, after {FIRST} to learn from. Gemini is asked job by job, Ark lists."
    )
    return [check, table(["twin", "job, median s", "calls per video", "delay, median s", "p90 s"], rows)]


def _targets(compared: Sequence[Compared]) -> list[Target]:
    polls = max(one.plan.polls / min(one.five.polls, one.ten.polls) for one in compared)
    delay = max(one.plan.median / min(one.five.median, one.ten.median) for one in compared)
    return [
        Target("polls per video, against every 10 s, the worst of the vendors", polls, 1.0, "×"),
        Target("median delay, against every 5 s, the worst of the vendors", delay, 1.0, "×"),
    ]
