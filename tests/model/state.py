"""The states of the model: what the database, the workers, the wire and the provider hold at one moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

Ref = tuple[int, int]
"""One attempt: its video, and which of the video's attempts it is."""

Token = tuple[int, int]
"""How often an attempt was sent, and after how many restores of the database: what a fact is about."""

ATTEMPTS = 2
"""So many attempts a video has at most."""

NO_JOB = -1
NOBODY: Ref = (-1, -1)
NO_TOKEN: Token = (0, 0)

UNCERTAIN = ("sending", "unknown", "parked")
LIVE = (*UNCERTAIN, "accepted")
OPEN = ("queued", "in_progress", "accepted")


@dataclass(frozen=True)
class Config:
    """What may happen, and how much of it.

    ``listing`` is what the provider can be asked: nothing, jobs by our "reference", jobs by their "body",
    or "presence", a list that may leave jobs out. ``lost_commits`` is how many a restore may undo; with a
    ``journal`` sends are noted outside the database, and a restore holds for sent what was noted, else it
    holds whatever waits.
    ``mutations`` names the rules that are broken on purpose.
    """

    name: str
    keys: bool = False
    listing: str = ""
    videos: int = 1
    workers: int = 2
    crashes: int = 2
    restores: int = 0
    lost_commits: int = 2
    journal: bool = False
    sends: int = 2
    cancels: bool = False
    callbacks: bool = False
    refusals: bool = False
    operator: bool = False
    mutations: frozenset[str] = frozenset()

    def breaks(self, rule: str) -> bool:
        return rule in self.mutations


class Attempt(NamedTuple):
    """One row of attempts."""

    ref: Ref
    state: str
    token: Token
    job: int = NO_JOB

    @property
    def video(self) -> int:
        return self.ref[0]


class Worker(NamedTuple):
    """Where a worker is in its step, and what it remembers; ``fenced`` says that its connection is dead."""

    at: str = "idle"
    ref: Ref = NOBODY
    how: str = ""
    job: int = NO_JOB
    fenced: bool = False
    token: Token = NO_TOKEN

    @property
    def video(self) -> int:
        return self.ref[0]

    @property
    def connection(self) -> tuple[Ref, Token]:
        return self.ref, self.token


IDLE = Worker()


class Request(NamedTuple):
    """A create under way to the provider; ``target`` is the provider that it goes to."""

    ref: Ref
    key: str
    body: str
    target: int
    token: Token

    @property
    def video(self) -> int:
        return self.ref[0]


class Answer(NamedTuple):
    """An answer under way to the worker that waits for it."""

    ref: Ref
    token: Token
    kind: str
    job: int = NO_JOB


class Job(NamedTuple):
    """A job at the provider: money spent. ``key`` is empty where it has none, or has forgotten it."""

    ref: Ref
    key: str
    body: str
    target: int
    listed: bool = False

    @property
    def video(self) -> int:
        return self.ref[0]


Videos = tuple[str, ...]
Attempts = tuple[Attempt, ...]


class State(NamedTuple):
    """Everything at one moment.

    ``past`` holds the versions of the database that a restore may bring back; ``noted`` the sends in the
    journal, the oldest first; ``expired`` the videos whose
    idempotency key has run out; ``quiet`` the sends that can no longer create anything.
    """

    videos: Videos
    attempts: Attempts
    past: tuple[tuple[Videos, Attempts], ...]
    noted: tuple[tuple[Ref, Token], ...]
    workers: tuple[Worker, ...]
    requests: tuple[Request, ...]
    answers: tuple[Answer, ...]
    jobs: tuple[Job, ...]
    expired: frozenset[int]
    quiet: frozenset[tuple[Ref, Token]]
    crashes: int
    restores: int
    drawn: int

    def row(self, ref: Ref) -> Attempt | None:
        return next((one for one in self.attempts if one.ref == ref), None)

    def of(self, video: int) -> list[Attempt]:
        return [one for one in self.attempts if one.video == video]

    def next_ordinal(self, video: int) -> int:
        return 1 + max((one.ref[1] for one in self.of(video)), default=-1)

    def live(self, video: int) -> Attempt | None:
        return next((one for one in self.of(video) if one.state in LIVE), None)

    def bound(self) -> set[int]:
        return {one.job for one in self.attempts if one.state == "accepted"}

    def is_open(self, attempt: Attempt) -> bool:
        """Tell whether an attempt is still looked for: a restore may leave one beside an accepted one."""
        bound = any(one.state == "accepted" for one in self.of(attempt.video))
        return attempt.state == "unknown" and not bound

    def is_quiet(self, attempt: Attempt) -> bool:
        return (attempt.ref, attempt.token) in self.quiet


Step = tuple[str, State]
Steps = Iterator[Step]


def first_state(config: Config) -> State:
    """Return the state before anything has happened: every video waits."""
    return State(
        videos=("queued",) * config.videos,
        attempts=(),
        past=(),
        noted=(),
        workers=(IDLE,) * config.workers,
        requests=(),
        answers=(),
        jobs=(),
        expired=frozenset(),
        quiet=frozenset(),
        crashes=config.crashes,
        restores=config.restores,
        drawn=0,
    )


def after(config: Config, state: State, **changes: Any) -> State:
    """Return the state after a step, in one order, so that equal states are found to be equal.

    Workers are interchangeable, and so are messages. While a restore is to be feared, what the database
    held before a commit is remembered.
    """
    new = state._replace(**changes)
    past: tuple[tuple[Videos, Attempts], ...] = ()
    if new.restores:
        before = (state.videos, state.attempts)
        past = state.past
        if before != (new.videos, new.attempts):
            past = (*past, before)[-config.lost_commits :]
    return new._replace(
        past=past,
        workers=tuple(sorted(new.workers)),
        requests=tuple(sorted(new.requests)),
        answers=tuple(sorted(new.answers)),
    )


def with_video(videos: Videos, number: int, status: str) -> Videos:
    """Return the rows of videos with one changed."""
    return (*videos[:number], status, *videos[number + 1 :])


def with_attempt(attempts: Attempts, attempt: Attempt) -> Attempts:
    """Return the rows of attempts with one written over or added."""
    return tuple(sorted([*(one for one in attempts if one.ref != attempt.ref), attempt]))


def with_worker(state: State, number: int, worker: Worker) -> tuple[Worker, ...]:
    """Return the workers with one changed."""
    return (*state.workers[:number], worker, *state.workers[number + 1 :])


def queued_again(videos: Videos, number: int) -> Videos:
    """Return the videos after proof that nothing was made for one: it waits again, unless it has ended."""
    return with_video(videos, number, "queued") if videos[number] == "in_progress" else videos


def known(videos: Videos, number: int) -> Videos:
    """Return the videos after the job of one has become known; what has ended stays ended."""
    return with_video(videos, number, "accepted") if videos[number] in ("queued", "in_progress") else videos


def failed(videos: Videos, number: int) -> Videos:
    """Return the videos after one has failed, unless it has ended."""
    return with_video(videos, number, "failed") if videos[number] in OPEN else videos
