"""What workers do to send a video: claim it, write the intent, send, and record what came of it."""

from tests.model.database import epoch
from tests.model.state import (
    ATTEMPTS,
    IDLE,
    NO_JOB,
    UNCERTAIN,
    Attempt,
    Config,
    Request,
    State,
    Steps,
    Worker,
    after,
    failed,
    known,
    queued_again,
    with_attempt,
    with_video,
    with_worker,
)


def sending_steps(config: Config, state: State, number: int) -> Steps:
    """Yield every step of one worker that sends or has sent."""
    worker = state.workers[number]
    match worker.at:
        case "idle":
            yield from _claims(config, state, number)
        case "claim":
            yield from _writes_blindly(config, state, number)
        case "send_first" | "write_late":
            yield from _sends_before_writing(config, state, number)
        case "send" | "noted" | "ready":
            yield from _prepares(config, state, number)
        case "wait":
            yield from _receives(config, state, number)
        case "unclear":
            yield from _records_unknown(config, state, number)
        case "made":
            yield from _records_job(config, state, number)
        case "throttled" | "refused":
            yield from _records_refusal(config, state, number)
        case _:
            return


def crash_steps(config: Config, state: State, number: int) -> Steps:
    """Yield the crash of one worker: it forgets all, and answers to it find nobody."""
    worker = state.workers[number]
    if worker.at != "idle" and state.crashes:
        answers = tuple(one for one in state.answers if (one.ref, one.token) != worker.connection)
        workers = with_worker(state, number, IDLE)
        yield (
            f"the worker of {worker.ref} CRASHES at {worker.at}",
            after(config, state, workers=workers, answers=answers, crashes=state.crashes - 1),
        )


def _claims(config: Config, state: State, number: int) -> Steps:
    for video, status in enumerate(state.videos):
        if status != "queued" or state.live(video):
            continue
        ordinal = state.next_ordinal(video)
        if ordinal >= ATTEMPTS:
            yield f"video {video} is given up", after(config, state, videos=failed(state.videos, video))
            continue
        token = (1, epoch(config, state))
        ref, drawn = (video, ordinal), state.drawn
        if config.breaks("random_reference"):
            ref, drawn = (video, 100 + drawn), drawn + 1
        if config.breaks("send_before_intent"):
            workers = with_worker(state, number, Worker("send_first", ref, token=token))
            yield f"{ref} is taken without an intent", after(config, state, workers=workers, drawn=drawn)
        elif config.breaks("no_compare_and_set"):
            workers = with_worker(state, number, Worker("claim", (video, -1), token=token))
            yield f"video {video} is read as queued", after(config, state, workers=workers)
        else:
            yield from _writes_intent(
                config, state._replace(drawn=drawn), number, Attempt(ref, "sending", token)
            )


def _writes_intent(config: Config, state: State, number: int, attempt: Attempt) -> Steps:
    ready = with_worker(state, number, Worker("send", attempt.ref, "first", token=attempt.token))
    videos = with_video(state.videos, attempt.video, "in_progress")
    attempts = with_attempt(state.attempts, attempt)
    written = after(config, state, videos=videos, attempts=attempts, workers=ready)
    yield f"the intent {attempt.ref} is written", written
    yield (
        f"the intent {attempt.ref} is written, and its acknowledgement lost",
        after(config, state, videos=videos, attempts=attempts),
    )
    if config.breaks("assume_commit"):
        yield f"the intent {attempt.ref} is NOT written, but assumed", after(config, state, workers=ready)


def _writes_blindly(config: Config, state: State, number: int) -> Steps:
    worker = state.workers[number]
    ref = (worker.video, len(state.of(worker.video)))
    if ref[1] >= ATTEMPTS:
        yield f"the worker of {ref} gives up", after(config, state, workers=with_worker(state, number, IDLE))
        return
    yield (
        f"the intent {ref} is written without looking",
        after(
            config,
            state,
            videos=with_video(state.videos, worker.video, "in_progress"),
            attempts=with_attempt(state.attempts, Attempt(ref, "sending", worker.token)),
            workers=with_worker(state, number, Worker("send", ref, "first", token=worker.token)),
        ),
    )


def _sends_before_writing(config: Config, state: State, number: int) -> Steps:
    worker = state.workers[number]
    if worker.at == "send_first":
        yield (
            f"{worker.ref} is SENT with no intent written",
            after(
                config,
                state,
                requests=(*state.requests, _request(config, worker)),
                workers=with_worker(state, number, worker._replace(at="write_late")),
            ),
        )
    else:
        yield (
            f"the intent {worker.ref} is written late",
            after(
                config,
                state,
                videos=with_video(state.videos, worker.video, "in_progress"),
                attempts=with_attempt(state.attempts, Attempt(worker.ref, "sending", worker.token)),
                workers=with_worker(state, number, worker._replace(at="wait", how="first")),
            ),
        )


def _prepares(config: Config, state: State, number: int) -> Steps:
    match state.workers[number].at:
        case "send" if config.journal and not config.breaks("no_journal"):
            yield from _notes(config, state, number)
        case "noted":
            yield from _looks_once_more(config, state, number)
        case _:
            yield from _sends(config, state, number)


def _notes(config: Config, state: State, number: int) -> Steps:
    """Write the send down outside the database, where no restore reaches it."""
    worker = state.workers[number]
    noted = (*state.noted, worker.connection)
    workers = with_worker(state, number, worker._replace(at="noted"))
    yield f"{worker.ref} is noted in the journal", after(config, state, noted=noted, workers=workers)


def _looks_once_more(config: Config, state: State, number: int) -> Steps:
    """Send only if the intent is still there: a restore that came before the note has not seen the note."""
    worker = state.workers[number]
    row = state.row(worker.ref)
    stands = row is not None and row.token == worker.token and row.state == "sending"
    if stands or config.breaks("no_second_look"):
        workers = with_worker(state, number, worker._replace(at="ready"))
        yield f"the intent {worker.ref} still stands", after(config, state, workers=workers)
    else:
        workers = with_worker(state, number, IDLE)
        yield f"the intent {worker.ref} is gone, nothing is sent", after(config, state, workers=workers)


def _request(config: Config, worker: Worker) -> Request:
    again = worker.how in ("again", "again_quiet")
    key = f"key {worker.ref if config.breaks('key_per_attempt') else worker.video}"
    if again and config.breaks("other_account"):
        key = f"other {key}"
    body = "changed" if again and config.breaks("body_changes") else "same"
    return Request(worker.ref, key, body, 2 if worker.how == "failover" else 1, worker.token)


def _sends(config: Config, state: State, number: int) -> Steps:
    worker = state.workers[number]
    if worker.fenced and not config.breaks("no_send_fence"):
        workers = with_worker(state, number, IDLE)
        yield f"the send of {worker.ref} finds its connection dead", after(config, state, workers=workers)
        return
    request = _request(config, worker)
    twice = (request, request) if config.breaks("transport_retry") else (request,)
    workers = with_worker(state, number, worker._replace(at="wait", job=NO_JOB, fenced=False))
    yield (
        f"{worker.ref} is SENT ({worker.how})",
        after(config, state, requests=(*state.requests, *twice), workers=workers),
    )


def _receives(config: Config, state: State, number: int) -> Steps:
    worker = state.workers[number]
    mine = [one for one in state.answers if (one.ref, one.token) == worker.connection]
    for answer in sorted(set(mine)):
        answers = list(state.answers)
        answers.remove(answer)
        told = worker._replace(at=_meaning(config, worker, answer.kind), job=answer.job, how="")
        workers = with_worker(state, number, told)
        yield (
            f"{worker.ref} is answered: {answer.kind}",
            after(config, state, answers=tuple(answers), workers=workers),
        )
    answers = tuple(one for one in state.answers if one not in mine)
    then = worker._replace(at="unclear", how="")
    if worker.how == "first" and config.breaks("blind_retry"):
        then = worker._replace(at="send", how="retry")
    elif worker.how == "first" and config.breaks("failover"):
        then = worker._replace(at="send", how="failover")
    workers = with_worker(state, number, then)
    yield f"{worker.ref} is not answered in time", after(config, state, answers=answers, workers=workers)


def _meaning(config: Config, worker: Worker, kind: str) -> str:
    """Sort an answer by what it proves; a refusal proves nothing while an older send may live."""
    if kind == "job":
        return "made"
    if kind in ("throttled", "refused"):
        alone = worker.how in ("first", "again_quiet") or config.breaks("resend_refusal_final")
        return kind if alone else "unclear"
    return "throttled" if config.breaks("5xx_is_refusal") else "unclear"


def _records_unknown(config: Config, state: State, number: int) -> Steps:
    worker, attempts = state.workers[number], state.attempts
    row = state.row(worker.ref)
    if row is not None and row.state == "sending":
        attempts = with_attempt(attempts, row._replace(state="unknown"))
    workers = with_worker(state, number, IDLE)
    yield f"{worker.ref} is recorded as unknown", after(config, state, attempts=attempts, workers=workers)


def _records_job(config: Config, state: State, number: int) -> Steps:
    """Record a job id, whatever was believed before; a twin that took it by mistake gives it back."""
    worker = state.workers[number]
    idle = with_worker(state, number, IDLE)
    videos, attempts = state.videos, state.attempts
    row = state.row(worker.ref)
    token = worker.token if row is None else row.token
    mine = Attempt(worker.ref, "accepted", token, worker.job)
    other = next((one for one in attempts if one.job == worker.job and one.ref != worker.ref), None)
    if other is not None and other.video == worker.video:
        yield f"job {worker.job} is known already", after(config, state, workers=idle)
        return
    if other is not None and config.breaks("no_swap"):
        yield (
            f"job {worker.job} is bound to a second attempt, {worker.ref}",
            after(config, state, attempts=with_attempt(attempts, mine), workers=idle),
        )
        return
    if other is not None:
        stripped = Attempt(other.ref, "unknown", (other.token[0], other.token[1] + 100))
        attempts = with_attempt(attempts, stripped)
        if videos[other.video] == "accepted":
            videos = with_video(videos, other.video, "in_progress")
    attempts = with_attempt(attempts, mine)
    videos = known(videos, worker.video)
    bound = after(config, state, videos=videos, attempts=attempts, workers=idle)
    yield f"job {worker.job} is recorded for {worker.ref}", bound
    yield (
        f"job {worker.job} is recorded for {worker.ref}, and the acknowledgement lost",
        after(config, state, videos=videos, attempts=attempts),
    )


def _records_refusal(config: Config, state: State, number: int) -> Steps:
    """Record that nothing was made; it lands only on the send that it is about."""
    worker, videos, attempts = state.workers[number], state.videos, state.attempts
    row = state.row(worker.ref)
    live = UNCERTAIN if not config.breaks("refusal_over_accepted") else (*UNCERTAIN, "accepted")
    fresh = row is not None and (row.token == worker.token or config.breaks("no_token_check"))
    settle = failed if worker.at == "refused" else queued_again
    if row is not None and fresh and row.state in live:
        attempts = with_attempt(attempts, row._replace(state="not_created", job=NO_JOB))
        videos = settle(videos, worker.video)
    elif worker.at == "refused" and config.breaks("stale_refusal_fails"):
        videos = failed(videos, worker.video)
    workers = with_worker(state, number, IDLE)
    yield (
        f"{worker.ref} is recorded as {worker.at}",
        after(config, state, videos=videos, attempts=attempts, workers=workers),
    )
