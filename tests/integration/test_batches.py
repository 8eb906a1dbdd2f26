"""A batch is accepted whole or not at all, and tells what has become of its videos."""

from dataclasses import replace

import pytest

from filmgate.app import Gate
from filmgate.domain.batch import MAX_BATCH_ROWS, BatchStatus
from filmgate.domain.errors import InvalidRequest, NotFound
from filmgate.domain.key import Key
from filmgate.domain.money import FREE
from filmgate.domain.video import VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.repositories.batches import BatchRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.asked import AskedVideo

pytestmark = pytest.mark.anyio

ROW = AskedVideo("a lake")
PNG = "data:image/png;base64,iVBORw0KGgo="


async def set_statuses(database: Database, *statuses: VideoStatus) -> None:
    for index, status in enumerate(statuses):
        await database.execute(
            """
            UPDATE videos SET status = $2, completed_at = now(), progress = 50,
                result = CASE WHEN $2 = 'completed' THEN '{}'::jsonb END,
                error = CASE WHEN $2 = 'failed' THEN '{"code": "x", "message": "y"}'::jsonb END
            WHERE batch_index = $1
            """,
            index,
            status.value,
        )


async def test_every_row_becomes_a_video_in_order(gate: Gate, owner: Key) -> None:
    rows = [AskedVideo(f"lake {number}") for number in range(25)]
    batch, jobs = await gate.services.batches.create(owner, rows, "twenty-five", None)
    assert (batch.total, batch.status, batch.name) == (25, BatchStatus.PROCESSING, "twenty-five")
    assert len(jobs) == 25
    videos = await VideoRepository(gate.database).get_many([name for name, _ in jobs])
    assert [video and video.request.prompt for video in videos] == [row.prompt for row in rows]
    assert [video and video.batch_index for video in videos] == list(range(25))
    assert {video and video.batch_id for video in videos} == {batch.id}
    estimates = [video.estimated_at for video in videos if video is not None]
    assert estimates == sorted(estimates)


async def test_one_bad_row_refuses_the_batch_with_every_problem_of_every_row(gate: Gate, owner: Key) -> None:
    rows = [ROW, replace(ROW, prompt=""), ROW, replace(ROW, duration=99.0, seed=-1)]
    with pytest.raises(InvalidRequest) as refused:
        await gate.services.batches.create(owner, rows, None, None)
    problems = [(problem.row, problem.field) for problem in refused.value.problems]
    assert sorted(problems, key=str) == [(1, "prompt"), (3, "duration"), (3, "seed")]
    assert str(refused.value).startswith("2 of 4 rows are wrong; nothing was accepted")
    assert await gate.database.value("SELECT count(*) FROM videos") == 0
    assert await gate.database.value("SELECT count(*) FROM batches") == 0


async def test_a_bad_image_and_another_mistake_of_the_same_row_are_told_together(
    gate: Gate, owner: Key
) -> None:
    rows = [replace(ROW, prompt="", input_reference="nothing")]
    with pytest.raises(InvalidRequest) as refused:
        await gate.services.batches.create(owner, rows, None, None)
    assert {problem.field for problem in refused.value.problems} == {"prompt", "inputReference"}
    assert str(refused.value).startswith("1 of 1 rows is wrong")


async def test_images_of_rows_are_kept_apart(gate: Gate, owner: Key) -> None:
    rows = [replace(ROW, input_reference=PNG) for _ in range(2)]
    _, jobs = await gate.services.batches.create(owner, rows, None, None)
    videos = await VideoRepository(gate.database).get_many([name for name, _ in jobs])
    references = [video.request.input_reference for video in videos if video is not None]
    assert len(set(references)) == 2
    for reference in references:
        assert reference is not None
        assert (gate.settings.data / "assets" / reference).is_file()


@pytest.mark.parametrize(("count", "code"), [(0, "required"), (MAX_BATCH_ROWS + 1, "too_many")])
async def test_a_batch_of_nothing_or_of_too_much_is_refused(
    gate: Gate, owner: Key, count: int, code: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await gate.services.batches.create(owner, [ROW] * count, None, None)
    assert [problem.code for problem in refused.value.problems] == [code]


async def test_a_webhook_that_cannot_be_called_refuses_the_batch(gate: Gate, owner: Key) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await gate.services.batches.create(owner, [ROW], None, "ftp://example.com")
    assert [problem.field for problem in refused.value.problems] == ["webhookUrl"]


async def test_the_priority_of_the_batch_is_that_of_rows_without_one(gate: Gate, owner: Key) -> None:
    rows = [ROW, replace(ROW, priority=-2)]
    _, jobs = await gate.services.batches.create(owner, rows, None, None, priority=7)
    videos = await VideoRepository(gate.database).get_many([name for name, _ in jobs])
    assert [video and video.priority for video in videos] == [7, -2]


async def test_inserting_a_batch_again_changes_nothing(gate: Gate, owner: Key) -> None:
    batch, jobs = await gate.services.batches.create(owner, [ROW] * 3, None, None)
    videos = await VideoRepository(gate.database).get_many([name for name, _ in jobs])
    repository = BatchRepository(gate.database, VideoRepository(gate.database))
    await repository.insert(batch, owner.id, [video for video in videos if video is not None])
    assert await gate.database.value("SELECT count(*) FROM videos") == 3


@pytest.mark.parametrize(
    ("statuses", "status", "progress"),
    [
        ((VideoStatus.QUEUED, VideoStatus.COMPLETED), BatchStatus.PROCESSING, 75),
        ((VideoStatus.IN_PROGRESS, VideoStatus.FAILED), BatchStatus.PROCESSING, 75),
        ((VideoStatus.COMPLETED, VideoStatus.FAILED), BatchStatus.COMPLETED, 100),
        ((VideoStatus.CANCELLED, VideoStatus.FAILED), BatchStatus.FAILED, 100),
        ((VideoStatus.CANCELLED, VideoStatus.CANCELLED), BatchStatus.CANCELLED, 100),
    ],
)
async def test_a_batch_stands_where_its_videos_stand(
    gate: Gate, owner: Key, statuses: tuple[VideoStatus, ...], status: BatchStatus, progress: int
) -> None:
    batch, _ = await gate.services.batches.create(owner, [ROW] * 2, None, None)
    await set_statuses(gate.database, *statuses)
    found = await gate.services.batches.get(owner, batch.id)
    assert (found.status, found.progress) == (status, progress)
    assert sum(found.counts.values()) == found.total == 2
    assert (found.completed_at is not None) is (status is not BatchStatus.PROCESSING)
    assert (found.price, found.cost) == (FREE, FREE)


async def test_cancelling_ends_what_has_not_ended_and_is_harmless_again(gate: Gate, owner: Key) -> None:
    batch, _ = await gate.services.batches.create(owner, [ROW] * 4, None, None)
    await set_statuses(
        gate.database, VideoStatus.COMPLETED, VideoStatus.FAILED, VideoStatus.IN_PROGRESS, VideoStatus.QUEUED
    )
    for _ in range(2):
        found = await gate.services.batches.cancel(owner, batch.id)
        assert {status.value: count for status, count in found.counts.items() if count} == {
            "completed": 1,
            "failed": 1,
            "cancelled": 2,
        }


async def test_a_batch_of_another_project_is_not_there(gate: Gate, owner: Key) -> None:
    batch, _ = await gate.services.batches.create(owner, [ROW], None, None)
    stranger = replace(owner, project="another")
    with pytest.raises(NotFound):
        await gate.services.batches.get(stranger, batch.id)
    with pytest.raises(NotFound):
        await gate.services.batches.cancel(stranger, batch.id)
    assert (await gate.services.batches.list(stranger, 10, None)).items == ()
    assert (await gate.services.batches.get(owner, batch.id)).status is BatchStatus.PROCESSING


async def test_pages_of_batches_follow_each_other_newest_first(gate: Gate, owner: Key) -> None:
    made = [(await gate.services.batches.create(owner, [ROW], None, None))[0].id for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await gate.services.batches.list(owner, 2, cursor)
        seen += [batch.id for batch in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(made, reverse=True)
