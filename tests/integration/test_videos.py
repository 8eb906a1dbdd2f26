"""Videos change in the database only as their table of transitions says."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from filmgate.domain.video import VIDEO_TRANSITIONS, VideoError, VideoFilter, VideoResult, VideoStatus
from filmgate.infrastructure.database import Database, RowRejected
from filmgate.repositories.attempts import AttemptRepository, Intent
from filmgate.repositories.videos import VideoRepository
from tests.integration.makers import a_video, open_lane, put_video, row_of, wait_in_line

pytestmark = pytest.mark.anyio

RESULT = VideoResult("videos/a/b", 1.0, 64, 64, 24.0, "h264", None, 10, "ab" * 32, 3, 4)
ERROR = VideoError("refused", "The provider said no.", said_by="scripted", charged=None, action="Ask again.")


@pytest.fixture
def videos(database: Database) -> VideoRepository:
    return VideoRepository(database)


def intent(video_id: str, attempt_id: str = "att_1") -> Intent:
    hour = timedelta(hours=1)
    return Intent(attempt_id, video_id, "scripted", "scripted-1", "scripted", b"body", "worker_1", hour, hour)


async def begin(database: Database, name: str) -> bool:
    return await AttemptRepository(database).begin(intent(name, name)) is not None


VERBS: list[tuple[VideoStatus, Callable[[Database, str], Awaitable[bool]]]] = [
    (VideoStatus.IN_PROGRESS, begin),
    (
        VideoStatus.COMPLETED,
        lambda database, name: VideoRepository(database).complete(name, RESULT),
    ),
    (VideoStatus.FAILED, lambda database, name: VideoRepository(database).fail(name, ERROR)),
    (VideoStatus.CANCELLED, lambda database, name: VideoRepository(database).cancel(name)),
]


@pytest.mark.parametrize(("target", "verb"), VERBS, ids=[target.value for target, _ in VERBS])
async def test_a_verb_moves_a_video_exactly_where_the_table_allows_it(
    database: Database, target: VideoStatus, verb: Callable[[Database, str], Awaitable[bool]]
) -> None:
    for status in VideoStatus:
        name = await put_video(database, status)
        before = dict(await row_of(database, name))
        moved = await verb(database, name)
        after = dict(await row_of(database, name))
        assert moved is (target in VIDEO_TRANSITIONS[status]), status
        if moved:
            assert after["status"] == target
            assert (after["completed_at"] is not None) is target.final
        else:
            assert after == before


async def test_completing_stores_what_was_measured(database: Database, videos: VideoRepository) -> None:
    name = await put_video(database, VideoStatus.IN_PROGRESS)
    assert await videos.complete(name, RESULT)
    video = await videos.get(name)
    assert video is not None
    assert (video.result, video.progress) == (RESULT, 100)


async def test_only_a_video_that_still_waits_fails_for_not_having_been_sent(
    database: Database, videos: VideoRepository
) -> None:
    waiting = await put_video(database, VideoStatus.QUEUED)
    sent = await put_video(database, VideoStatus.IN_PROGRESS)
    assert [await videos.fail_waiting(name, ERROR) for name in (waiting, sent)] == [True, False]
    assert (await row_of(database, sent))["status"] == "in_progress"


async def test_failing_stores_who_said_so_and_whether_it_was_charged(
    database: Database, videos: VideoRepository
) -> None:
    name = await put_video(database, VideoStatus.QUEUED)
    assert await videos.fail(name, ERROR)
    video = await videos.get(name)
    assert video is not None
    assert video.error == ERROR


async def test_failing_in_a_transaction_that_rolls_back_changes_nothing(
    database: Database, videos: VideoRepository
) -> None:
    name = await put_video(database, VideoStatus.QUEUED)

    async def fail_and_stumble() -> None:
        async with database.transaction() as session:
            assert await videos.fail(name, ERROR, session)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_and_stumble()
    assert (await row_of(database, name))["status"] == "queued"


async def test_everything_that_was_accepted_is_read_back_as_it_was(
    database: Database, videos: VideoRepository
) -> None:
    await open_lane(database)
    video = a_video(
        request=replace(
            a_video().request, prompt="夕日 🌅\n\t\u202e'; DROP TABLE videos; --", seed=2**63 - 1
        ),
        requested={"resolution": "720p", "seed": 3, "audio": False},
        priority=-3,
        webhook_url="https://example.com/hook?a=b",
        metadata={"Ä": "ö\n", "": "💥"},
        adjustments=("audio left out: none", "second"),
    )
    await videos.insert([video])
    assert await videos.get(video.id) == video


async def test_videos_are_read_in_the_order_they_were_asked_for(
    database: Database, videos: VideoRepository
) -> None:
    one, two = await wait_in_line(database, 2)
    found = await videos.get_many([two.id, "job_none", one.id, two.id])
    assert [video and video.id for video in found] == [two.id, None, one.id, two.id]


async def test_inserting_again_what_is_there_changes_nothing(
    database: Database, videos: VideoRepository
) -> None:
    (video,) = await wait_in_line(database)
    await videos.cancel(video.id)
    before = dict(await row_of(database, video.id))
    (other,) = [a_video()]
    await videos.insert([video, other])
    assert dict(await row_of(database, video.id)) == before
    assert await videos.get(other.id) is not None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (VideoFilter(), "edcba"),
        (VideoFilter(status=VideoStatus.CANCELLED), "b"),
        (VideoFilter(batch_id="batch_1"), "c"),
        (VideoFilter(model="other"), "d"),
        (VideoFilter(provider="other"), "e"),
        (VideoFilter(text="LAKE"), "dcba"),
        (VideoFilter(text="100%_"), "e"),
        (VideoFilter(text="\\"), ""),
        (VideoFilter(created_after=datetime(2026, 1, 3, tzinfo=UTC)), "edc"),
        (VideoFilter(created_before=datetime(2026, 1, 3, tzinfo=UTC)), "ba"),
        (VideoFilter(model="other", provider="other"), ""),
    ],
    ids=str,
)
async def test_a_list_is_narrowed_by_each_filter_and_newest_first(
    database: Database, videos: VideoRepository, wanted: VideoFilter, expected: str
) -> None:
    await database.execute(
        "INSERT INTO batches (id, project, key_id, total, created_at) VALUES ('batch_1', 'p', 'k', 1, now())"
    )
    changes = {
        "c": {"batch_id": "batch_1", "batch_index": 0},
        "d": {"model": "other"},
        "e": {"provider": "other", "request": replace(a_video().request, prompt="100%_ sure")},
    }
    made = [
        a_video(
            id=f"job_{name}", created_at=datetime(2026, 1, 1 + place, tzinfo=UTC), **changes.get(name, {})
        )
        for place, name in enumerate("abcde")
    ]
    await videos.insert([*made, a_video(project="somebody else's")])
    await videos.cancel("job_b")
    found = await videos.list("project_of_owner", wanted, None, 100)
    assert "".join(video.id.removeprefix("job_") for video in found) == expected


async def test_pages_follow_each_other_without_gap_or_repetition(
    database: Database, videos: VideoRepository
) -> None:
    await wait_in_line(database, 7)
    seen: list[str] = []
    while page := await videos.list("project_of_owner", VideoFilter(), seen[-1] if seen else None, 3):
        seen += [video.id for video in page]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 7


async def test_progress_rises_only_and_never_says_that_it_is_done(
    database: Database, videos: VideoRepository
) -> None:
    name = await put_video(database, VideoStatus.IN_PROGRESS)
    shown: list[int] = []
    for percent in (10, 5, 40, -3, 40, 100, 30_000):
        await videos.show_progress([(name, percent)])
        shown.append((await row_of(database, name))["progress"])
    assert shown == [10, 10, 40, 40, 40, 99, 99]


@pytest.mark.parametrize(
    "status", [status for status in VideoStatus if status is not VideoStatus.IN_PROGRESS]
)
async def test_progress_of_a_video_that_is_not_under_way_stays(
    database: Database, videos: VideoRepository, status: VideoStatus
) -> None:
    name = await put_video(database, status)
    await videos.show_progress([(name, 50)])
    assert (await row_of(database, name))["progress"] == 0


@pytest.mark.parametrize("status", VideoStatus)
async def test_only_a_queued_video_is_postponed(
    database: Database, videos: VideoRepository, status: VideoStatus
) -> None:
    name = await put_video(database, status)
    await videos.postpone(name, timedelta(minutes=1))
    row = await row_of(database, name)
    postponed = status is VideoStatus.QUEUED
    assert (row["admitted_at"] is None) is postponed
    assert (row["not_before"] is not None) is postponed


async def test_only_admitted_videos_that_were_never_sent_are_put_back_in_line(
    database: Database, videos: VideoRepository
) -> None:
    names = {status: await put_video(database, status) for status in VideoStatus}
    fresh = await put_video(database, VideoStatus.QUEUED)
    await database.execute(
        "UPDATE videos SET admitted_at = now() - interval '3 minutes' WHERE id <> $1", fresh
    )
    assert await videos.readmit_strays(timedelta(minutes=2)) == 1
    assert (await row_of(database, names[VideoStatus.QUEUED]))["admitted_at"] is None
    assert (await row_of(database, fresh))["admitted_at"] is not None


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE videos SET status = 'completed'",
        "UPDATE videos SET result = '{}'",
        "UPDATE videos SET status = 'failed'",
        "UPDATE videos SET status = 'done'",
        "UPDATE videos SET progress = 101",
    ],
)
async def test_the_database_itself_refuses_a_video_that_cannot_be(database: Database, sql: str) -> None:
    await wait_in_line(database)
    async with database.session() as session:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await session.connection.execute(sql)


async def test_a_value_that_postgresql_cannot_keep_is_told_apart_from_a_lost_database(
    database: Database, videos: VideoRepository
) -> None:
    bad = a_video(request=replace(a_video().request, prompt="a\x00b"))
    with pytest.raises(RowRejected):
        await videos.insert([bad, a_video()])
    assert await database.value("SELECT count(*) FROM videos") == 0
