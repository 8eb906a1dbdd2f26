"""The real services walk the submit protocol in orders that nobody planned, and never pay twice.

What the model in ``tests/model`` proves of the protocol, these walks look for in the code: crashes,
senders that wake too late, lost and late answers, callbacks, cancels, operators, two workers at once.
``SUBMIT_WALKS=2000`` walks that many, at random.
"""

import os
from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from secrets import token_hex

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from filmgate.infrastructure.database import Database
from tests.integration.billing import Evidence
from tests.integration.restore_walks import open_restore_walk
from tests.integration.submit_walks import SubmitWalk, open_services, record_transitions

pytestmark = pytest.mark.anyio

_WALKS = int(os.environ.get("SUBMIT_WALKS", "0"))


@pytest.fixture
async def recording(dsn: str) -> AsyncGenerator[Database, None]:
    """A database that writes down how attempts change; nothing here outlives it, so it need not wait."""
    opened = Database(f"{dsn}{'&' if '?' in dsn else '?'}synchronous_commit=off", size=4)
    await opened.open()
    await record_transitions(opened)
    yield opened
    await opened.close()


@pytest.mark.timeout(60 + _WALKS * 2)
@pytest.mark.parametrize("evidence", Evidence)
@settings(
    max_examples=_WALKS or 60,
    derandomize=not _WALKS,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(videos=st.integers(1, 2), steps=st.integers(10, 60), seed=st.integers(0, 2**32))
async def test_no_order_of_events_pays_twice_or_forgets_a_job(
    recording: Database, tmp_path: Path, evidence: Evidence, videos: int, steps: int, seed: int
) -> None:
    # Drawn choices would cluster around zero; a seed spreads them, and shrinking still shortens the walk.
    chance = Random(seed)
    walk = SubmitWalk(open_services(recording, tmp_path, evidence))
    try:
        await walk.start(videos)
        for _ in range(steps):
            await walk.step(chance)
        await walk.settle()
    finally:
        note("\n".join(walk.log))
        await walk.close()


@pytest.mark.timeout(90 + _WALKS * 3)
@pytest.mark.parametrize("evidence", Evidence)
@settings(
    max_examples=_WALKS or 40,
    derandomize=not _WALKS,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(videos=st.integers(1, 2), steps=st.integers(10, 60), seed=st.integers(0, 2**32))
async def test_no_restore_of_the_database_pays_twice_or_forgets_a_job(
    recording: Database, tmp_path: Path, evidence: Evidence, videos: int, steps: int, seed: int
) -> None:
    chance = Random(seed)
    walk = open_restore_walk(recording, tmp_path / token_hex(8), evidence)
    try:
        await walk.start(videos)
        for _ in range(steps):
            await walk.step(chance)
        await walk.settle()
    finally:
        note("\n".join(walk.log))
        await walk.close()


_SEND = (
    "worker 0 submits 0",
    "let the sender of 0 before the fence go on",
    "let the sender of 0 past the fence go on",
)
_ANSWERED = "answer the sender of 0 waiting for the answer"


@pytest.mark.parametrize("refusal", ["refuse", "pass over", "throttle"])
@pytest.mark.parametrize("sent_anew", [0, 1, 2, 3])
async def test_a_refusal_that_is_heard_too_late_leaves_a_video_alone_that_was_sent_anew(
    recording: Database, tmp_path: Path, refusal: str, sent_anew: int
) -> None:
    walk = SubmitWalk(open_services(recording, tmp_path, Evidence.EXACT))
    await walk.start(1)
    late = [*_SEND, f"{refusal} the create of 0", "the lease of 1 of 0 expires"]
    for label in [*late, "the quiet time of 0 passes", "reconcile 1 of 0", *_SEND[:sent_anew]]:
        await walk.take(label)
    await walk.take(_ANSWERED)
    await walk.settle()
    await walk.close()


_STORIES = {
    "a look before the create arrives": (
        *_SEND,
        "the lease of 1 of 0 expires",
        "reconcile 1 of 0",
        "make a job of the create of 0",
    ),
    "an error after the job was made": (*_SEND, "make a job of the create of 0, and answer 5xx", _ANSWERED),
    "no answer after the job was made": (
        *_SEND,
        "make a job of the create of 0",
        "crash the sender of 0 waiting for the answer",
        "the lease of 1 of 0 expires",
        "the quiet time of 0 passes",
        "reconcile 1 of 0",
    ),
    "an answer after the video was cancelled": (
        *_SEND,
        "cancel 0",
        "make a job of the create of 0",
        "the lease of 1 of 0 expires",
        _ANSWERED,
    ),
    "a sender that wakes too late": (
        *_SEND[:2],
        "the lease of 1 of 0 expires",
        "the quiet time of 0 passes",
        "reconcile 1 of 0",
        "wake the sender of 0 past the fence, held up",
    ),
}


@pytest.mark.parametrize("evidence", Evidence)
@pytest.mark.parametrize("story", _STORIES.values(), ids=_STORIES)
async def test_what_is_most_likely_to_happen_pays_once(
    recording: Database, tmp_path: Path, evidence: Evidence, story: tuple[str, ...]
) -> None:
    walk = SubmitWalk(open_services(recording, tmp_path, evidence))
    await walk.start(1)
    for label in story:
        await walk.take(label)
    await walk.settle()
    await walk.close()
