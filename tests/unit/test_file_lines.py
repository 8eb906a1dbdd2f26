"""Input files are split into lines wherever their chunks end, and every fault is told with its line."""

from collections.abc import AsyncIterator

import pytest

from filmgate.domain.errors import InvalidRequest
from filmgate.domain.file import LONGEST_LIFE, SHORTEST_LIFE, life_of, read_purpose, tidy_filename
from filmgate.services.file_lines import (
    MAX_LINE_BYTES,
    Inspector,
    LineRequest,
    LineTooLong,
    read_line,
    split_lines,
)

pytestmark = pytest.mark.anyio

GOOD = b'{"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": {"prompt": "a lake"}}'


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def split(*parts: bytes) -> list[tuple[int, bytes]]:
    return [found async for found in split_lines(chunks(*parts))]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_lines_are_the_same_however_the_bytes_come(size: int) -> None:
    content = b"\xef\xbb\xbfone\r\n\n  \ntwo\n\nthree"
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    assert await split(*parts) == [(1, b"one"), (4, b"two"), (6, b"three")]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf\n \n"])
async def test_blank_lines_are_none(content: bytes) -> None:
    assert await split(content) == []


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_longer_than_any_request_is_refused_with_its_number(end: bytes) -> None:
    with pytest.raises(LineTooLong, match="Line 2"):
        await split(b"one\n", b"x" * MAX_LINE_BYTES, b"x" + end)


def test_a_good_line_is_read_with_its_body_closed() -> None:
    assert read_line(3, GOOD) == LineRequest(3, "a", b'{"prompt": "a lake"}')


def test_deeply_nested_json_is_a_fault_and_no_crash() -> None:
    inspector = Inspector()
    inspector.look(1, b"[" * 100_000)
    assert [fault.code for fault in inspector.verdict()] == ["invalid_json_line"]


def test_the_same_custom_id_is_told_with_the_line_that_had_it_first() -> None:
    inspector = Inspector()
    for number in (2, 5, 9):
        inspector.look(number, GOOD)
    assert [(fault.line, "line 2" in fault.message) for fault in inspector.verdict()] == [
        (5, True),
        (9, True),
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("shots.jsonl", "shots.jsonl"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.png", "a.png"),
        ("a\nb\x00c", "abc"),
        ("", "upload"),
        ("/", "upload"),
        ("ö" * 400, "ö" * 255),
    ],
)
def test_a_filename_is_only_a_name(given: str, kept: str) -> None:
    assert tidy_filename(given) == kept


@pytest.mark.parametrize("seconds", [3600, "3600", 2_592_000])
def test_a_life_is_from_an_hour_to_thirty_days(seconds: object) -> None:
    assert SHORTEST_LIFE <= life_of("expires_after", "created_at", seconds) <= LONGEST_LIFE


@pytest.mark.parametrize("seconds", [None, 3599, 2_592_001, "-1", "1e9", 3600.5, True, 10**400, "9" * 400])
def test_any_other_life_is_refused(seconds: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        life_of("expires_after", "created_at", seconds)
    assert refused.value.problems[0].field == "expires_after[seconds]"


def test_output_files_are_not_uploaded() -> None:
    assert read_purpose("batch") == "batch"
    with pytest.raises(InvalidRequest, match="no purpose"):
        read_purpose("batch_output")
