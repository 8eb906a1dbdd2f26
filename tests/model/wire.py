"""What happens on the wire and at the provider: requests lost, late or answered, jobs made and listed."""

from tests.model.state import Answer, Config, Job, Request, State, Step, Steps, after, known, with_attempt


def wire_steps(config: Config, state: State) -> Steps:
    """Yield every step of the network and of the provider."""
    for request in sorted(set(state.requests)):
        yield from _delivers(config, state, request)
    for answer in sorted(set(state.answers)):
        answers = list(state.answers)
        answers.remove(answer)
        yield f"the answer to {answer.ref} is lost", after(config, state, answers=tuple(answers))
    for number in range(len(state.jobs)):
        yield from _ages(config, state, number)
        if config.callbacks:
            yield from _calls_back(config, state, number)
    if config.keys:
        yield from _keys_expire(config, state)


def _delivers(config: Config, state: State, request: Request) -> Steps:
    left = list(state.requests)
    left.remove(request)
    waited = any(one.at == "wait" and one.connection == (request.ref, request.token) for one in state.workers)

    def then(what: str, kind: str, job: int = -1, jobs: tuple[Job, ...] = state.jobs) -> Step:
        answers = state.answers
        if waited and kind:
            answers = (*answers, Answer(request.ref, request.token, kind, job))
        return f"{what} {request.ref}", after(config, state, requests=tuple(left), answers=answers, jobs=jobs)

    yield then("the wire loses", "")
    same = [number for number, job in enumerate(state.jobs) if config.keys and _recognised(job, request)]
    if same:
        yield then(f"the provider recognises job {same[0]} in", "job", same[0])
        return
    job = Job(request.ref, request.key if config.keys else "", request.body, request.target)
    jobs = (*state.jobs, job)
    yield then("the provider CREATES a job for", "job", len(state.jobs), jobs)
    yield then("the provider CREATES a job, and answers 5xx, for", "5xx", jobs=jobs)
    if waited:
        yield then("the provider throttles", "throttled")
        yield then("the provider makes nothing, and answers 5xx, for", "5xx")
        if config.refusals:
            yield then("the provider refuses", "refused")


def _recognised(job: Job, request: Request) -> bool:
    return (job.key, job.body, job.target) == (request.key, request.body, request.target)


def _ages(config: Config, state: State, number: int) -> Steps:
    job = state.jobs[number]
    if not job.listed:
        jobs = _with_job(state, number, job._replace(listed=True))
        yield f"job {number} is listed", after(config, state, jobs=jobs)
    moving = any(one.video == job.video for one in state.requests)
    if job.key and job.video in state.expired and not moving:
        workers = tuple(
            one._replace(fenced=True) if one.at == "send" and one.video == job.video else one
            for one in state.workers
        )
        jobs = _with_job(state, number, job._replace(key=""))
        yield (
            f"the provider forgets the key of job {number}",
            after(config, state, jobs=jobs, workers=workers),
        )


def _calls_back(config: Config, state: State, number: int) -> Steps:
    """A callback carries the video's reference: it binds the job to the attempt that is still uncertain."""
    job = state.jobs[number]
    live = state.live(job.video)
    if live is None or live.state == "accepted" or number in state.bound():
        return
    attempts = with_attempt(state.attempts, live._replace(state="accepted", job=number))
    videos = known(state.videos, job.video)
    yield f"a callback names job {number}", after(config, state, attempts=attempts, videos=videos)


def _keys_expire(config: Config, state: State) -> Steps:
    for video in range(len(state.videos)):
        known_to_us = bool(state.of(video)) or any(one.video == video for one in state.requests)
        if video not in state.expired and known_to_us:
            expired = state.expired | {video}
            yield f"the key of video {video} is as good as expired", after(config, state, expired=expired)


def _with_job(state: State, number: int, job: Job) -> tuple[Job, ...]:
    return (*state.jobs[:number], job, *state.jobs[number + 1 :])
