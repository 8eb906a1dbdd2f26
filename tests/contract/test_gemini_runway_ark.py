"""What only Gemini, Runway and Ark do, against their twins."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from filmgate.domain.errors import OutcomeUnknown, Throttled
from filmgate.domain.money import Money
from filmgate.domain.provider import CancelOutcome, CannotTell, Found, JobState, NotThere, ProviderJob
from filmgate.infrastructure.http import DownloadRefused
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.providers import gemini
from tests.contract.providers import CASES, PNG, Bench, bench
from tests.contract.test_callbacks import receiving, until

pytestmark = pytest.mark.anyio

BY_NAME = {case.name: case for case in CASES}
GEMINI, RUNWAY, ARK = BY_NAME["gemini"], BY_NAME["runway"], BY_NAME["ark"]


def advance(at: Bench, job: ProviderJob, state: JobState) -> None:
    """Bring a job of a twin in real time to a state."""
    made = at.judge.twin.world.jobs[at.case.twin].named(job.id)
    assert made is not None
    now = at.judge.twin.world.now()
    match state:
        case JobState.PROCESSING:
            made.queue = 0.0
        case _:
            made.finish(now)


async def test_gemini_gives_the_delay_of_its_429_in_the_body() -> None:
    async with bench(GEMINI) as at:
        with pytest.raises(Throttled) as caught:
            await at.submitted("A kite [twin:rate-limited retry_after=7]")
        assert caught.value.retry_after is not None
        assert caught.value.retry_after.total_seconds() == 7


async def test_gemini_films_that_come_inside_the_answer_are_taken_too(tmp_path: Path) -> None:
    async with bench(GEMINI) as at:
        job = await at.submitted("A kite [twin:gemini-inline]")
        assert (await at.until_final(job)).state is JobState.SUCCEEDED
        await at.provider.download(job, tmp_path / "film.mp4")
        assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
        assert not at.judge.requests(place="media")


async def test_gemini_failures_that_answer_every_read_with_400_are_the_end() -> None:
    async with bench(GEMINI) as at:
        job = await at.submitted("A kite [twin:gemini-get-400]")
        progress = await at.until_final(job)
        assert progress.state is JobState.FAILED
        assert "Unsupported file uri" in str(progress.reason)
        assert at.posts() == 1


async def test_gemini_says_in_its_own_words_why_a_film_was_held_back() -> None:
    async with bench(GEMINI) as at:
        progress = await at.until_final(await at.submitted("A kite [twin:moderated-after]"))
        assert (progress.state, progress.code) == (JobState.FAILED, "output")
        assert progress.reason == "I cannot show the video that was made."


async def test_gemini_files_are_waited_for_until_they_are_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini, "_FILE_PAUSE_SECONDS", 0.05)
    async with bench(GEMINI, speed=5.0) as at:
        job = await at.submitted("A kite")
        await at.until_final(job)
        await at.provider.download(job, tmp_path / "film.mp4")
        looks = [seen for seen in at.judge.requests(operation="other") if "/files/" in seen["path"]]
        assert len(looks) > 1
        assert len(at.judge.requests(operation="download", place="wires")) == 1


async def test_gemini_forgets_what_is_stored_at_home() -> None:
    async with bench(GEMINI) as at:
        job = await at.submitted("A kite")
        await at.until_final(job)
        await at.provider.forget(job)
        await at.provider.forget(job)
        assert await at.poll(job) is None


async def test_gemini_callbacks_recover_a_job_whose_answer_was_lost() -> None:
    async with receiving() as (url, received), bench(GEMINI, callback_url=url) as at:
        with pytest.raises(OutcomeUnknown):
            await at.submitted("A kite [twin:lost-after-accept]")
        assert await at.provider.find_lost(at.order(), datetime.now(UTC)) == CannotTell()
        await until(received, 1)
        path, headers, body = received[-1]
        notice = await at.provider.notice(headers, body, datetime.now(UTC))
        (entry,) = at.judge.ledger(vendor="gemini")
        assert notice.job_id == entry["job"]
        assert path.startswith("/hooks/gemini/vid_0001?seal=")


@pytest.mark.parametrize("fault", ["webhook-forged", "webhook-stale"])
async def test_gemini_callbacks_that_are_forged_or_stale_are_refused(fault: str) -> None:
    async with receiving() as (url, received), bench(GEMINI, callback_url=url) as at:
        await at.submitted(f"A kite [twin:{fault}]")
        await until(received, 1)
        for _, headers, body in received:
            with pytest.raises(SignatureRefused):
                await at.provider.notice(headers, body, datetime.now(UTC))


async def test_ark_callbacks_are_believed_for_the_tag_they_carry() -> None:
    async with receiving() as (url, received), bench(ARK, callback_url=url) as at:
        job = await at.submitted("A kite")
        await until(received, 2)
        notices = [
            await at.provider.notice(headers, body, datetime.now(UTC)) for _, headers, body in received
        ]
        assert {notice.job_id for notice in notices} == {job.id}
        assert len({notice.delivery for notice in notices}) == 2
        changed = received[0][2].replace(b"vid_0001.", b"vid_0002.")
        with pytest.raises(SignatureRefused):
            await at.provider.notice({}, changed, datetime.now(UTC))


async def test_runway_says_what_a_film_has_cost() -> None:
    async with bench(RUNWAY) as at:
        progress = await at.until_final(await at.submitted("A kite", seconds=5.0))
        assert progress.cost == Money.parse("0.60")
        assert at.billed() == progress.cost.micros


async def test_runway_films_from_an_image_go_to_their_own_address() -> None:
    async with bench(RUNWAY) as at:
        await at.submitted("The kite rises", image=PNG)
        (seen,) = at.judge.requests(operation="create")
        assert seen["path"].endswith("/v1/image_to_video")


async def test_runway_waits_for_the_accounts_other_films() -> None:
    async with bench(RUNWAY, speed=1.0) as at:
        jobs = [await at.submitted(f"A kite {number} [twin:long-queue]") for number in range(6)]
        progress = await at.poll(jobs[-1])
        assert progress is not None
        assert progress.state is JobState.PENDING


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (JobState.PENDING, CancelOutcome(stopped=True, charged=False)),
        (JobState.PROCESSING, CancelOutcome(stopped=True, charged=True)),
        (JobState.SUCCEEDED, CancelOutcome(stopped=False, charged=True)),
    ],
)
async def test_runway_says_what_a_cancel_was_worth(state: JobState, outcome: CancelOutcome) -> None:
    async with bench(RUNWAY, speed=1.0) as at:
        job = await at.submitted("A kite")
        if state is not JobState.PENDING:
            advance(at, job, state)
        assert await at.provider.cancel(job) == outcome
        # Repeated it changes nothing, and never deletes what has ended.
        assert await at.provider.cancel(job) == outcome
        assert await at.poll(job) is not None
        assert (at.billed() > 0) is outcome.charged


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (JobState.PENDING, CancelOutcome(stopped=True, charged=False)),
        (JobState.PROCESSING, CancelOutcome(stopped=False, charged=True)),
        (JobState.SUCCEEDED, CancelOutcome(stopped=False, charged=True)),
    ],
)
async def test_ark_stops_only_what_still_waits(state: JobState, outcome: CancelOutcome) -> None:
    async with bench(ARK, speed=1.0) as at:
        job = await at.submitted("A kite")
        if state is not JobState.PENDING:
            advance(at, job, state)
        assert await at.provider.cancel(job) == outcome
        assert await at.provider.cancel(job) == outcome
        assert await at.poll(job) is not None
        deletes = at.judge.requests(operation="cancel")
        assert len(deletes) == (1 if state is JobState.PENDING else 0)


async def test_ark_finds_one_lost_task_among_hundreds() -> None:
    async with bench(ARK) as at:
        sent_at = datetime.now(UTC)
        with pytest.raises(OutcomeUnknown):
            await at.submitted("A kite [twin:lost-after-accept]")
        for number in range(0, 220, 20):
            several = (at.submitted("A boat", reference=f"vid_{number + extra:05}") for extra in range(20))
            await asyncio.gather(*several)
        (entry, *_) = at.judge.ledger(vendor="ark")
        assert await at.provider.find_lost(at.order(), sent_at) == Found(entry["job"])
        assert len(at.judge.requests(operation="list")) == 3
        absent: Any = at.order(reference="vid_99999")
        assert await at.provider.find_lost(absent, sent_at) == NotThere()


async def test_ark_successes_without_a_film_have_failed_with_a_reason() -> None:
    async with bench(ARK) as at:
        job = await at.submitted("A kite [twin:result-missing]")
        progress = await at.until_final(job)
        assert progress.state is JobState.FAILED
        assert progress.reason


async def test_gemini_films_that_are_nowhere_are_refused(tmp_path: Path) -> None:
    async with bench(GEMINI) as at:
        job = await at.submitted("A kite [twin:result-missing]")
        assert (await at.until_final(job)).state is JobState.FAILED
        with pytest.raises(DownloadRefused):
            await at.provider.download(job, tmp_path / "film.mp4")
