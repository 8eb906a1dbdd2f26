"""What happens in the database alone: cancels, expired leases, quiet times, operators and restores."""

from tests.model.state import (
    LIVE,
    UNCERTAIN,
    Attempt,
    Attempts,
    Config,
    Ref,
    State,
    Steps,
    Token,
    Videos,
    after,
    failed,
    known,
    queued_again,
    with_attempt,
    with_video,
)

_BEFORE_THE_BYTES = ("send", "send_first", "noted", "ready")


def database_steps(config: Config, state: State) -> Steps:
    """Yield every step that needs neither worker nor wire."""
    if config.cancels:
        yield from _cancels(config, state)
    for attempt in state.attempts:
        if attempt.state == "sending":
            yield from _lease_expires(config, state, attempt)
        elif state.is_open(attempt):
            yield from _quiet_time_passes(config, state, attempt)
            yield from _parks(config, state, attempt)
        elif attempt.state == "parked" and config.operator:
            yield from _operator(config, state, attempt)
    if state.restores:
        yield from _restores(config, state)


def epoch(config: Config, state: State) -> int:
    """Return how many restores there were; kept outside the database."""
    return config.restores - state.restores


def may_resend(config: Config, state: State, attempt: Attempt) -> bool:
    """Tell whether the provider would recognise the same create."""
    return config.keys and (attempt.video not in state.expired or config.breaks("ignore_key_ttl"))


def twins_open(state: State, attempt: Attempt) -> bool:
    """Tell whether another video's job may be mistaken for this one's."""
    return any(one.video != attempt.video and one.state in UNCERTAIN for one in state.attempts)


def _cancels(config: Config, state: State) -> Steps:
    for video, status in enumerate(state.videos):
        if status not in ("queued", "in_progress"):
            continue
        attempts = state.attempts
        live = state.live(video)
        if live is not None and config.breaks("cancel_forgets"):
            attempts = with_attempt(attempts, live._replace(state="not_created"))
        videos = with_video(state.videos, video, "cancelled")
        yield f"the client cancels video {video}", after(config, state, videos=videos, attempts=attempts)


def _lease_expires(config: Config, state: State, attempt: Attempt) -> Steps:
    """Clocks may lie, so a lease may expire at any time."""
    if config.breaks("expired_means_not_sent"):
        yield (
            f"the lease of {attempt.ref} expires: back in line",
            after(
                config,
                state,
                attempts=with_attempt(state.attempts, attempt._replace(state="not_created")),
                videos=queued_again(state.videos, attempt.video),
            ),
        )
    else:
        attempts = with_attempt(state.attempts, attempt._replace(state="unknown"))
        yield f"the lease of {attempt.ref} expires: unknown", after(config, state, attempts=attempts)


def _quiet_time_passes(config: Config, state: State, attempt: Attempt) -> Steps:
    """Nothing of the video is under way any more, jobs are listed, connections opened before are dead."""
    video = attempt.video
    moving = any(one.video == video for one in state.requests)
    hidden = any(one.video == video and not one.listed for one in state.jobs)
    if state.is_quiet(attempt) or moving or hidden:
        return
    workers = tuple(
        one._replace(fenced=True) if one.at in _BEFORE_THE_BYTES and one.video == video else one
        for one in state.workers
    )
    quiet = state.quiet | {(attempt.ref, attempt.token)}
    yield f"the quiet time of {attempt.ref} passes", after(config, state, quiet=quiet, workers=workers)


def _parks(config: Config, state: State, attempt: Attempt) -> Steps:
    if may_resend(config, state, attempt) or not state.is_quiet(attempt):
        return
    ambiguous = config.listing == "body" and not config.breaks("swap") and twins_open(state, attempt)
    if not config.listing or ambiguous:
        attempts = with_attempt(state.attempts, attempt._replace(state="parked"))
        yield f"{attempt.ref} is parked", after(config, state, attempts=attempts)
    if not config.listing and config.breaks("resend_parked"):
        attempts = with_attempt(state.attempts, attempt._replace(state="not_created"))
        videos = queued_again(state.videos, attempt.video)
        yield f"{attempt.ref} is sent again", after(config, state, attempts=attempts, videos=videos)


def _operator(config: Config, state: State, attempt: Attempt) -> Steps:
    """An operator looks at the provider's own page, and so knows."""
    jobs = [number for number, job in enumerate(state.jobs) if job.video == attempt.video]
    for job in jobs:
        attempts = with_attempt(state.attempts, attempt._replace(state="accepted", job=job))
        videos = known(state.videos, attempt.video)
        yield (
            f"the operator adopts job {job} for {attempt.ref}",
            after(config, state, attempts=attempts, videos=videos),
        )
    if not jobs:
        attempts = with_attempt(state.attempts, attempt._replace(state="not_created"))
        videos = failed(state.videos, attempt.video)
        yield f"the operator abandons {attempt.ref}", after(config, state, attempts=attempts, videos=videos)


def _restores(config: Config, state: State) -> Steps:
    """The database goes back to what it held a few commits ago."""
    for lost, held in enumerate(reversed(state.past), 1):
        rows = held
        if not config.breaks("no_restore_guard"):
            if config.journal:
                rows = _put_back(config, *rows, state.noted)
            else:
                rows = _guarded(*rows, epoch(config, state) + 1)
        restored = after(
            config,
            state,
            videos=rows[0],
            attempts=rows[1],
            restores=state.restores - 1,
            quiet=frozenset(),
        )
        yield f"the database is restored and loses {lost} commits", restored._replace(past=())


def _guarded(videos: Videos, attempts: Attempts, now: int) -> tuple[Videos, Attempts]:
    """Hold for sent whatever waits after a restore, and let no older fact land."""
    attempts = tuple(one._replace(token=(one.token[0], now)) for one in attempts)
    for video, status in enumerate(videos):
        mine = [one for one in attempts if one.video == video]
        if status == "queued" and not any(one.state in LIVE for one in mine):
            attempts = with_attempt(attempts, Attempt((video, len(mine)), "unknown", (1, now)))
            videos = with_video(videos, video, "in_progress")
    return videos, attempts


def _put_back(
    config: Config, videos: Videos, attempts: Attempts, noted: tuple[tuple[Ref, Token], ...]
) -> tuple[Videos, Attempts]:
    """Write down again the last noted send of each video, if it is missing; about those before was proof.

    The last is the one whose intent was written last: a stopped sender may wake and note an old one.
    """
    there = {(one.ref, one.token) for one in attempts}
    in_order = sorted(noted, key=lambda one: (one[1][1], one[0]))
    if config.breaks("order_of_notes"):
        in_order = list(noted)
    for ref, token in {ref[0]: (ref, token) for ref, token in in_order}.values():
        if (ref, token) in there or videos[ref[0]] not in ("queued", "in_progress"):
            continue
        for one in attempts:
            if one.video == ref[0] and one.state in UNCERTAIN:
                attempts = with_attempt(attempts, one._replace(state="not_created"))
        attempts = with_attempt(attempts, Attempt(ref, "unknown", token))
        videos = with_video(videos, ref[0], "in_progress")
    return videos, attempts
