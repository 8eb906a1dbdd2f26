"""Calls that arrive together share one statement, and none suffers for another."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from filmgate.domain.errors import DatabaseUnavailable, Overloaded
from filmgate.domain.video import Video
from filmgate.infrastructure.database import Database, RowRejected
from filmgate.infrastructure.grouping import Grouper
from filmgate.repositories.videos import VideoRepository
from filmgate.services.commit import commit_surely
from tests.integration.makers import a_video, cut_connections

pytestmark = pytest.mark.anyio


class Inserts:
    """Insert groups of videos, and note how large each was."""

    def __init__(self, database: Database) -> None:
        self._videos = VideoRepository(database)
        self.sizes: list[int] = []

    async def __call__(self, videos: Sequence[Video]) -> Sequence[None]:
        self.sizes.append(len(videos))
        await self._videos.insert(videos)
        return [None] * len(videos)


def poisoned() -> Video:
    video = a_video()
    return replace(video, request=replace(video.request, prompt="a\x00b"))


async def test_calls_that_arrive_together_need_fewer_statements_than_calls(database: Database) -> None:
    flush = Inserts(database)
    insert = Grouper(flush)
    await asyncio.gather(*(insert(a_video()) for _ in range(200)))
    assert await database.value("SELECT count(*) FROM videos") == 200
    assert len(flush.sizes) < 10


async def test_a_lone_call_does_not_wait_for_company(database: Database) -> None:
    flush = Inserts(database)
    insert = Grouper(flush)
    for _ in range(3):
        await insert(a_video())
    assert flush.sizes == [1, 1, 1]


async def test_no_group_is_larger_than_its_limit(database: Database) -> None:
    flush = Inserts(database)
    insert = Grouper(flush, limit=7)
    await asyncio.gather(*(insert(a_video()) for _ in range(40)))
    assert max(flush.sizes) <= 7
    assert sum(flush.sizes) == 40


async def test_a_poisoned_row_fails_alone(database: Database) -> None:
    flush = Inserts(database)
    insert = Grouper(flush)
    videos = [a_video() for _ in range(20)]
    videos[11] = poisoned()
    outcomes = await asyncio.gather(*(insert(video) for video in videos), return_exceptions=True)
    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [11]
    assert isinstance(outcomes[11], RowRejected)
    assert await database.value("SELECT count(*) FROM videos") == 19


async def test_more_waiting_calls_than_there_is_room_for_are_refused_at_once(database: Database) -> None:
    insert = Grouper(Inserts(database), limit=5, capacity=10)
    outcomes = await asyncio.gather(*(insert(a_video()) for _ in range(50)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    assert len(refused) == 40
    assert await database.value("SELECT count(*) FROM videos") == 10
    await insert(a_video())


async def test_a_database_that_is_away_fails_the_callers_and_a_later_call_works(
    database: Database, dsn: str
) -> None:
    insert = Grouper(Inserts(database))
    await database.close()
    outcomes = await asyncio.gather(*(insert(a_video()) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, DatabaseUnavailable) for outcome in outcomes)
    await database.open()
    await insert(a_video())
    assert await database.value("SELECT count(*) FROM videos") == 1


async def test_a_commit_whose_answer_is_lost_inserts_once(database: Database, dsn: str) -> None:
    """The row is on disk when the connection breaks; the repetition finds it there."""
    videos = VideoRepository(database)
    tries = 0

    async def lose_the_answer(group: Sequence[Video]) -> Sequence[None]:
        async def commit() -> None:
            nonlocal tries
            tries += 1
            await videos.insert(group)
            if tries == 1:
                await cut_connections(dsn)
                raise DatabaseUnavailable("the answer was lost")

        await commit_surely(commit)
        return [None] * len(group)

    video = a_video()
    await Grouper(lose_the_answer)(video)
    assert tries >= 2
    assert await database.value("SELECT count(*) FROM videos") == 1


async def test_a_caller_that_goes_away_takes_nobody_along(database: Database) -> None:
    insert = Grouper(Inserts(database))
    calls = [asyncio.create_task(insert(a_video())) for _ in range(10)]
    await asyncio.sleep(0)
    calls[3].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(asyncio.CancelledError) == 1
    # What was asked for is done all the same: the caller cannot know whether it came too late.
    assert await database.value("SELECT count(*) FROM videos") == 10


async def test_answers_go_to_those_who_asked(database: Database) -> None:
    videos = VideoRepository(database)
    made = [a_video() for _ in range(50)]
    await videos.insert(made)
    read = Grouper(videos.get_many)
    found = await asyncio.gather(*(read(video.id) for video in made), read("job_none"))
    assert [video and video.id for video in found] == [*(video.id for video in made), None]


async def test_an_error_nobody_foresaw_reaches_every_caller_of_its_group(database: Database) -> None:
    async def stumble(_: Sequence[int]) -> Sequence[int]:
        raise ZeroDivisionError

    ask: Grouper[int, int] = Grouper(stumble)
    outcomes = await asyncio.gather(*(ask(number) for number in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError] * 3


async def test_a_group_that_is_cut_off_leaves_nobody_waiting() -> None:
    async def hang(_: Sequence[int]) -> Sequence[int]:
        raise asyncio.CancelledError

    ask: Grouper[int, int] = Grouper(hang)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(ask(1), 5)


async def test_the_statements_on_the_wire_are_fewer_than_the_creates(dsn: str, tmp_path: Path) -> None:
    """Counted by PostgreSQL itself, so that nothing of ours can be mistaken about it."""
    database = Database(dsn, size=4)
    await database.open()
    watcher = await asyncpg.connect(dsn)
    commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    await watcher.execute("SELECT pg_stat_force_next_flush()")
    before = await watcher.fetchval(commits)
    insert = Grouper(Inserts(database))
    await asyncio.gather(*(insert(a_video()) for _ in range(300)))
    await database.close()
    await watcher.execute("SELECT pg_stat_clear_snapshot()")
    after = await watcher.fetchval(commits)
    await watcher.close()
    assert after - before < 100
