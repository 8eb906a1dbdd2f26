"""Lanes never hold more than they may, and the next video is the fairest."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.routing import Lane
from filmgate.domain.video import Video, VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.lanes import Backlog, LaneRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.admission import AdmissionService
from filmgate.services.forecast import Forecast
from tests.integration.makers import (
    LANE,
    a_video,
    open_lane,
    put_attempt,
    slots_taken,
    steps_of,
    wait_in_line,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def lanes(database: Database) -> LaneRepository:
    return LaneRepository(database)


async def admitted(database: Database) -> list[str]:
    """Return what has been let through, in the order it will be sent."""
    return await steps_of(database, "submit")


async def next_in(database: Database, lane: str = LANE) -> str:
    """Open one more slot and return who takes it."""
    taken = await slots_taken(database, lane)
    await open_lane(database, taken + 1, lane)
    before = await admitted(database)
    assert await LaneRepository(database).admit(lane) == 1
    (name,) = [name for name in await admitted(database) if name not in before]
    return name


async def one(database: Database, **changes: Any) -> Video:
    (video,) = await wait_in_line(database, **changes)
    return video


async def test_many_admitters_at_once_never_fill_more_than_the_slots(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 5)
    await wait_in_line(database, 200)
    admission = AdmissionService(lanes)
    for _ in range(15):
        counts = await asyncio.gather(*(admission.admit() for _ in range(4)))
        assert await slots_taken(database) == 5
        assert len(await admitted(database)) == len(set(await admitted(database)))
        assert sum(counts) <= 5
        await database.execute(
            """
            UPDATE videos SET status = 'cancelled' WHERE id IN (
                SELECT id FROM videos WHERE admitted_at IS NOT NULL AND status = 'queued'
                ORDER BY random() LIMIT 3)
            """
        )
    assert await database.value("SELECT count(*) FROM videos WHERE admitted_at IS NOT NULL") == 5 + 3 * 14


async def test_whoever_ends_makes_room_and_whoever_is_sent_does_not(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 2)
    await wait_in_line(database, 4)
    assert await lanes.admit(LANE) == 2
    await database.execute("UPDATE videos SET status = 'in_progress' WHERE admitted_at IS NOT NULL")
    assert await lanes.admit(LANE) == 0
    await database.execute(
        """
        UPDATE videos SET status = 'cancelled'
        WHERE id = (SELECT min(id) FROM videos WHERE status = 'in_progress')
        """
    )
    assert await lanes.admit(LANE) == 1


async def test_a_smaller_limit_lets_nothing_through_until_enough_have_ended(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 3)
    await wait_in_line(database, 4)
    await lanes.admit(LANE)
    await open_lane(database, 1)
    assert await lanes.admit(LANE) == 0


async def test_a_single_video_is_next_but_one_however_many_another_key_has_waiting(
    database: Database,
) -> None:
    await open_lane(database, 1)
    await wait_in_line(database, 1000, key_id="key_a")
    for _ in range(3):
        await next_in(database)
    single = await one(database, key_id="key_b")
    assert single.id in [await next_in(database) for _ in range(2)]


async def test_two_keys_with_much_to_do_take_turns(database: Database) -> None:
    await open_lane(database, 1)
    await wait_in_line(database, 20, key_id="key_a")
    await wait_in_line(database, 20, key_id="key_b")
    order = [await next_in(database) for _ in range(12)]
    rows = await database.fetch("SELECT id, key_id FROM videos")
    keys = {row["id"]: row["key_id"] for row in rows}
    for place in range(2, 13):
        taken = [keys[name] for name in order[:place]]
        assert abs(taken.count("key_a") - taken.count("key_b")) <= 1


async def test_a_key_that_was_idle_has_saved_up_no_turns(database: Database) -> None:
    await open_lane(database, 1)
    await wait_in_line(database, 30, key_id="key_a")
    for _ in range(10):
        await next_in(database)
    late = {video.id for video in await wait_in_line(database, 10, key_id="key_b")}
    order = [await next_in(database) for _ in range(10)]
    assert 4 <= len(late & set(order)) <= 6


async def test_priority_beats_share_and_share_beats_age(database: Database) -> None:
    low = await one(database, key_id="key_a", priority=-1)
    old = await wait_in_line(database, 2, key_id="key_a")
    other = await one(database, key_id="key_b")
    high = await one(database, key_id="key_a", priority=5)
    order = [await next_in(database) for _ in range(5)]
    assert order == [high.id, other.id, old[0].id, old[1].id, low.id]


async def test_an_urgent_video_of_one_key_does_not_push_back_the_others(database: Database) -> None:
    """Whoever comes after it still goes before the thousand that its key has waiting."""
    await open_lane(database, 1)
    await wait_in_line(database, 1000, key_id="key_a")
    urgent = await one(database, key_id="key_a", priority=10)
    assert await next_in(database) == urgent.id
    single = await one(database, key_id="key_b")
    assert single.id in [await next_in(database) for _ in range(2)]


async def test_videos_of_one_key_keep_their_order(database: Database) -> None:
    videos = await wait_in_line(database, 10)
    assert [await next_in(database) for _ in range(10)] == [video.id for video in videos]


async def test_a_paused_lane_lets_nobody_through(database: Database, lanes: LaneRepository) -> None:
    await open_lane(database, 5)
    await wait_in_line(database)
    await database.execute("UPDATE lanes SET paused_until = now() + interval '1 hour'")
    assert await lanes.with_waiting() == []
    # Paused between the look and the lock.
    assert await lanes.admit(LANE) == 0
    await database.execute("UPDATE lanes SET paused_until = now()")
    assert await lanes.with_waiting() == [LANE]
    assert await lanes.admit(LANE) == 1


async def test_a_lane_that_is_not_there_lets_nobody_through(
    database: Database, lanes: LaneRepository
) -> None:
    await wait_in_line(database, lane="ghost")
    assert await lanes.with_waiting() == []
    assert await lanes.admit("ghost") == 0


async def test_a_video_is_not_let_through_before_its_time(database: Database, lanes: LaneRepository) -> None:
    await open_lane(database)
    early, ready = await wait_in_line(database, 2)
    await database.execute("UPDATE videos SET not_before = now() + interval '1 hour' WHERE id = $1", early.id)
    assert await lanes.admit(LANE) == 1
    assert await admitted(database) == [ready.id]
    await database.execute("UPDATE videos SET not_before = now()")
    assert await lanes.admit(LANE) == 1


async def test_lanes_do_not_stand_in_each_others_way(database: Database, lanes: LaneRepository) -> None:
    await open_lane(database, 1, "one")
    await open_lane(database, 2, "two")
    await wait_in_line(database, 5, lane="one")
    await wait_in_line(database, 5, lane="two")
    assert await AdmissionService(lanes).admit() == 3
    assert (await slots_taken(database, "one"), await slots_taken(database, "two")) == (1, 2)


async def test_the_clock_of_a_lane_never_goes_back(database: Database, lanes: LaneRepository) -> None:
    await open_lane(database, 1)
    await wait_in_line(database, 20, key_id="key_a")
    await wait_in_line(database, 3, key_id="key_b", priority=1)
    clocks = [0]
    for number in range(23):
        if number == 10:
            await wait_in_line(database, 1, key_id="key_c")
        await next_in(database)
        clocks.append(await database.value("SELECT share_clock FROM lanes"))
    assert clocks == sorted(clocks)
    await lanes.admit(LANE)
    await lanes.ensure([Lane(LANE, 50)])
    assert await database.value("SELECT share_clock FROM lanes") >= clocks[-1]


async def test_the_same_step_is_enqueued_with_the_slot_that_is_taken(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 3)
    videos = await wait_in_line(database, 3)
    await lanes.admit(LANE)
    assert sorted(await admitted(database)) == sorted(video.id for video in videos)


async def test_a_lane_knows_its_backlog_and_the_forecast_grows_with_it(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 2)
    forecast = Forecast(lanes)
    await forecast.refresh()
    video = a_video()
    target: Any = type("Somewhere", (), {"lane": LANE})()
    empty = forecast.ready_at(target, 5, video.created_at)
    await wait_in_line(database, 7)
    await forecast.refresh()
    assert (await lanes.backlogs())[LANE] == Backlog(waiting=7, slots=2)
    assert forecast.ready_at(target, 5, video.created_at) - empty == timedelta(seconds=3 * 8)


async def test_groups_inserted_at_once_share_the_lane_fairly(database: Database) -> None:
    videos = VideoRepository(database)
    await asyncio.gather(
        *(videos.insert([a_video(key_id=f"key_{key}") for _ in range(10)]) for key in "abcd")
    )
    await open_lane(database, 1)
    first = [await next_in(database) for _ in range(8)]
    rows = await database.fetch("SELECT key_id FROM videos WHERE id = ANY($1::text[])", first)
    assert sorted(row["key_id"] for row in rows) == sorted(f"key_{key}" for key in "aabbccdd")


async def test_a_lane_that_keeps_failing_rests_twice_as_long_each_time_and_ten_minutes_at_most(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 8)
    await wait_in_line(database)
    rests: list[float] = []
    for _ in range(7):
        assert not await lanes.count_failure(LANE, "cut\x00off", patience=2, rest=timedelta(seconds=15))
        assert await lanes.with_waiting() == [LANE]
        assert await lanes.count_failure(LANE, "cut\x00off", patience=2, rest=timedelta(seconds=15))
        assert await lanes.with_waiting() == []
        rests.append(
            await database.value("SELECT extract(epoch FROM paused_until - now())::float8 FROM lanes")
        )
        await database.execute("UPDATE lanes SET paused_until = NULL")
    assert [round(rest / 15) for rest in rests] == [1, 2, 4, 8, 16, 32, 40]


async def test_a_lane_regains_its_pace_one_by_one_and_never_falls_below_one(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 4)
    await wait_in_line(database, 60)
    pace: list[int] = []
    for change in [lanes.slow_down] * 3 + [lanes.speed_up] * 5:
        await change(LANE)
        await lanes.admit(LANE)
        pace.append(await slots_taken(database))
        await database.execute("UPDATE videos SET status = 'cancelled' WHERE admitted_at IS NOT NULL")
    assert pace == [2, 1, 1, 2, 3, 4, 4, 4]


async def test_what_a_lane_did_not_send_in_a_minute_is_not_saved_up(
    database: Database, lanes: LaneRepository
) -> None:
    await lanes.ensure([Lane(LANE, 1000, 6)])
    await wait_in_line(database, 50)
    await database.execute("UPDATE lanes SET refilled_at = now() - interval '1 hour'")
    assert [await lanes.admit(LANE) for _ in range(2)] == [6, 0]
    await database.execute("UPDATE lanes SET refilled_at = now() - interval '21 seconds'")
    assert await lanes.admit(LANE) == 2


async def test_the_job_of_a_cancelled_video_holds_its_slot_until_it_has_ended(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 1)
    _, attempt_id = await put_attempt(database, AttemptState.ACCEPTED, status=VideoStatus.CANCELLED)
    await wait_in_line(database)
    assert await lanes.admit(LANE) == 0
    await AttemptRepository(database).cancel(attempt_id, "stopped")
    assert await lanes.admit(LANE) == 1


async def test_a_lane_that_is_not_there_has_no_failures(lanes: LaneRepository) -> None:
    assert not await lanes.count_failure("ghost", "x", patience=1, rest=timedelta(seconds=1))


@pytest.mark.parametrize(
    ("state", "age", "holds"),
    [
        (AttemptState.SENDING, timedelta(0), True),
        (AttemptState.ACCEPTED, timedelta(hours=1), True),
        (AttemptState.UNKNOWN, timedelta(hours=-1), True),
        (AttemptState.UNKNOWN, timedelta(hours=1), False),
        (AttemptState.PARKED, timedelta(hours=1), False),
        (AttemptState.PARKED, timedelta(hours=-1), False),
    ],
)
@pytest.mark.parametrize("status", [VideoStatus.IN_PROGRESS, VideoStatus.CANCELLED])
async def test_what_may_still_run_holds_a_slot_and_what_cannot_does_not(
    database: Database,
    lanes: LaneRepository,
    state: AttemptState,
    age: timedelta,
    holds: bool,
    status: VideoStatus,
) -> None:
    await open_lane(database, 1)
    await put_attempt(database, state, status=status, age=age)
    await wait_in_line(database)
    assert await lanes.admit(LANE) == (0 if holds else 1)


async def test_a_lane_full_of_parked_videos_goes_on_even_one_at_a_time(
    database: Database, lanes: LaneRepository
) -> None:
    await open_lane(database, 3)
    for _ in range(4):
        await put_attempt(database, AttemptState.PARKED)
    await wait_in_line(database, 5)
    for _ in range(4):
        await lanes.slow_down(LANE)
    assert [await lanes.admit(LANE) for _ in range(2)] == [1, 0]


async def test_a_limit_that_nobody_set_leaves_alone_what_is_in_force(
    database: Database, lanes: LaneRepository
) -> None:
    await lanes.ensure([Lane("one", 3, 7), Lane("two", 4, firm=False)])
    await lanes.ensure([Lane("one", 9, firm=False), Lane("two", 8, firm=False)])
    rows = await database.fetch("SELECT name, max_in_flight, per_minute FROM lanes ORDER BY name")
    assert [tuple(row) for row in rows] == [("one", 3, 7), ("two", 4, None)]
    await lanes.ensure([Lane("one", 9), Lane("two", 8)])
    rows = await database.fetch("SELECT name, max_in_flight, per_minute FROM lanes ORDER BY name")
    assert [tuple(row) for row in rows] == [("one", 9, None), ("two", 8, None)]
