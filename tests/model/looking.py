"""What workers do about sends whose outcome is unknown: ask again under the same key, or look."""

from tests.model.database import epoch, may_resend, twins_open
from tests.model.state import (
    IDLE,
    NO_JOB,
    Attempt,
    Config,
    State,
    Steps,
    Worker,
    after,
    known,
    queued_again,
    with_attempt,
    with_worker,
)


def looking_steps(config: Config, state: State, number: int) -> Steps:
    """Yield every step of one worker that settles unknown sends."""
    worker = state.workers[number]
    if worker.at == "looked":
        yield from _records_look(config, state, number)
    if worker.at != "idle":
        return
    for attempt in state.attempts:
        if not state.is_open(attempt):
            continue
        if may_resend(config, state, attempt):
            yield from _resends(config, state, number, attempt)
        elif config.listing == "body":
            yield from _looks_for_body(config, state, number, attempt)
        elif config.listing:
            yield from _looks(config, state, number, attempt)


def _resends(config: Config, state: State, number: int, attempt: Attempt) -> Steps:
    if attempt.token[0] >= config.sends:
        return
    token = (attempt.token[0] + 1, epoch(config, state))
    if config.breaks("resend_without_token"):
        token = attempt.token
    how = "again_quiet" if state.is_quiet(attempt) else "again"
    attempts = with_attempt(state.attempts, attempt._replace(token=token))
    workers = with_worker(state, number, Worker("send", attempt.ref, how, token=token))
    yield f"{attempt.ref} may be sent again", after(config, state, attempts=attempts, workers=workers)


def _looks(config: Config, state: State, number: int, attempt: Attempt) -> Steps:
    """A job may be found at any time; that none is there counts only if it was quiet before the look."""
    by_attempt = config.breaks("list_by_attempt") or config.breaks("random_reference")
    found = [
        job
        for job, one in enumerate(state.jobs)
        if one.listed and (one.ref == attempt.ref if by_attempt else one.video == attempt.video)
    ]
    quiet = state.is_quiet(attempt)
    if found:
        yield _seen(config, state, number, attempt, found[0])
    silent = quiet or config.breaks("absence_at_once") or config.breaks("quiet_after_the_look")
    if silent and (not found or config.listing == "presence"):
        yield _seen(config, state, number, attempt, NO_JOB)


def _looks_for_body(config: Config, state: State, number: int, attempt: Attempt) -> Steps:
    """Without our reference a job is ours only if nobody else's can be mistaken for it."""
    if not config.breaks("swap") and twins_open(state, attempt):
        return
    if not state.is_quiet(attempt) and not config.breaks("absence_at_once"):
        return
    others = [one for one in state.attempts if one.ref != attempt.ref]
    moving = any(
        one.state == "sending" or (one.state == "unknown" and not state.is_quiet(one)) for one in others
    )
    if moving and not config.breaks("no_sibling_wait"):
        return
    bound = state.bound()
    found = [job for job, one in enumerate(state.jobs) if one.listed and job not in bound]
    yield _seen(config, state, number, attempt, found[0] if found else NO_JOB)


def _seen(config: Config, state: State, number: int, attempt: Attempt, job: int) -> tuple[str, State]:
    how = "quiet" if state.is_quiet(attempt) else ""
    looked = Worker("looked", attempt.ref, how, job, token=attempt.token)
    what = "nothing" if job == NO_JOB else f"job {job}"
    return f"{what} is found for {attempt.ref}", after(
        config, state, workers=with_worker(state, number, looked)
    )


def _records_look(config: Config, state: State, number: int) -> Steps:
    worker = state.workers[number]
    row = state.row(worker.ref)
    idle = after(config, state, workers=with_worker(state, number, IDLE))
    fresh = row is not None and (row.token == worker.token or config.breaks("no_token_check"))
    if row is None or row.state not in ("unknown", "parked") or not fresh:
        yield f"a look for {worker.ref} is too late", idle
    elif worker.job == NO_JOB:
        yield from _records_absence(config, state, number, row)
    elif worker.job in state.bound() and not config.breaks("no_unique_job"):
        yield f"job {worker.job}, found for {worker.ref}, is another's", idle
    else:
        attempts = with_attempt(state.attempts, row._replace(state="accepted", job=worker.job))
        videos = known(state.videos, row.video)
        yield (
            f"job {worker.job} is adopted for {worker.ref}",
            after(
                config,
                state,
                videos=videos,
                attempts=attempts,
                workers=with_worker(state, number, IDLE),
            ),
        )


def _records_absence(config: Config, state: State, number: int, row: Attempt) -> Steps:
    worker = state.workers[number]
    workers = with_worker(state, number, IDLE)
    quiet = worker.how == "quiet" or config.breaks("absence_at_once")
    if config.breaks("quiet_after_the_look"):
        quiet = state.is_quiet(row)
    if not quiet:
        yield (
            f"that nothing was found for {row.ref} proves nothing yet",
            after(config, state, workers=workers),
        )
    elif config.listing == "presence" and not config.breaks("silence_is_absence"):
        attempts = with_attempt(state.attempts, row._replace(state="parked"))
        yield f"{row.ref} is parked", after(config, state, attempts=attempts, workers=workers)
    else:
        attempts = with_attempt(state.attempts, row._replace(state="not_created"))
        videos = queued_again(state.videos, row.video)
        yield (
            f"{row.ref} is proven absent",
            after(config, state, videos=videos, attempts=attempts, workers=workers),
        )
