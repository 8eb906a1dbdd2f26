"""Provider jobs are followed to their end, whatever the provider answers."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.provider import CancelOutcome, JobState, Progress
from filmgate.domain.video import VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.services import watching
from filmgate.services.polling import PollPlan
from filmgate.services.watching import WatchingService
from tests.integration.makers import attempts_of, put_attempt, row_of, slots_taken, state_of, steps_of
from tests.integration.scripted import Scripted, Works, open_works

pytestmark = pytest.mark.anyio

ACCEPTED = AttemptState.ACCEPTED


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> AsyncGenerator[Works, None]:
    async with open_works(database, tmp_path) as opened:
        yield opened


async def test_progress_is_shown_and_the_job_is_polled_again(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, ACCEPTED)
    works.vendor.progress = Progress(JobState.PROCESSING, 40)
    assert not await works.watching.watch()
    assert (await row_of(works.database, video_id))["progress"] == 40
    assert await state_of(works.database, attempt_id) is ACCEPTED
    assert 0 < (await works.watching.seconds_to_next_poll() or 0) <= 30
    await works.watching.watch()
    assert len(works.vendor.polled) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Progress(JobState.PENDING),
        Progress(JobState.PROCESSING, None),
        None,
        ConnectionResetError("cut"),
        KeyError(),
    ],
    ids=str,
)
async def test_an_answer_that_says_nothing_changes_nothing(
    works: Works, answer: Progress | Exception | None
) -> None:
    video_id, attempt_id = await put_attempt(works.database, ACCEPTED)
    works.vendor.progress = answer
    await works.watching.watch()
    assert await state_of(works.database, attempt_id) is ACCEPTED
    row = await row_of(works.database, video_id)
    assert (row["status"], row["progress"]) == ("in_progress", 0)
    assert 0 < (await works.watching.seconds_to_next_poll() or 0) <= 30


@pytest.mark.parametrize("percent", [-5, 100, 1000, 10**6])
async def test_a_figure_that_cannot_be_does_no_harm(works: Works, percent: int) -> None:
    video_id, _ = await put_attempt(works.database, ACCEPTED)
    works.vendor.progress = Progress(JobState.PROCESSING, percent)
    await works.watching.watch()
    assert 0 <= (await row_of(works.database, video_id))["progress"] < 100


async def test_success_is_collected_once(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, ACCEPTED)
    works.vendor.progress = Progress(JobState.SUCCEEDED, 100)
    await works.watching.watch()
    await works.watching.watch()
    assert await state_of(works.database, attempt_id) is AttemptState.SUCCEEDED
    assert await steps_of(works.database, "collect") == [attempt_id]
    assert (await row_of(works.database, video_id))["status"] == "in_progress"


@pytest.mark.parametrize(
    ("progress", "state", "code", "message"),
    [
        (Progress(JobState.FAILED, reason="No.", code="policy"), "failed", "policy", "No."),
        (
            Progress(JobState.FAILED),
            "failed",
            "provider_failed",
            "scripted failed the job and gave no reason.",
        ),
        (Progress(JobState.CANCELLED, reason="Stopped."), "cancelled", "provider_cancelled", "Stopped."),
        (Progress(JobState.FAILED, reason="a\x00b\ud800", code="x\x00"), "failed", None, None),
    ],
    ids=["with reason", "without reason", "cancelled", "unprintable"],
)
async def test_a_job_that_ended_badly_fails_its_video_with_what_was_said(
    works: Works, progress: Progress, state: str, code: str | None, message: str | None
) -> None:
    video_id, _ = await put_attempt(works.database, ACCEPTED)
    works.vendor.progress = progress
    await works.watching.watch()
    assert [row["state"] for row in await attempts_of(works.database, video_id)] == [state]
    video = await works.videos.get(video_id)
    assert video is not None
    assert video.error is not None
    assert (video.status, video.error.said_by) == (VideoStatus.FAILED, "scripted")
    assert code is None or (video.error.code, video.error.message) == (code, message)
    assert await slots_taken(works.database) == 0
    assert works.wakes


async def test_the_job_of_a_cancelled_video_is_stopped_until_the_provider_confirms(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, ACCEPTED, status=VideoStatus.CANCELLED)
    works.vendor.stopping = ConnectionResetError("cut")
    for _ in range(2):
        await works.watching.watch()
        await works.watching.wake_job("scripted", f"vendor-{attempt_id}")
    assert works.vendor.stopped == [f"vendor-{attempt_id}"] * 2
    works.vendor.stopping = CancelOutcome(True, False)
    works.vendor.progress = Progress(JobState.CANCELLED)
    await works.watching.watch()
    assert await state_of(works.database, attempt_id) is AttemptState.CANCELLED
    assert (await row_of(works.database, video_id))["status"] == "cancelled"
    await works.watching.wake_job("scripted", f"vendor-{attempt_id}")
    await works.watching.watch()
    assert len(works.vendor.stopped) == 3


async def test_a_provider_that_hangs_is_left_after_a_while(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "STOP_SECONDS", 0.05)
    works.vendor.delay = 30
    _, attempt_id = await put_attempt(works.database, ACCEPTED, status=VideoStatus.CANCELLED)
    async with asyncio.timeout(5):
        await works.watching.watch()
    assert await state_of(works.database, attempt_id) is ACCEPTED


async def test_more_than_one_claim_is_told_so_that_the_next_follows_at_once(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "CLAIM_AT_ONCE", 2)
    for _ in range(3):
        await put_attempt(works.database, ACCEPTED)
    assert [await works.watching.watch() for _ in range(2)] == [True, False]
    assert len(set(works.vendor.polled)) == 3


async def test_one_bad_job_does_not_hold_up_its_neighbours(works: Works) -> None:
    made = [(await put_attempt(works.database, ACCEPTED))[1] for _ in range(3)]
    answers = {
        f"vendor-{made[0]}": Progress(JobState.FAILED, reason="a\x00b"),
        f"vendor-{made[1]}": Progress(JobState.SUCCEEDED),
        f"vendor-{made[2]}": Progress(JobState.PROCESSING, 50),
    }

    class Mixed(Scripted):
        async def poll(self, jobs: object) -> dict[str, Progress]:
            return answers

    service = WatchingService(works.videos, works.attempts, {"scripted": Mixed()}, lambda: None, PollPlan())
    await service.watch()
    states = [await state_of(works.database, name) for name in made]
    assert states == [AttemptState.FAILED, AttemptState.SUCCEEDED, ACCEPTED]


async def test_a_provider_that_is_no_longer_set_up_does_not_hold_up_the_others(works: Works) -> None:
    _, orphan = await put_attempt(works.database, ACCEPTED)
    await works.database.execute("UPDATE attempts SET provider = 'gone'")
    _, other = await put_attempt(works.database, ACCEPTED)
    works.vendor.progress = Progress(JobState.SUCCEEDED)
    await works.watching.watch()
    assert await state_of(works.database, other) is AttemptState.SUCCEEDED
    assert await state_of(works.database, orphan) is ACCEPTED
