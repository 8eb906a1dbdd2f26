"""Ranges and validators are decided as RFC 9110 says."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.api.errors import RangeUnsatisfiable
from filmgate.api.ranges import Slice, choose_slice, http_date, unchanged

ETAG = '"abc"'
CHANGED = datetime(2025, 10, 16, 10, 0, 0, 500_000, tzinfo=UTC)
DATE = "Thu, 16 Oct 2025 10:00:00 GMT"


def choose(size: int = 100, **headers: str) -> Slice:
    return choose_slice({name.replace("_", "-"): text for name, text in headers.items()}, size, ETAG, CHANGED)


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=90-", 90, 100),
        ("bytes=-5", 95, 100),
        ("bytes=-500", 0, 100),
        ("bytes=50-5000", 50, 100),
        ("bytes=99-99", 99, 100),
        ("Bytes= 0-9 ", 0, 10),
    ],
)
def test_one_range_is_sent_in_part(text: str, start: int, stop: int) -> None:
    assert choose(range=text) == Slice(start, stop, partial=True)


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=9999999999999999999-"])
def test_a_range_beyond_the_end_cannot_be_satisfied(text: str) -> None:
    with pytest.raises(RangeUnsatisfiable) as refused:
        choose(range=text)
    assert refused.value.size == 100


@pytest.mark.parametrize(
    "text", ["", "bytes=", "bytes=-", "bytes=9-5", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "0-5"]
)
def test_what_is_no_single_range_gets_the_whole_file(text: str) -> None:
    assert choose(range=text) == Slice(0, 100, partial=False)


def test_an_empty_file_is_whole_and_has_no_ranges() -> None:
    assert choose(0) == Slice(0, 0, partial=False)
    with pytest.raises(RangeUnsatisfiable):
        choose(0, range="bytes=0-0")


@pytest.mark.parametrize(
    ("condition", "partial"),
    [(ETAG, True), (f"W/{ETAG}", False), ('"other"', False), (DATE, True), ("yesterday", False)],
)
def test_a_range_counts_only_if_the_file_is_still_the_same(condition: str, partial: bool) -> None:
    assert choose(range="bytes=0-9", if_range=condition).partial is partial


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, False),
        ({"if-none-match": ETAG}, True),
        ({"if-none-match": f"W/{ETAG}"}, True),
        ({"if-none-match": f'"x", {ETAG}'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"x"'}, False),
        ({"if-none-match": '"x"', "if-modified-since": DATE}, False),
        ({"if-modified-since": DATE}, True),
        ({"if-modified-since": "Thu, 16 Oct 2025 09:59:59 GMT"}, False),
        ({"if-modified-since": "Thu, 16 Oct 2025 10:00:00 -0000"}, True),
        ({"if-modified-since": "nonsense"}, False),
    ],
)
def test_a_client_that_has_the_file_is_told_so(headers: dict[str, str], same: bool) -> None:
    assert unchanged(headers, ETAG, CHANGED) is same


def test_dates_are_written_as_http_does() -> None:
    assert http_date(CHANGED) == DATE


@given(st.text(max_size=40), st.integers(0, 1000))
def test_whatever_is_asked_lies_within_the_file(text: str, size: int) -> None:
    try:
        part = choose(size, range=text)
    except RangeUnsatisfiable:
        return
    assert 0 <= part.start <= part.stop <= size
