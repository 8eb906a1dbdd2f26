"""A video moves only as its table of transitions says."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.domain.video import (
    VARIANT_FILES,
    VIDEO_TRANSITIONS,
    Variant,
    VideoRequest,
    VideoResult,
    VideoStatus,
)

FINAL = {VideoStatus.COMPLETED, VideoStatus.FAILED, VideoStatus.CANCELLED}
PAIRS = list(itertools.product(VideoStatus, VideoStatus))

steps = st.lists(st.sampled_from(VideoStatus), max_size=12)


def test_every_status_has_a_row_in_the_table() -> None:
    assert set(VIDEO_TRANSITIONS) == set(VideoStatus)


@pytest.mark.parametrize("status", VideoStatus)
def test_a_final_status_has_no_way_out_and_every_other_has_one(status: VideoStatus) -> None:
    assert status.final is (status in FINAL)
    assert bool(VIDEO_TRANSITIONS[status]) is not status.final


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_status_never_follows_itself_and_a_final_one_is_never_left(
    before: VideoStatus, after: VideoStatus
) -> None:
    allowed = after in VIDEO_TRANSITIONS[before]
    if before is after or before in FINAL:
        assert not allowed
    if after is VideoStatus.COMPLETED and allowed:
        assert before is VideoStatus.IN_PROGRESS


@given(wishes=steps)
def test_a_walk_ends_at_its_first_final_status(wishes: list[VideoStatus]) -> None:
    status, seen = VideoStatus.QUEUED, [VideoStatus.QUEUED]
    for wish in wishes:
        if wish in VIDEO_TRANSITIONS[status]:
            status = wish
            seen.append(status)
    assert all(not passed.final for passed in seen[:-1])


@pytest.mark.parametrize("status", VideoStatus)
def test_every_unfinished_video_can_still_end_in_every_way(status: VideoStatus) -> None:
    reachable, frontier = set[VideoStatus](), {status}
    while frontier:
        reachable |= frontier
        frontier = {after for before in frontier for after in VIDEO_TRANSITIONS[before]} - reachable
    assert reachable == ({status} if status.final else set(VideoStatus))


def test_a_request_writes_its_size_as_width_times_height() -> None:
    assert VideoRequest("a lake", 5, 1280, 720, 1).size == "1280x720"


def test_each_variant_of_a_result_lies_under_its_own_key() -> None:
    result = VideoResult("videos/a/b", 1, 360, 360, 24, "h264", None, 1, "00", 1, 1)
    keys = {variant: result.key(variant) for variant in Variant}
    assert len(set(keys.values())) == len(Variant)
    assert keys[Variant.VIDEO] == f"videos/a/b/{VARIANT_FILES[Variant.VIDEO]}"
