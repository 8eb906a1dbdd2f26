"""Attempts change in the database only as their table of transitions says; no video is ever sent twice."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from filmgate.domain.attempt import ATTEMPT_TRANSITIONS, LIVE_STATES, AttemptState
from filmgate.domain.money import FREE, Money
from filmgate.domain.video import VideoError, VideoStatus
from filmgate.infrastructure.database import Database, RowRejected
from filmgate.repositories.attempts import AttemptRepository, Intent
from tests.integration.makers import (
    attempts_of,
    put_attempt,
    put_video,
    row_of,
    slots_taken,
    state_of,
    steps_of,
)

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
ERROR = VideoError("refused", "The provider said no.", said_by="scripted")


@pytest.fixture
def attempts(database: Database) -> AttemptRepository:
    return AttemptRepository(database)


def intent(video_id: str, attempt_id: str = "att_1", lease: timedelta = HOUR) -> Intent:
    return Intent(
        attempt_id, video_id, "scripted", "scripted-1", "scripted", b"body\x00", "worker_1", lease, HOUR
    )


Verb = Callable[[AttemptRepository, str], Awaitable[object]]
VERBS: dict[str, tuple[AttemptState, Verb]] = {
    "accept": (AttemptState.ACCEPTED, lambda a, name: a.accept(name, f"vendor-{name}", SECOND)),
    "give_back": (AttemptState.NOT_CREATED, lambda a, name: a.give_back(name, "no", retry_in=SECOND)),
    "refuse": (AttemptState.NOT_CREATED, lambda a, name: a.end(name, AttemptState.NOT_CREATED, ERROR)),
    "fail": (AttemptState.FAILED, lambda a, name: a.end(name, AttemptState.FAILED, ERROR)),
    "end_cancelled": (AttemptState.CANCELLED, lambda a, name: a.end(name, AttemptState.CANCELLED, ERROR)),
    "cancel": (AttemptState.CANCELLED, lambda a, name: a.cancel(name, "asked")),
    "park": (AttemptState.PARKED, lambda a, name: a.park(name, "nobody can tell")),
    "succeed": (AttemptState.SUCCEEDED, lambda a, name: a.succeed([name])),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_moves_an_attempt_exactly_where_the_table_allows_it(
    database: Database, attempts: AttemptRepository, verb: str
) -> None:
    target, call = VERBS[verb]
    for state in AttemptState:
        video_id, attempt_id = await put_attempt(database, state)
        before = dict((await attempts_of(database, video_id))[0])
        answer = await call(attempts, attempt_id)
        after = dict((await attempts_of(database, video_id))[0])
        moved = target in ATTEMPT_TRANSITIONS[state]
        assert answer in {moved, None}, state
        if moved:
            assert after["state"] == target, state
        else:
            assert after == before, state


@pytest.mark.parametrize("verb", ["lose", "lose_overdue"])
async def test_only_a_send_under_way_becomes_unknown(
    database: Database, attempts: AttemptRepository, verb: str
) -> None:
    made = {state: (await put_attempt(database, state))[1] for state in AttemptState}
    if verb == "lose":
        moved = {state for state, name in made.items() if await attempts.lose(name, "cut")}
        assert moved == {AttemptState.SENDING}
    else:
        assert await attempts.lose_overdue() == [made[AttemptState.SENDING]]
    for state, name in made.items():
        expected = AttemptState.UNKNOWN if state is AttemptState.SENDING else state
        assert await state_of(database, name) is expected
    assert await steps_of(database, "reconcile") == [made[AttemptState.SENDING]]


async def test_a_send_whose_time_is_not_over_is_not_held_for_unknown(
    database: Database, attempts: AttemptRepository
) -> None:
    video_id = await put_video(database, VideoStatus.QUEUED)
    assert await attempts.begin(intent(video_id))
    assert await attempts.lose_overdue() == []


@pytest.mark.parametrize("state", AttemptState)
async def test_only_an_attempt_that_is_certainly_gone_makes_room_for_another(
    database: Database, attempts: AttemptRepository, state: AttemptState
) -> None:
    video_id, _ = await put_attempt(database, state, status=VideoStatus.QUEUED)
    await database.execute("UPDATE videos SET attempts = 1")
    if state in LIVE_STATES:
        with pytest.raises(RowRejected):
            await attempts.begin(intent(video_id))
        assert (await row_of(database, video_id))["status"] == "queued"
    else:
        assert await attempts.begin(intent(video_id))
        assert [row["ordinal"] for row in await attempts_of(database, video_id)] == [1, 2]


async def test_of_many_senders_one_begins(database: Database, attempts: AttemptRepository) -> None:
    video_id = await put_video(database, VideoStatus.QUEUED)
    begun = await asyncio.gather(*(attempts.begin(intent(video_id, f"att_{n}")) for n in range(12)))
    assert sum(one is not None for one in begun) == 1
    assert len(await attempts_of(database, video_id)) == 1


async def test_a_video_that_was_not_let_through_is_not_sent(
    database: Database, attempts: AttemptRepository
) -> None:
    """A step that was left over must not send a video that was put back to wait."""
    video_id = await put_video(database, VideoStatus.QUEUED, admitted=False)
    assert not await attempts.begin(intent(video_id))
    assert await attempts_of(database, video_id) == []


async def test_beginning_writes_the_exact_bytes_before_they_leave(
    database: Database, attempts: AttemptRepository
) -> None:
    video_id = await put_video(database, VideoStatus.QUEUED)
    assert await attempts.begin(intent(video_id))
    (row,) = await attempts_of(database, video_id)
    assert (row["body"], row["state"], row["ordinal"]) == (b"body\x00", "sending", 1)
    assert row["quiet_at"] - row["lease_until"] == HOUR
    video = await row_of(database, video_id)
    assert (video["status"], video["attempts"]) == ("in_progress", 1)
    assert video["started_at"] is not None


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE attempts SET state = 'accepted'",
        "UPDATE attempts SET state = 'succeeded'",
        "UPDATE attempts SET state = 'lost'",
        "UPDATE attempts SET video_id = 'job_none'",
        """
        INSERT INTO attempts SELECT 'att_2', video_id, 2, provider, provider_model, account, 'unknown', body,
            sent_by, sent_at, lease_until, quiet_at FROM attempts
        """,
        """
        INSERT INTO attempts SELECT 'att_2', video_id, 1, provider, provider_model, account, 'failed', body,
            sent_by, sent_at, lease_until, quiet_at FROM attempts
        """,
    ],
)
async def test_the_database_itself_refuses_an_attempt_that_cannot_be(database: Database, sql: str) -> None:
    await put_attempt(database, AttemptState.SENDING)
    async with database.session() as session:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await session.connection.execute(sql)


@pytest.mark.parametrize("state", [AttemptState.SENDING, AttemptState.UNKNOWN])
async def test_one_provider_job_is_never_bound_to_two_attempts(
    database: Database, attempts: AttemptRepository, state: AttemptState
) -> None:
    _, one = await put_attempt(database, AttemptState.SENDING)
    video_id, two = await put_attempt(database, state)
    assert await attempts.accept(one, "vendor-1", SECOND)
    assert not await attempts.accept(two, "vendor-1", SECOND)
    (row,) = await attempts_of(database, video_id)
    assert (row["state"], row["provider_job_id"]) == ("parked", None)
    assert row["reason"] == "the provider named job vendor-1 for it, which another attempt has"
    assert (await row_of(database, video_id))["status"] == "in_progress"
    assert await attempts.accept(two, "vendor-2", SECOND)


async def test_an_accepted_attempt_is_not_bound_anew_to_the_job_of_another(
    database: Database, attempts: AttemptRepository
) -> None:
    _, one = await put_attempt(database, AttemptState.ACCEPTED)
    _, two = await put_attempt(database, AttemptState.ACCEPTED)
    assert not await attempts.rebind(two, f"vendor-{one}")
    assert await attempts.rebind(two, "vendor-2")


async def test_nothing_is_sent_from_a_database_that_was_exchanged(
    database: Database, attempts: AttemptRepository
) -> None:
    video_id = await put_video(database, VideoStatus.QUEUED)
    assert not await attempts.begin(replace(intent(video_id), incarnation="another"))
    assert await attempts_of(database, video_id) == []
    here = await database.value("SELECT database_incarnation()")
    assert await attempts.begin(replace(intent(video_id), incarnation=here))


async def test_a_send_may_leave_only_while_its_intent_stands(
    database: Database, attempts: AttemptRepository
) -> None:
    video_id = await put_video(database, VideoStatus.QUEUED)
    assert await attempts.begin(intent(video_id))
    assert await attempts.is_sending("att_1")
    await attempts.lose("att_1", "too late")
    assert not await attempts.is_sending("att_1")
    assert not await attempts.is_sending("att_none")


async def test_a_late_answer_takes_its_video_out_of_the_line_again(
    database: Database, attempts: AttemptRepository
) -> None:
    """Absence was believed to be proven; the job that turns up nevertheless is paid for, and is used."""
    video_id, attempt_id = await put_attempt(database, AttemptState.UNKNOWN)
    assert await attempts.give_back(attempt_id, "not there", retry_in=timedelta(0))
    assert await attempts.accept(attempt_id, "vendor-late", SECOND)
    row = await row_of(database, video_id)
    assert row["status"] == "in_progress"
    assert row["admitted_at"] is not None
    assert not await attempts.begin(intent(video_id))


async def test_a_late_answer_does_not_push_out_the_attempt_that_followed(
    database: Database, attempts: AttemptRepository
) -> None:
    video_id, late = await put_attempt(database, AttemptState.NOT_CREATED, status=VideoStatus.QUEUED)
    await database.execute("UPDATE videos SET attempts = 1")
    assert await attempts.begin(intent(video_id, "att_2"))
    assert not await attempts.accept(late, "vendor-late", SECOND)
    assert await state_of(database, "att_2") is AttemptState.SENDING
    assert await attempts.accept("att_2", "vendor-2", SECOND)


async def test_late_answers_and_new_sends_at_once_leave_one_live_attempt(
    database: Database, attempts: AttemptRepository
) -> None:
    for number in range(10):
        video_id, late = await put_attempt(database, AttemptState.NOT_CREATED, status=VideoStatus.QUEUED)
        await database.execute("UPDATE videos SET attempts = 1 WHERE id = $1", video_id)
        accepted, begun = await asyncio.gather(
            attempts.accept(late, f"vendor-{number}", SECOND),
            attempts.begin(intent(video_id, f"att_{number}")),
        )
        assert accepted is not begun
        assert (await row_of(database, video_id))["status"] == "in_progress"


async def test_giving_back_puts_the_video_in_line_and_frees_its_slot(
    database: Database, attempts: AttemptRepository
) -> None:
    await database.execute("INSERT INTO lanes (name, max_in_flight) VALUES ('scripted', 1)")
    video_id, attempt_id = await put_attempt(database, AttemptState.SENDING)
    assert await slots_taken(database) == 1
    assert await attempts.give_back(attempt_id, "busy", retry_in=HOUR, pause=HOUR)
    row = await row_of(database, video_id)
    assert (row["status"], row["admitted_at"]) == ("queued", None)
    assert row["not_before"] > row["created_at"]
    assert await slots_taken(database) == 0
    lane = await database.row("SELECT paused_until, pause_reason FROM lanes")
    assert lane is not None
    assert lane["pause_reason"] == "busy"
    assert await attempts.live_of(video_id) is None


async def test_a_pause_is_never_shortened_by_a_later_one(
    database: Database, attempts: AttemptRepository
) -> None:
    await database.execute("INSERT INTO lanes (name, max_in_flight) VALUES ('scripted', 1)")
    until = []
    for pause in (HOUR, SECOND):
        _, attempt_id = await put_attempt(database, AttemptState.SENDING)
        await attempts.give_back(attempt_id, "busy", retry_in=SECOND, pause=pause)
        until.append(await database.value("SELECT paused_until FROM lanes"))
    assert until[0] == until[1]


@pytest.mark.parametrize("status", [status for status in VideoStatus if status.final])
async def test_a_video_that_has_ended_is_never_put_back_in_line_or_failed(
    database: Database, attempts: AttemptRepository, status: VideoStatus
) -> None:
    for state, call in (
        (AttemptState.SENDING, VERBS["give_back"][1]),
        (AttemptState.SENDING, VERBS["refuse"][1]),
        (AttemptState.ACCEPTED, VERBS["fail"][1]),
    ):
        video_id, attempt_id = await put_attempt(database, state, status=status)
        before = dict(await row_of(database, video_id))
        assert await call(attempts, attempt_id)
        assert dict(await row_of(database, video_id)) == before


async def test_ending_an_attempt_fails_its_video_with_what_was_said(
    database: Database, attempts: AttemptRepository
) -> None:
    video_id, attempt_id = await put_attempt(database, AttemptState.ACCEPTED)
    assert await attempts.end(attempt_id, AttemptState.FAILED, ERROR)
    row = await row_of(database, video_id)
    assert row["status"] == "failed"
    assert '"said_by": "scripted"' in row["error"]
    (attempt,) = await attempts_of(database, video_id)
    assert (attempt["reason"], attempt["next_poll_at"]) == (ERROR.message, None)


async def test_an_attempt_is_parked_only_once_absence_would_count(
    database: Database, attempts: AttemptRepository
) -> None:
    _, attempt_id = await put_attempt(database, AttemptState.UNKNOWN, age=-HOUR)
    assert not await attempts.is_quiet(attempt_id)
    assert not await attempts.park(attempt_id, "nobody can tell")
    assert await state_of(database, attempt_id) is AttemptState.UNKNOWN


async def test_an_attempt_that_is_not_there_is_neither_quiet_nor_returned(
    attempts: AttemptRepository,
) -> None:
    assert not await attempts.is_quiet("att_none")
    assert await attempts.get("att_none") is None
    assert await attempts.live_of("job_none") is None


async def test_the_live_attempt_of_a_video_is_the_one_that_may_have_a_job(
    database: Database, attempts: AttemptRepository
) -> None:
    for state in AttemptState:
        video_id, attempt_id = await put_attempt(database, state)
        live = await attempts.live_of(video_id)
        assert (live and live.id) == (attempt_id if state.live else None)
        found = await attempts.get(attempt_id)
        assert found is not None
        assert found.state is state


async def test_watchers_at_once_never_take_the_same_attempt(
    database: Database, attempts: AttemptRepository
) -> None:
    due = {(await put_attempt(database, AttemptState.ACCEPTED))[1] for _ in range(20)}
    groups = await asyncio.gather(*(attempts.claim_due(7, HOUR) for _ in range(4)))
    taken = [attempt.id for group in groups for attempt in group]
    assert len(taken) == len(set(taken))
    taken += [attempt.id for attempt in await attempts.claim_due(20, HOUR)]
    assert sorted(taken) == sorted(due)
    assert await attempts.claim_due(20, HOUR) == []


async def test_only_accepted_attempts_are_watched(database: Database, attempts: AttemptRepository) -> None:
    made = {state: (await put_attempt(database, state))[1] for state in AttemptState}
    (claimed,) = await attempts.claim_due(100, HOUR)
    assert (claimed.id, claimed.polls, claimed.abandoned) == (made[AttemptState.ACCEPTED], 1, False)


async def test_an_attempt_of_a_cancelled_video_is_claimed_as_abandoned(
    database: Database, attempts: AttemptRepository
) -> None:
    await put_attempt(database, AttemptState.ACCEPTED, status=VideoStatus.CANCELLED)
    (claimed,) = await attempts.claim_due(100, HOUR)
    assert claimed.abandoned


async def test_an_attempt_that_was_woken_meanwhile_is_polled_at_once(
    database: Database, attempts: AttemptRepository
) -> None:
    _, attempt_id = await put_attempt(database, AttemptState.ACCEPTED)
    await attempts.claim_due(1, HOUR)
    assert 3590 < (await attempts.seconds_to_next_poll() or 0) <= 3600
    await attempts.wake("scripted", f"vendor-{attempt_id}")
    await attempts.poll_again([(attempt_id, timedelta(seconds=30))])
    assert await attempts.seconds_to_next_poll() == 0
    assert [attempt.id for attempt in await attempts.claim_due(1, HOUR)] == [attempt_id]


async def test_the_next_poll_is_as_far_as_it_was_put_off(
    database: Database, attempts: AttemptRepository
) -> None:
    assert await attempts.seconds_to_next_poll() is None
    _, attempt_id = await put_attempt(database, AttemptState.ACCEPTED)
    await attempts.claim_due(1, HOUR)
    await attempts.poll_again([(attempt_id, timedelta(seconds=10))])
    assert 9 < (await attempts.seconds_to_next_poll() or 0) <= 10


async def test_success_is_recorded_with_the_step_that_collects(
    database: Database, attempts: AttemptRepository
) -> None:
    names = [(await put_attempt(database, AttemptState.ACCEPTED))[1] for _ in range(3)]
    _, failed = await put_attempt(database, AttemptState.FAILED)
    await attempts.succeed([*names, failed])
    await attempts.succeed(names)
    assert sorted(await steps_of(database, "collect")) == sorted(names)


async def test_each_fetch_in_vain_is_counted_with_its_reason(
    database: Database, attempts: AttemptRepository
) -> None:
    video_id, attempt_id = await put_attempt(database, AttemptState.SUCCEEDED)
    await database.execute("UPDATE attempts SET cost_micros = 7 WHERE id = $1", attempt_id)
    for times, reason in enumerate(["gone", "HTML\x00", "gone"], start=1):
        assert await attempts.missed(attempt_id, reason) == (times, Money(7))
    (row,) = await attempts_of(database, video_id)
    assert [line[:4] for line in row["reason"].splitlines()] == ["gone", "HTML", "gone"]
    assert await attempts.missed("att_none", "gone") == (0, FREE)


async def test_strays_are_enqueued_again_once_each(database: Database, attempts: AttemptRepository) -> None:
    _, film = await put_attempt(database, AttemptState.SUCCEEDED)
    await put_attempt(database, AttemptState.SUCCEEDED, status=VideoStatus.CANCELLED)
    await put_attempt(database, AttemptState.SUCCEEDED, age=timedelta(seconds=1))
    _, lost = await put_attempt(database, AttemptState.UNKNOWN)
    await put_attempt(database, AttemptState.UNKNOWN, age=timedelta(seconds=1))
    await put_attempt(database, AttemptState.PARKED)
    for _ in range(2):
        await attempts.collect_strays(timedelta(minutes=2))
        await attempts.reconcile_strays(timedelta(minutes=2))
    assert await steps_of(database, "collect") == [film]
    assert await steps_of(database, "reconcile") == [lost]


async def test_a_stray_whose_step_was_given_up_on_is_enqueued_again(
    database: Database, attempts: AttemptRepository
) -> None:
    _, film = await put_attempt(database, AttemptState.SUCCEEDED)
    await attempts.collect_strays(timedelta(minutes=2))
    await database.execute("UPDATE pgqueuer SET status = 'failed'")
    await attempts.collect_strays(timedelta(minutes=2))
    assert await steps_of(database, "collect") == [film]
