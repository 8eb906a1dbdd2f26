"""Many jobs are asked about in one call where their vendor lists them; a list is never proof of an end."""

import asyncio
from datetime import timedelta

import pytest

from filmgate.domain.provider import JobState, ProviderJob
from filmgate.providers import asking
from tests.contract.providers import CASES, FINAL, Bench, Case, bench

pytestmark = pytest.mark.anyio

LISTING = [case for case in CASES if case.name in {"ark", "replicate", "openai", "vllm", "sglang"}]
OTHERS = [case for case in CASES if case not in LISTING]
listing = pytest.mark.parametrize("case", LISTING, ids=lambda case: case.name)
COUNT = 6


async def under_way(at: Bench, *prompts: str, count: int = COUNT) -> list[ProviderJob]:
    """Submit jobs that do not end, the first ones with these words."""
    words = [*prompts, *["A kite [twin:never-ends]"] * (count - len(prompts))]
    return [await at.submitted(word, reference=f"vid_{number:04}") for number, word in enumerate(words)]


def calls(at: Bench) -> tuple[int, int]:
    """Return how many lists and how many single jobs were read."""
    lists, polls = (
        len(at.judge.requests(vendor=at.case.twin, operation=operation)) for operation in ("list", "poll")
    )
    return lists, polls


@listing
async def test_many_jobs_are_read_in_one_call(case: Case) -> None:
    async with bench(case) as at:
        jobs = await under_way(at)
        answers = await at.provider.poll(jobs)
        assert calls(at) == (1, 0)
        assert set(answers) == {job.id for job in jobs}
        assert all(answer.state not in FINAL for answer in answers.values())


@listing
async def test_a_list_and_the_jobs_themselves_say_the_same(case: Case) -> None:
    async with bench(case) as at:
        jobs = await under_way(at, *["A kite [twin:long-queue seconds=1000000]"] * 3)
        await asyncio.sleep(0.5)
        listed = await at.provider.poll(jobs)
        assert {answer.state for answer in listed.values()} == {JobState.PENDING, JobState.PROCESSING}
        alone = {job.id: await at.poll(job) for job in jobs}
        assert {name: answer.state for name, answer in listed.items()} == {
            name: answer.state for name, answer in alone.items() if answer is not None
        }


@listing
async def test_how_a_job_ended_is_read_from_the_job_itself(case: Case) -> None:
    async with bench(case) as at:
        jobs = await under_way(at, "A kite", "A kite [twin:failed]")
        await asyncio.sleep(0.5)
        answers = await at.provider.poll(jobs)
        assert calls(at) == (1, 2)
        assert answers[jobs[0].id].state is JobState.SUCCEEDED
        assert answers[jobs[1].id].state is JobState.FAILED
        assert all(answers[job.id].state not in FINAL for job in jobs[2:])


@listing
async def test_what_a_list_leaves_out_is_asked_for_by_itself(case: Case) -> None:
    async with bench(case) as at:
        jobs = await under_way(at, "A kite [twin:never-ends] [twin:list-omits]")
        answers = await at.provider.poll(jobs)
        assert calls(at) == (1, 1)
        assert set(answers) == {job.id for job in jobs}
        assert all(answer.state not in FINAL for answer in answers.values())


@listing
@pytest.mark.parametrize("fault", ["error-before", "html", "truncated-json", "error-in-200"])
async def test_where_a_list_cannot_be_had_jobs_are_read_one_by_one(case: Case, fault: str) -> None:
    async with bench(case) as at:
        jobs = await under_way(at)
        at.judge.fault(fault, operation="list", times=1)
        answers = await at.provider.poll(jobs)
        assert calls(at) == (1, COUNT)
        assert set(answers) == {job.id for job in jobs}
        assert at.provider.polling.list_from is None
        await at.provider.poll(jobs)
        assert calls(at) == (1, 2 * COUNT), "the list is left alone for a while"


@listing
async def test_a_vendor_that_wants_to_be_left_alone_is(case: Case) -> None:
    async with bench(case) as at:
        jobs = await under_way(at)
        at.judge.fault("rate-limited", operation="list", times=1)
        assert await at.provider.poll(jobs) == {}
        assert calls(at) == (1, 0)


@listing
async def test_a_few_jobs_are_read_one_by_one(case: Case) -> None:
    async with bench(case) as at:
        jobs = await under_way(at, count=asking.LIST_FROM - 1)
        assert len(await at.provider.poll(jobs)) == len(jobs)
        assert calls(at) == (0, len(jobs))


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.name)
async def test_a_vendor_whose_list_does_not_help_is_not_asked_for_one(case: Case) -> None:
    async with bench(case) as at:
        jobs = await under_way(at)
        answers = await at.provider.poll(jobs)
        assert set(answers) == {job.id for job in jobs}
        assert calls(at) == (0, COUNT)


async def test_ark_is_asked_for_just_these_tasks() -> None:
    (case,) = [case for case in CASES if case.name == "ark"]
    async with bench(case) as at:
        jobs = await under_way(at, count=8)
        assert len(await at.provider.poll(jobs[:5])) == 5
        assert calls(at) == (1, 0)
        many = [ProviderJob(f"cgt-{number}", job.model, job.reference, job.accepted_at)
                for number, job in enumerate(jobs * 20)]  # fmt: skip
        assert await at.provider.poll([*jobs, *many[:100]]) != {}
        assert calls(at)[0] == 1 + 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_one_slow_answer_does_not_cost_the_others_theirs(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ASK_SECONDS", 1.0)
    async with bench(case) as at:
        slow = "A kite [twin:never-ends] [twin:slow-headers@poll seconds=30]"
        jobs = await under_way(at, slow, count=3)
        answers = await at.provider.poll(jobs)
        assert set(answers) == {job.id for job in jobs[1:]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_provider_says_how_it_wants_to_be_asked(case: Case) -> None:
    async with bench(case) as at, bench(case, callback_url="https://gate.example") as reachable:
        terms = at.provider.polling
        assert terms.apart == timedelta(seconds=5 if case.name == "runway" else 1)
        assert not terms.called_back
        assert (terms.list_from is None) == (case in OTHERS)
        assert reachable.provider.polling.called_back == (case.name in {"fal", "replicate", "gemini", "ark"})
