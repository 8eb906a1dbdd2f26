"""What has to hold in every state, and the search through all of them."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.model.database import database_steps
from tests.model.looking import looking_steps
from tests.model.sending import crash_steps, sending_steps
from tests.model.state import LIVE, UNCERTAIN, Config, State, Steps, first_state
from tests.model.wire import wire_steps

_Came = Mapping[State, tuple[State, str] | None]


@dataclass(frozen=True)
class Outcome:
    """What a search found; ``broken`` is None where everything holds, ``trace`` the shortest way to it."""

    broken: str | None
    states: int
    steps: int
    parked: int
    trace: tuple[str, ...] = ()


def steps(config: Config, state: State) -> Steps:
    """Yield every step that may be next."""
    yield from database_steps(config, state)
    for number in range(len(state.workers)):
        yield from crash_steps(config, state, number)
        yield from sending_steps(config, state, number)
        yield from looking_steps(config, state, number)
    yield from wire_steps(config, state)


def broken(config: Config, state: State) -> str | None:
    """Return the promise that a state breaks, if it breaks one."""
    twins = config.videos > 1 and config.listing == "body"
    return _paid_twice(state, twins=twins) or _bound_wrongly(state) or _forgotten(config, state, twins=twins)


def _paid_twice(state: State, *, twins: bool) -> str | None:
    """S1; twins are interchangeable, so theirs are counted together."""
    if twins:
        return "S1 paid twice" if len(state.jobs) > len(state.videos) else None
    paid = [job.video for job in state.jobs]
    return "S1 paid twice" if len(paid) > len(set(paid)) else None


def _bound_wrongly(state: State) -> str | None:
    """S2 and S4: a job has one attempt, and what is accepted has a job."""
    bound = [one.job for one in state.attempts if one.state == "accepted"]
    if len(bound) > len(set(bound)):
        return "S2 one job has two attempts"
    if any(job not in range(len(state.jobs)) for job in bound):
        return "S4 accepted without a job"
    for video, status in enumerate(state.videos):
        if status == "accepted" and not any(one.state == "accepted" for one in state.of(video)):
            return "S4 accepted without a job"
    return None


def _forgotten(config: Config, state: State, *, twins: bool) -> str | None:
    """S3, S5 and P: what ended has nothing paid that nobody looks for, and nothing is parked needlessly."""
    bound = state.bound()
    for video, status in enumerate(state.videos):
        mine = state.of(video)
        uncertain = any(one.state in UNCERTAIN for one in mine)
        loose = any(job.video == video and number not in bound for number, job in enumerate(state.jobs))
        if status in ("failed", "cancelled") and loose and not uncertain and not twins:
            return "S3 paid but forgotten"
        if status == "failed" and any(one.state in LIVE for one in mine) and not twins:
            return "S5 failed while it is being made"
        can_tell = config.listing in ("reference", "body") or (config.keys and video not in state.expired)
        if any(one.state == "parked" for one in mine) and can_tell and not twins:
            return "P parked though it could be found out"
    ended = all(status in ("failed", "cancelled", "accepted") for status in state.videos)
    open_ones = any(one.state in UNCERTAIN for one in state.attempts)
    if twins and ended and not open_ones and len(state.jobs) > len(bound):
        return "S3 paid but forgotten"
    return None


def settled(state: State) -> bool:
    """Tell whether nothing is under way: each video has ended, or its attempt is parked."""
    return (
        not state.requests
        and all(worker.at == "idle" for worker in state.workers)
        and "queued" not in state.videos
        and not any(one.state == "sending" or state.is_open(one) for one in state.attempts)
    )


def explore(config: Config, *, liveness: bool = True) -> Outcome:
    """Search every state, breadth first, so that the first counterexample is a shortest one."""
    first = first_state(config)
    came: dict[State, tuple[State, str] | None] = {first: None}
    sources: dict[State, list[State]] = {}
    line, taken = deque([first]), 0
    while line:
        state = line.popleft()
        wrong = broken(config, state)
        if wrong:
            return _outcome(came, taken, wrong, state)
        moved = False
        for label, then in steps(config, state):
            taken, moved = taken + 1, True
            if liveness:
                sources.setdefault(then, []).append(state)
            if then not in came:
                came[then] = (state, label)
                line.append(then)
        if liveness and not moved and not settled(state):
            return _outcome(came, taken, "L stuck", state)
    lost = _never_settling(came, sources) if liveness else None
    return _outcome(came, taken, None if lost is None else "L cannot settle", lost)


def _never_settling(states: Iterable[State], sources: Mapping[State, list[State]]) -> State | None:
    """Return a state from which nothing settled can be reached any more, if there is one."""
    reached = {state for state in states if settled(state)}
    line = deque(reached)
    while line:
        for source in sources.get(line.popleft(), ()):
            if source not in reached:
                reached.add(source)
                line.append(source)
    return next((state for state in states if state not in reached), None)


def _outcome(came: _Came, taken: int, wrong: str | None, end: State | None) -> Outcome:
    parked = sum(1 for state in came if any(one.state == "parked" for one in state.attempts))
    return Outcome(wrong, len(came), taken, parked, () if end is None else _trace(came, end))


def _trace(came: _Came, state: State) -> tuple[str, ...]:
    labels: list[str] = []
    source = came[state]
    while source is not None:
        labels.append(source[1])
        source = came[source[0]]
    return tuple(reversed(labels))
