"""Bodies and queries are read, and whatever is wrong with them is told field by field."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.api.decoding import decode_envelope, decode_query, decode_rows, decode_video
from filmgate.api.errors import MalformedBody
from filmgate.api.inputs import (
    LARGEST_SEED,
    BatchCreate,
    BatchEnvelope,
    ContentQuery,
    VideoQuery,
)
from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.services.asked import AskedVideo
from filmgate.services.routing import MAX_SEED

MISSION = {
    "prompt": "A serene lake at sunset with mountains in the background",
    "duration": 5,
    "resolution": "1920x1080",
    "aspect_ratio": "16:9",
    "model": "sora-1.0",
    "webhookUrl": "https://example.com/webhook",
}


def problems_of(body: Any) -> dict[str, FieldProblem]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidRequest) as refused:
        decode_video(raw)
    return {problem.field: problem for problem in refused.value.problems}


def told(read: Callable[[], object]) -> Sequence[FieldProblem]:
    """Return the problems of a refusal, none where what was read is fine."""
    try:
        read()
    except InvalidRequest as refused:
        return refused.problems
    return ()


def test_the_missions_request_is_read() -> None:
    asked = decode_video(json.dumps(MISSION).encode())
    assert asked.prompt == MISSION["prompt"]
    assert (asked.duration, asked.resolution, asked.aspect_ratio) == (5.0, "1920x1080", "16:9")
    assert (asked.model, asked.webhook_url) == ("sora-1.0", "https://example.com/webhook")


def test_a_prompt_is_enough_and_null_counts_as_left_out() -> None:
    assert decode_video(b'{"prompt":"a"}') == decode_video(
        b'{"prompt":"a","duration":null,"model":null,"strict":null,"priority":null,"metadata":null}'
    )


def test_everything_else_is_read() -> None:
    asked = decode_video(
        b'{"prompt":"a","aspectRatio":"1:1","seed":7,"negativePrompt":"n","audio":false,"priority":-3,'
        b'"inputReference":"data:image/png;base64,AA==","metadata":{"shot":"12b"},"strict":true}'
    )
    assert (asked.aspect_ratio, asked.seed, asked.negative_prompt, asked.audio) == ("1:1", 7, "n", False)
    assert (asked.priority, asked.strict, asked.metadata) == (-3, True, {"shot": "12b"})
    assert asked.input_reference == "data:image/png;base64,AA=="


def test_both_spellings_of_the_aspect_ratio_may_agree_but_not_differ() -> None:
    assert decode_video(b'{"prompt":"a","aspect_ratio":"1:1","aspectRatio":"1:1"}').aspect_ratio == "1:1"
    assert "aspect_ratio" in problems_of({"prompt": "a", "aspect_ratio": "1:1", "aspectRatio": "16:9"})


def test_every_wrong_field_is_told_at_once() -> None:
    found = problems_of(
        {
            "duration": "five",
            "seed": -1,
            "priority": 300,
            "audio": "yes",
            "metadata": {"shot": 12},
            "promt": "a",
        }
    )
    assert {name: problem.code for name, problem in found.items()} == {
        "prompt": "required",
        "duration": "wrong_type",
        "seed": "out_of_range",
        "priority": "out_of_range",
        "audio": "wrong_type",
        "metadata": "invalid_value",
        "promt": "unknown_field",
    }
    assert found["duration"].message == "duration is text."
    assert found["duration"].suggestion == "Give a number, for example 5."
    assert found["priority"].suggestion == "Give a whole number from -100 to 100, for example 0."
    assert found["audio"].suggestion == "Give true or false."


@pytest.mark.parametrize(
    ("wrote", "meant"),
    [
        ("promt", "prompt"),
        ("webhook_url", "webhookUrl"),
        ("negative_prompt", "negativePrompt"),
        ("seconds", "duration"),
        ("size", "resolution"),
        ("input_reference", "inputReference"),
    ],
)
def test_an_unknown_field_names_the_nearest_known_one(wrote: str, meant: str) -> None:
    assert problems_of({"prompt": "a", wrote: "x"})[wrote].suggestion == f"Did you mean {meant}?"


def test_an_unknown_field_near_to_none_is_to_be_left_out() -> None:
    problem = problems_of({"prompt": "a", "zzz" * 100: 1})[("zzz" * 100)[:60]]
    assert problem.suggestion == "Leave it out."


@pytest.mark.parametrize(
    "metadata",
    [
        {str(number): "x" for number in range(17)},
        {"k" * 65: "x"},
        {"": "x"},
        {"k": "v" * 513},
        {"k": None},
        ["k"],
        "k",
    ],
)
def test_metadata_beyond_its_limits_is_refused(metadata: Any) -> None:
    problem = problems_of({"prompt": "a", "metadata": metadata})["metadata"]
    assert problem.suggestion is not None
    assert "at most 16 pairs" in problem.suggestion


def test_metadata_at_its_limits_is_taken() -> None:
    metadata = {f"{number:064}": "v" * 512 for number in range(16)}
    assert decode_video(json.dumps({"prompt": "a", "metadata": metadata}).encode()).metadata == metadata


@pytest.mark.parametrize(
    ("body", "kind"), [(b"[]", "a list"), (b'"a"', "text"), (b"null", "null"), (b"5", "a number")]
)
def test_a_body_that_is_no_object_is_told_apart(body: bytes, kind: str) -> None:
    assert problems_of(body)["body"].message == f"The body is {kind}."


@pytest.mark.parametrize("field", ["prompt", "negativePrompt", "model", "webhookUrl", "metadata"])
def test_a_nul_character_is_refused_wherever_it_stands(field: str) -> None:
    value: Any = {"a": "x\x00y"} if field == "metadata" else "x\x00y"
    assert problems_of({"prompt": "a", field: value})[field].suggestion == "Remove it."


def test_a_backslash_before_u0000_is_only_a_backslash() -> None:
    assert decode_video(rb'{"prompt":"a\\u0000"}').prompt == r"a\u0000"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"prompt":\n  NaN}', "line 2, column 3 (byte 13)"),
        (b'{"prompt": "a" "b": 1}', "line 1, column 16 (byte 15)"),
        (b'{"prompt":"\xff"}', "line 1, column 12 (byte 11)"),
        (b'{"prompt":"\\ud800 lone"}', "line 1, column 12 (byte 11)"),
        (b'{"prompt":"a"', "byte 13"),
        (b'{"prompt":"a"}}', "byte 14"),
        (b'{"prompt":"a\x00"}', "byte 12"),
    ],
)
def test_broken_json_is_told_with_its_place(body: bytes, where: str) -> None:
    with pytest.raises(MalformedBody, match="not valid JSON") as broken:
        decode_video(body)
    assert where in str(broken.value)


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_body_is_called_empty(body: bytes) -> None:
    with pytest.raises(MalformedBody, match="is empty"):
        decode_video(body)


@pytest.mark.parametrize("body", [b'{"x":' * 100_000, b'{"prompt":' + b"[" * 100_000, b"[" * 100_000])
def test_deep_nesting_is_refused(body: bytes) -> None:
    with pytest.raises((MalformedBody, InvalidRequest)):
        decode_video(body)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000])
def test_numbers_beyond_all_bounds_are_out_of_range(number: str) -> None:
    body = f'{{"prompt":"a","duration":{number},"seed":{number}}}'.encode()
    assert problems_of(body)["seed"].field == "seed"


def test_the_largest_seed_is_the_services_own() -> None:
    assert LARGEST_SEED == MAX_SEED


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_make_anything_but_a_video_or_a_refusal(body: bytes) -> None:
    with suppress(MalformedBody, InvalidRequest):
        assert isinstance(decode_video(body), AskedVideo)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["prompt", "duration", "seed", "metadata", "strict", "aspectRatio", "webhookUrl"])


@given(st.dictionaries(NAMES | st.text(max_size=10), JSON, max_size=6))
def test_every_refusal_of_json_names_fields_and_the_mend(body: dict[str, Any]) -> None:
    for problem in told(lambda: decode_video(json.dumps(body).encode())):
        assert problem.message
        assert problem.suggestion


def test_a_batch_keeps_its_rows_in_order() -> None:
    envelope = decode_envelope(b'{"videos":[{"prompt":"a"},{"prompt":"b"}],"name":"n","priority":5}')
    rows, problems = decode_rows(envelope)
    assert [row and row.prompt for row in rows] == ["a", "b"]
    assert (problems, envelope.name, envelope.priority) == ([], "n", 5)


def test_every_bad_row_has_its_own_problems() -> None:
    envelope = decode_envelope(
        b'{"videos":[{"prompt":"a"},{"prompt":5,"seed":"x"},7,{},{"prompt":"b","bogus":1}]}'
    )
    rows, problems = decode_rows(envelope)
    assert [row is None for row in rows] == [False, True, True, True, True]
    assert [(problem.row, problem.field) for problem in problems] == [
        (1, "prompt"),
        (1, "seed"),
        (2, "body"),
        (3, "prompt"),
        (4, "bogus"),
    ]


@pytest.mark.parametrize(
    ("rows", "code"), [(0, "required"), (10_001, "too_many")], ids=["no rows", "too many rows"]
)
def test_a_batch_of_the_wrong_size_is_one_problem(rows: int, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_envelope(json.dumps({"videos": [{"prompt": "a"}] * rows}).encode())
    assert [(problem.field, problem.code) for problem in refused.value.problems] == [("videos", code)]


@pytest.mark.parametrize("body", [b"{}", b'{"videos":{}}', b'{"videos":null}', b'{"vidoes":[]}'])
def test_a_batch_without_rows_names_the_field(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_envelope(body)
    assert "videos" in {problem.field for problem in refused.value.problems}


def test_what_is_documented_of_a_batch_is_what_is_read() -> None:
    assert BatchCreate.__struct_encode_fields__ == BatchEnvelope.__struct_encode_fields__


def test_a_query_is_read() -> None:
    query = decode_query(
        b"status=failed&limit=5&q=lake+at&createdAfter=2025-10-16T10:00:00%2B02:00&cursor=", VideoQuery
    )
    assert (query.status, query.limit, query.q, query.cursor) == ("failed", 5, "lake at", None)
    assert query.created_after == datetime(2025, 10, 16, 8, tzinfo=UTC)


def test_a_moment_without_a_zone_is_utc() -> None:
    query = decode_query(b"createdBefore=2025-10-16T10:00:00", VideoQuery)
    assert query.created_before == datetime(2025, 10, 16, 10, tzinfo=UTC)


def test_every_wrong_parameter_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_query(b"limit=0&stauts=failed&status=done&createdAfter=2025&q=a&q=b&batchId=%00", VideoQuery)
    found = {problem.field: problem for problem in refused.value.problems}
    assert set(found) == {"limit", "stauts", "status", "createdAfter", "q", "batchId"}
    assert found["stauts"].suggestion == "Did you mean status?"
    assert set(found["status"].allowed or ()) == {"pending", "processing", "completed", "failed", "cancelled"}


def test_null_is_a_word_like_any_other_in_a_query() -> None:
    assert decode_query(b"q=null", VideoQuery).q == "null"
    with pytest.raises(InvalidRequest):
        decode_query(b"status=null", VideoQuery)


def test_a_query_with_too_many_parameters_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        decode_query(b"&".join(b"a=1" for _ in range(51)), VideoQuery)


@pytest.mark.parametrize(("text", "wanted"), [(b"download=1", True), (b"download=0", False), (b"", False)])
def test_a_download_is_asked_for_with_a_one(text: bytes, wanted: bool) -> None:
    assert decode_query(text, ContentQuery).download is wanted


def test_a_link_may_carry_parameters_we_do_not_know() -> None:
    assert decode_query(b"variant=thumbnail&utm_source=mail", ContentQuery).variant == "thumbnail"


@given(st.binary(max_size=100))
def test_no_query_does_anything_but_be_read_or_refused(query: bytes) -> None:
    told(lambda: decode_query(query, VideoQuery))
