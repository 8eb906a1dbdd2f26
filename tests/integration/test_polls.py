"""Who is asked when: nobody is held up by a provider that hangs, and callbacks come first."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.poll import JobKind, PollTerms
from filmgate.domain.provider import JobState, Progress, ProviderJob
from filmgate.infrastructure.database import Database
from filmgate.services import watching
from filmgate.services.polling import PollPlan
from filmgate.services.watching import POLL_LEASE, WatchingService
from tests.integration.makers import put_attempt, state_of
from tests.integration.scripted import Scripted, Works, open_works

pytestmark = pytest.mark.anyio

ACCEPTED, SUCCEEDED = AttemptState.ACCEPTED, AttemptState.SUCCEEDED
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DONE = Progress(JobState.SUCCEEDED, 100)
GOES_ON = Progress(JobState.PROCESSING)
KIND = JobKind("scripted", "scripted-1", 1.0, 64, 64)


@dataclass
class Hanging(Scripted):
    """A vendor whose answers do not come until it is let go."""

    released: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0

    async def poll(self, jobs: Sequence[ProviderJob]) -> Mapping[str, Progress]:
        self.calls += 1
        await self.released.wait()
        return await super().poll(jobs)


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> AsyncGenerator[Works, None]:
    async with open_works(database, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def watcher(
    works: Works, *vendors: Scripted, plan: PollPlan | None = None
) -> AsyncGenerator[WatchingService, None]:
    by_name = {vendor.name: vendor for vendor in vendors}
    service = WatchingService(
        works.videos, works.attempts, by_name, lambda: works.wakes.append(None), plan or PollPlan()
    )
    try:
        yield service
    finally:
        await service.close()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for happens in a database
            await asyncio.sleep(0.02)


async def put(works: Works, provider: str = "scripted", *, due_in: timedelta | None = None) -> str:
    """Put an accepted attempt of a provider, due now or later."""
    _, attempt_id = await put_attempt(works.database, ACCEPTED)
    await works.database.execute(
        """
        UPDATE attempts SET provider = $2, next_poll_at = coalesce(now() + $3::interval, next_poll_at)
        WHERE id = $1
        """,
        attempt_id,
        provider,
        due_in,
    )
    return attempt_id


async def polls_of(works: Works, attempt_id: str) -> int:
    return int(await works.database.value("SELECT polls FROM attempts WHERE id = $1", attempt_id))


async def due_in(works: Works, attempt_id: str) -> float:
    return float(
        await works.database.value(
            "SELECT extract(epoch FROM next_poll_at - now())::float8 FROM attempts WHERE id = $1", attempt_id
        )
    )


async def test_a_provider_that_hangs_holds_up_neither_the_round_nor_the_others(works: Works) -> None:
    hanging, quick = Hanging(name="hanging"), Scripted(name="quick", progress=DONE)
    stuck, easy = await put(works, "hanging"), await put(works, "quick")
    async with watcher(works, hanging, quick) as service:
        assert not await service.begin()
        await until(lambda: is_in(works, easy, SUCCEEDED))
        later = await put(works, "quick")
        await until(lambda: begun_and_in(service, works, later, SUCCEEDED))
        assert hanging.calls == 1
        assert await state_of(works.database, stuck) is ACCEPTED
        hanging.progress = DONE
        hanging.released.set()
        await until(lambda: is_in(works, stuck, SUCCEEDED))


async def is_in(works: Works, attempt_id: str, state: AttemptState) -> bool:
    return await state_of(works.database, attempt_id) is state


async def begun_and_in(service: WatchingService, works: Works, attempt_id: str, state: AttemptState) -> bool:
    await service.begin()
    return await is_in(works, attempt_id, state)


async def test_nobody_else_asks_for_a_job_whose_answer_is_awaited(works: Works) -> None:
    assert timedelta(seconds=watching.STOP_SECONDS + watching.POLL_SECONDS) < POLL_LEASE
    hanging, other = Hanging(name="hanging"), Scripted(name="hanging")
    await put(works, "hanging")
    async with watcher(works, hanging) as first, watcher(works, other) as second:
        await first.begin()
        await second.watch()
        assert other.polled == []
        assert (await works.attempts.seconds_to_next_poll() or 0) > watching.POLL_SECONDS


async def test_what_becomes_due_while_its_provider_is_asked_waits_for_the_answers(works: Works) -> None:
    hanging = Hanging(name="hanging", progress=DONE)
    await put(works, "hanging")
    async with watcher(works, hanging) as service:
        await service.begin()
        await until(lambda: started(hanging, 1))
        later = await put(works, "hanging")
        assert not await service.begin()
        assert await service.seconds_to_next_poll() is None, "nothing to wake up for"
        assert await polls_of(works, later) == 0
        works.wakes.clear()
        hanging.released.set()
        await until(lambda: woken(works))
        await until(lambda: begun_and_in(service, works, later, SUCCEEDED))


async def started(vendor: Hanging, calls: int) -> bool:
    return vendor.calls >= calls


async def woken(works: Works) -> bool:
    return bool(works.wakes)


async def test_a_provider_that_keeps_us_waiting_is_asked_again_but_not_without_end(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENCE_SECONDS", 0.0)
    hanging = Hanging(name="hanging")
    async with watcher(works, hanging) as service:
        for _ in range(watching.GROUPS_AT_ONCE + 3):
            await put(works, "hanging")
            await service.begin()
        await until(lambda: started(hanging, watching.GROUPS_AT_ONCE))
        assert hanging.calls == watching.GROUPS_AT_ONCE


async def test_jobs_that_go_on_do_not_wait_for_those_that_are_stopped(works: Works) -> None:
    works.vendor.delay = 30
    works.vendor.progress = DONE
    _, abandoned = await put_attempt(works.database, ACCEPTED)
    await works.database.execute("UPDATE videos SET status = 'cancelled'")
    other = await put(works)
    async with watcher(works, works.vendor) as service:
        await service.begin()
        await until(lambda: is_in(works, other, SUCCEEDED), 5)
        assert await state_of(works.database, abandoned) is ACCEPTED


async def test_a_round_that_fails_is_survived(works: Works) -> None:
    odd = Scripted(name="odd", progress=Progress("no state at all"))  # pyright: ignore[reportArgumentType]
    attempt_id = await put(works, "odd")
    async with watcher(works, odd) as service:
        await service.begin()
        await until(lambda: free(service))
        assert await state_of(works.database, attempt_id) is ACCEPTED
        odd.progress = DONE
        await works.database.execute("UPDATE attempts SET next_poll_at = now()")
        await until(lambda: begun_and_in(service, works, attempt_id, SUCCEEDED))


async def free(service: WatchingService) -> bool:
    return await service.seconds_to_next_poll() is not None


async def test_a_pause_may_be_longer_than_the_lease(works: Works) -> None:
    attempt_id = await put(works)
    await works.attempts.claim_due(1, POLL_LEASE)
    await works.attempts.poll_again([(attempt_id, 5 * MINUTE)])
    assert 290 < await due_in(works, attempt_id) <= 300


async def test_what_is_woken_while_it_is_asked_about_is_asked_about_again(works: Works) -> None:
    attempt_id = await put(works)
    (claimed,) = await works.attempts.claim_due(1, POLL_LEASE)
    await works.attempts.wake("scripted", f"vendor-{attempt_id}")
    await works.attempts.poll_again([(attempt_id, 5 * MINUTE)])
    assert await works.attempts.seconds_to_next_poll() == 0
    assert claimed.kind == KIND


async def test_a_poll_knows_whether_somebody_called(works: Works) -> None:
    planned, called = await put(works, due_in=-MINUTE), await put(works, due_in=HOUR)
    await works.attempts.wake("scripted", f"vendor-{called}")
    claimed = await works.attempts.claim_due(10, POLL_LEASE)
    assert {attempt.id: attempt.called for attempt in claimed} == {planned: False, called: True}


async def test_what_was_called_about_comes_first(works: Works) -> None:
    for _ in range(3):
        await put(works, due_in=-MINUTE)
    called = await put(works, due_in=HOUR)
    await works.attempts.wake("scripted", f"vendor-{called}")
    assert [attempt.id for attempt in await works.attempts.claim_due(1, POLL_LEASE)] == [called]


async def test_callbacks_stretch_the_polls_until_ends_come_without_them(works: Works) -> None:
    plan = PollPlan({"scripted": PollTerms(called_back=True)})
    plan.learn({KIND: [60.0 + number for number in range(20)]})
    works.vendor.progress = DONE
    async with watcher(works, works.vendor, plan=plan) as service:
        net = plan.first(KIND)
        for _ in range(3):
            called = await put(works, due_in=HOUR)
            await works.attempts.wake("scripted", f"vendor-{called}")
            await service.watch()
        assert plan.first(KIND) == net > MINUTE
        for _ in range(3):
            await put(works, due_in=-MINUTE)
        await service.watch()
        assert plan.first(KIND) == net, "three of six came with a callback"
        await put(works, due_in=-MINUTE)
        await service.watch()
        assert plan.first(KIND) < MINUTE + timedelta(seconds=20) < net


async def test_neighbours_that_are_due_soon_are_asked_about_in_the_same_call(works: Works) -> None:
    listing = Scripted(name="listing", progress=GOES_ON, polling=PollTerms(list_from=4))
    await put(works, "listing")
    soon = [await put(works, "listing", due_in=watching.AHEAD - timedelta(seconds=1)) for _ in range(3)]
    later = await put(works, "listing", due_in=MINUTE)
    async with watcher(works, listing) as service:
        await service.watch()
    assert len(listing.polled) == 4
    assert [await polls_of(works, attempt_id) for attempt_id in [*soon, later]] == [1, 1, 1, 0]


async def test_too_few_neighbours_are_left_alone(works: Works) -> None:
    listing = Scripted(name="listing", progress=GOES_ON, polling=PollTerms(list_from=4))
    await put(works, "listing")
    soon = [await put(works, "listing", due_in=timedelta(seconds=2)) for _ in range(2)]
    async with watcher(works, listing) as service:
        await service.watch()
    assert len(listing.polled) == 1
    assert [await polls_of(works, attempt_id) for attempt_id in soon] == [0, 0]


async def test_jobs_of_one_call_are_asked_about_together_again(works: Works) -> None:
    shared = Progress(JobState.PROCESSING, listed=True)
    listing = Scripted(name="listing", progress=shared, polling=PollTerms(list_from=4))
    made = [await put(works, "listing") for _ in range(6)]
    async with watcher(works, listing) as service:
        await service.watch()
    pauses = [await due_in(works, attempt_id) for attempt_id in made]
    assert all(0 < pause <= 2 for pause in pauses)


async def test_history_is_kept_by_model_length_and_size(works: Works) -> None:
    for took in (10, 20, 30):
        _, attempt_id = await put_attempt(works.database, SUCCEEDED)
        await works.database.execute(
            "UPDATE attempts SET accepted_at = now() - $2::interval, ended_at = now() WHERE id = $1",
            attempt_id,
            timedelta(seconds=took),
        )
    await works.database.execute(
        """
        UPDATE videos SET request = jsonb_set(request, '{seconds}', '8') WHERE id = (
            SELECT video_id FROM attempts WHERE ended_at - accepted_at > interval '25 seconds')
        """
    )
    longer = JobKind("scripted", "scripted-1", 8.0, 64, 64)
    assert await works.attempts.durations(100, 100) == {KIND: [10.0, 20.0], longer: [30.0]}
    assert await works.attempts.durations(100, 1) == {KIND: [20.0], longer: [30.0]}
    assert sum(len(seen) for seen in (await works.attempts.durations(2, 100)).values()) == 2


async def test_the_worker_learns_from_what_it_has_seen(works: Works) -> None:
    for _ in range(10):
        _, attempt_id = await put_attempt(works.database, SUCCEEDED)
        await works.database.execute(
            "UPDATE attempts SET accepted_at = now() - interval '40 seconds', ended_at = now() WHERE id = $1",
            attempt_id,
        )
    plan = PollPlan()
    async with watcher(works, works.vendor, plan=plan) as service:
        await service.learn()
    assert 25 < plan.first(KIND).total_seconds() < 40
