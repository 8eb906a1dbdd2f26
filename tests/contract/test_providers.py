"""One suite for every provider and every fault: the effect of each fault is an assertion."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from filmgate.domain.errors import (
    OutcomeUnknown,
    RefusalKind,
    Refused,
    SendFenceClosed,
    SubmitError,
    Throttled,
    Unavailable,
)
from filmgate.domain.provider import JobState, Provider
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.http import DownloadRefused, WireTrouble
from tests.contract.providers import CASES, FINAL, PNG, Case, bench

pytestmark = pytest.mark.anyio

every_provider = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)

KEY = "key-of-ours"
# Faults after which something may have been made, and whether something was.
UNKNOWN = {
    "lost-before-accept": False,
    "error-before": False,
    "error-in-200": False,
    "redirect": False,
    "lost-after-accept": True,
    "error-after": True,
    "html": True,
    "truncated-json": True,
    "empty-answer": True,
    "without-id": True,
    "deep-json": True,
    "huge-body megabytes=6": True,
    "slow-headers seconds=1": True,
    "endless-headers seconds=1": True,
    "slow-body seconds=2": True,
    "dropped-created-late seconds=0.1": True,
}
MODERATION = {RefusalKind.POLICY, RefusalKind.PROMPT, RefusalKind.OUTPUT, RefusalKind.REQUEST}


def check_protocol(provider: Provider) -> Provider:
    """Have the type checker see that a provider is one."""
    return provider


@every_provider
async def test_a_film_is_made_fetched_and_paid_once(case: Case, tmp_path: Path) -> None:
    async with bench(case) as at:
        check_protocol(at.provider)
        job = await at.submitted("A kite over a harbour")
        assert (await at.until_final(job)).state is JobState.SUCCEEDED
        await at.provider.download(job, tmp_path / "film.mp4")
        assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
        assert (at.fences, at.posts(), at.created()) == (1, 1, 1)
        await at.provider.forget(job)


@every_provider
async def test_what_was_asked_is_what_is_sent(case: Case) -> None:
    async with bench(case) as at:
        await at.submitted("A red kite – “dawn” 🪁", seed=2**31 - 1)
        (entry,) = at.judge.ledger(vendor=case.twin)
        assert entry["prompt"] == "A red kite – “dawn” 🪁"
        assert entry["model"] in {case.model, f"{case.model}/text-to-video"}
        assert entry["seconds"] == 4
        assert entry["seed"] in {None, 2**31 - 1}


@every_provider
async def test_a_film_is_made_from_an_image(case: Case) -> None:
    async with bench(case) as at:
        if case.name in {"openai", "litellm"}:
            # The image must have the film's size there, and this one has a single pixel.
            with pytest.raises(Refused):
                await at.submitted("The kite rises", image=PNG)
            return
        job = await at.submitted("The kite rises", image=PNG)
        assert (await at.until_final(job)).state is JobState.SUCCEEDED


@every_provider
async def test_an_image_that_is_none_is_refused_before_anything_is_sent(case: Case) -> None:
    async with bench(case) as at:
        with pytest.raises(Refused) as caught:
            at.provider.prepare(at.order(image=b"GIF89a"))
        assert caught.value.kind is RefusalKind.IMAGE
        assert at.posts() == 0


@every_provider
async def test_the_same_order_is_always_the_same_bytes(case: Case) -> None:
    async with bench(case) as at:
        assert at.provider.prepare(at.order()) == at.provider.prepare(at.order())


@every_provider
async def test_a_fence_that_closes_leaves_no_trace_at_the_vendor(case: Case) -> None:
    async with bench(case) as at:

        async def closed() -> None:
            raise SendFenceClosed("cancelled meanwhile")

        order = at.order()
        with pytest.raises(SendFenceClosed):
            await at.provider.submit(order, at.provider.prepare(order), closed)
        assert at.posts() == 0


@every_provider
async def test_a_vendor_that_cannot_be_reached_was_sent_nothing(case: Case) -> None:
    async with bench(case) as at:
        at.judge.refuse(5)
        with pytest.raises(Unavailable):
            await at.submit(at.order())
        assert (at.fences, at.posts()) == (0, 0)


@every_provider
@pytest.mark.parametrize("fault", UNKNOWN)
async def test_without_a_clear_answer_the_outcome_is_unknown_and_nothing_is_repeated(
    case: Case, fault: str
) -> None:
    async with bench(case) as at:
        at.provider.send_seconds = 0.5
        with pytest.raises(OutcomeUnknown):
            await at.submitted(f"A kite [twin:{fault}]")
        await asyncio.sleep(0.15)
        assert (at.fences, at.posts()) == (1, 1)
        assert at.created() == UNKNOWN[fault]


@every_provider
async def test_a_connection_cut_before_reading_is_unknown_too(case: Case) -> None:
    async with bench(case) as at:
        at.judge.fault("drop-before-reading", operation="create")
        with pytest.raises(OutcomeUnknown):
            await at.submit(at.order())
        assert (at.fences, at.posts(), at.created()) == (1, 1, 0)


@every_provider
async def test_a_slow_answer_is_waited_for(case: Case) -> None:
    async with bench(case) as at:
        job = await at.submitted("A kite [twin:slow-body seconds=0.3]")
        assert job.id
        assert at.posts() == 1


@every_provider
@pytest.mark.parametrize("fault", ["rate-limited retry_after=7", "rate-limited-silent"])
async def test_too_many_requests_make_nothing_and_wait(case: Case, fault: str) -> None:
    async with bench(case) as at:
        with pytest.raises(Throttled) as caught:
            await at.submitted(f"A kite [twin:{fault}]")
        pause = caught.value.retry_after
        assert pause is None or timedelta(0) < pause <= timedelta(hours=1)
        assert (at.posts(), at.created(), at.billed()) == (1, 0, 0)


@every_provider
async def test_a_prompt_that_is_refused_makes_nothing(case: Case) -> None:
    async with bench(case) as at:
        with pytest.raises(Refused) as caught:
            await at.submitted("A kite [twin:moderated-before]")
        assert caught.value.kind in MODERATION
        assert caught.value.kind is not RefusalKind.REQUEST or not case.says_moderated
        assert str(caught.value)
        assert (at.posts(), at.created(), at.billed()) == (1, 0, 0)


@every_provider
@pytest.mark.parametrize(
    ("key", "kind"),
    [("bad", RefusalKind.KEY), ("forbidden", RefusalKind.KEY), ("out-of-quota", RefusalKind.QUOTA)],
)
async def test_a_key_that_opens_nothing_is_told_apart(case: Case, key: str, kind: RefusalKind) -> None:
    async with bench(case, key=key) as at:
        if kind is RefusalKind.QUOTA and case.name in {"vllm", "sglang"}:
            pytest.skip("nothing is spent on one's own server")
        with pytest.raises(SubmitError) as caught:
            await at.submit(at.order())
        if kind is RefusalKind.QUOTA and case.quota_means_later:
            assert isinstance(caught.value, Throttled)
        else:
            assert isinstance(caught.value, Refused)
            assert caught.value.kind is kind
        assert key not in str(caught.value)
        assert (at.posts(), at.created(), at.billed()) == (1, 0, 0)


@every_provider
async def test_a_status_word_that_nobody_knows_means_processing(case: Case) -> None:
    async with bench(case, speed=1.0) as at:
        job = await at.submitted("A kite [twin:unknown-status]")
        running = at.judge.twin.world.jobs[case.twin].named(job.id)
        assert running is not None
        running.queue = 0.0
        progress = await at.poll(job)
        assert progress is not None
        assert progress.state is JobState.PROCESSING


@every_provider
async def test_a_job_that_waits_is_pending(case: Case) -> None:
    async with bench(case, speed=1.0) as at:
        progress = await at.poll(await at.submitted("A kite [twin:long-queue]"))
        assert progress is not None
        assert progress.state is JobState.PENDING
        assert progress.percent in {None, 0}


@every_provider
@pytest.mark.parametrize("fault", ["failed", "failed-without-reason", "moderated-after"])
async def test_a_job_that_fails_has_failed_and_is_not_sent_again(case: Case, fault: str) -> None:
    async with bench(case) as at:
        job = await at.submitted(f"A kite [twin:{fault}]")
        progress = await at.until_final(job)
        assert progress.state is JobState.FAILED
        if fault == "moderated-after" and case.says_moderated:
            assert progress.code in MODERATION - {RefusalKind.REQUEST}
        assert (at.posts(), at.billed()) == (1, 0)


@every_provider
@pytest.mark.parametrize("fault", ["stuck", "never-ends", "progress-backwards"])
async def test_a_percentage_stays_within_bounds(case: Case, fault: str) -> None:
    async with bench(case) as at:
        job = await at.submitted(f"A kite [twin:{fault}]")
        for _ in range(6):
            progress = await at.poll(job)
            assert progress is not None
            assert progress.percent is None or 0 <= progress.percent <= 100
            assert progress.state not in {JobState.FAILED, JobState.CANCELLED}
            await asyncio.sleep(0.01)


@every_provider
@pytest.mark.parametrize("fault", ["error-before", "rate-limited", "html", "truncated-json", "deep-json"])
async def test_a_poll_that_brings_nothing_says_nothing(case: Case, fault: str) -> None:
    async with bench(case) as at:
        job = await at.submitted(f"A kite [twin:{fault}@poll times=1]")
        progress = await at.poll(job)
        assert progress is None or progress.state not in FINAL
        assert (await at.until_final(job)).state is JobState.SUCCEEDED


@every_provider
async def test_a_job_that_its_vendor_no_longer_knows_is_given_up_after_a_while(case: Case) -> None:
    async with bench(case) as at:
        at.provider.asking.missing_seconds = 0.2
        job = await at.submitted("A kite [twin:vanish-while-running]")
        assert (await at.until_final(job)).state is JobState.FAILED
        assert at.posts() == 1


@every_provider
@pytest.mark.parametrize("fault", ["vanish-after-success", "result-missing"])
async def test_a_film_that_is_nowhere_cannot_be_fetched(case: Case, fault: str, tmp_path: Path) -> None:
    async with bench(case) as at:
        at.provider.asking.missing_seconds = 0.2
        job = await at.submitted(f"A kite [twin:{fault}]")
        progress = await at.until_final(job)
        if progress.state is JobState.SUCCEEDED:
            with pytest.raises((DownloadRefused, WireTrouble)):
                await at.provider.download(job, tmp_path / "film.mp4")
        assert not (tmp_path / "film.mp4").exists()
        assert at.posts() == 1


@every_provider
@pytest.mark.parametrize("fault", ["url-expired", "media-cut"])
async def test_a_download_that_breaks_can_be_taken_up_again(case: Case, fault: str, tmp_path: Path) -> None:
    async with bench(case) as at:
        job = await at.submitted(f"A kite [twin:{fault}]")
        await at.until_final(job)
        with pytest.raises((DownloadRefused, WireTrouble)):
            await at.provider.download(job, tmp_path / "film.mp4")
        assert not (tmp_path / "film.mp4").exists()
        await at.provider.download(job, tmp_path / "film.mp4")
        assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"


@every_provider
@pytest.mark.parametrize("fault", ["url-forbidden", "length-long"])
async def test_half_a_film_is_never_left(case: Case, fault: str, tmp_path: Path) -> None:
    async with bench(case) as at:
        job = await at.submitted(f"A kite [twin:{fault}]")
        await at.until_final(job)
        with pytest.raises((DownloadRefused, WireTrouble)):
            await at.provider.download(job, tmp_path / "film.mp4")
        assert not (tmp_path / "film.mp4").exists()


@every_provider
@pytest.mark.parametrize("fault", ["", "[twin:media-redirect]", "[twin:length-absent]"])
async def test_credentials_never_reach_the_media_host(case: Case, fault: str, tmp_path: Path) -> None:
    async with bench(case) as at:
        job = await at.submitted(f"A kite {fault}")
        await at.until_final(job)
        await at.provider.download(job, tmp_path / "film.mp4")
        for seen in at.judge.requests(place="media"):
            assert not {"authorization", "x-goog-api-key", "cookie"} & set(seen["headers"])
            assert KEY not in seen["path"]


@every_provider
async def test_a_film_at_a_private_address_is_not_fetched(case: Case, tmp_path: Path) -> None:
    async with bench(case) as at:
        strict = case.connect(case.account(at.judge, KEY), AddressGuard(plain_http=True))
        job = await at.submitted("A kite [twin:media-redirect]")
        await at.until_final(job)
        with pytest.raises((DownloadRefused, WireTrouble)):
            await strict.download(job, tmp_path / "film.mp4")
        await strict.close()
        assert not at.judge.requests(place="media")


@every_provider
async def test_a_cancel_says_what_came_of_it_and_may_be_repeated(case: Case) -> None:
    async with bench(case, speed=1.0) as at:
        job = await at.submitted("A kite [twin:long-queue]")
        outcome = await at.provider.cancel(job)
        assert outcome.stopped is (case.stops_running or case.name == "ark")
        assert outcome.charged is not False or at.billed() == 0
        await at.provider.cancel(job)
        assert at.posts() == 1
