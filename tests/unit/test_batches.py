"""Where a batch stands follows from its videos alone."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from filmgate.domain.batch import Batch, BatchStatus, derive_status
from filmgate.domain.video import VideoStatus

counts = st.dictionaries(st.sampled_from(VideoStatus), st.integers(0, 5))


@given(counts)
def test_a_batch_is_processing_exactly_while_one_of_its_videos_can_still_change(
    found: dict[VideoStatus, int],
) -> None:
    unfinished = sum(count for status, count in found.items() if not status.final)
    assert (derive_status(found) is BatchStatus.PROCESSING) is (unfinished > 0)


@given(counts)
def test_an_ended_batch_tells_the_best_that_came_of_any_of_its_videos(
    found: dict[VideoStatus, int],
) -> None:
    ended = {status: count for status, count in found.items() if status.final}
    best = next(
        (
            status.value
            for status in (VideoStatus.COMPLETED, VideoStatus.FAILED, VideoStatus.CANCELLED)
            if ended.get(status)
        ),
        "cancelled",
    )
    assert derive_status(ended).value == best


@given(counts, st.sampled_from(VideoStatus))
def test_a_status_that_counts_nothing_changes_nothing(
    found: dict[VideoStatus, int], status: VideoStatus
) -> None:
    assert derive_status(found) is derive_status({status: 0} | found)


def test_a_batch_derives_its_status_from_its_counts() -> None:
    counted = {VideoStatus.COMPLETED: 1, VideoStatus.FAILED: 2}
    batch = Batch("batch_1", "project", None, 3, counted, datetime.now(UTC))
    assert batch.status is BatchStatus.COMPLETED
