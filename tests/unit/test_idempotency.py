"""The same request is recognised however it is spelled, and another one is never taken for it."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.api.decoding import decode_video
from filmgate.api.repeats import mark_of
from filmgate.domain.errors import BadIdempotencyKey
from filmgate.domain.idempotency import Mark
from filmgate.services.idempotency import fingerprint_of, with_digest

ROUTE = "POST /api/v1/videos"
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=20)


def image(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


BODIES = st.fixed_dictionaries(
    {"prompt": TEXT},
    optional={
        "duration": st.integers(1, 60) | st.floats(0.5, 60),
        "resolution": st.sampled_from(["720p", "1280x720"]),
        "aspectRatio": st.sampled_from(["16:9", "9:16"]),
        "model": TEXT,
        "seed": st.integers(0, 2**53 - 1),
        "negativePrompt": TEXT,
        "audio": st.booleans(),
        "strict": st.just(True),
        "priority": st.integers(1, 100),
        "metadata": st.dictionaries(TEXT, TEXT, min_size=1, max_size=4),
        "inputReference": st.binary(min_size=1, max_size=8).map(image),
    },
)


def fingerprint(body: str | dict[str, Any], route: str = ROUTE) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    return fingerprint_of(route, with_digest(decode_video(text.encode())))


def respelled(body: dict[str, Any], order: list[str], *, wide: bool, ascii_only: bool, nulls: bool) -> str:
    """Write the same request in another way."""
    given_fields = {name: body[name] for name in order}
    if "metadata" in given_fields:
        given_fields["metadata"] = dict(reversed(given_fields["metadata"].items()))
    if nulls:
        absent = {"model", "seed", "audio", "webhookUrl", "metadata", "aspect_ratio"} - set(body)
        given_fields |= dict.fromkeys(absent)
    return json.dumps(given_fields, indent=3 if wide else None, ensure_ascii=ascii_only)


@given(BODIES, st.data())
def test_a_request_is_the_same_however_it_is_spelled(body: dict[str, Any], data: st.DataObject) -> None:
    order = data.draw(st.permutations(list(body)))
    flags = [data.draw(st.booleans()) for _ in range(3)]
    again = respelled(body, order, wide=flags[0], ascii_only=flags[1], nulls=flags[2])
    assert fingerprint(again) == fingerprint(body)


@given(BODIES, BODIES)
def test_another_request_is_another(one: dict[str, Any], other: dict[str, Any]) -> None:
    # What a client leaves out and what it writes as 5 or 5.0 mean what they always mean.
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


def test_the_same_image_may_be_written_in_two_ways_and_the_route_counts() -> None:
    png, jpg = ({"prompt": "a", "inputReference": image(b"bytes", kind)} for kind in ("png", "jpeg"))
    assert fingerprint(png) == fingerprint(jpg)
    assert fingerprint(png) != fingerprint({"prompt": "a", "inputReference": image(b"other")})
    assert fingerprint(png) != fingerprint(png, "POST /v1/videos")
    assert fingerprint({"prompt": "a", "inputReference": "data:nonsense"}) != fingerprint({"prompt": "a"})
    assert fingerprint({"prompt": "a", "aspect_ratio": "1:1"}) == fingerprint(
        {"prompt": "a", "aspectRatio": "1:1"}
    )


@pytest.mark.parametrize("key", ["a", "a" * 255, "!~", "9f0c4f0e-3a57-4a53-8d2e-3c0f5d3b2a11", '"quoted"'])
def test_a_usable_key_marks_a_request(key: str) -> None:
    headers = [(b"idempotency-key", key.encode()), (b"x-stainless-retry-count", b"1")]
    assert mark_of(headers, ROUTE) == Mark(ROUTE, key)


@pytest.mark.parametrize("key", [b"", b"a" * 256, b"a b", b"\xe9", b"a\x7f", b"\t"])
def test_an_unusable_key_is_refused_and_the_header_is_named(key: bytes) -> None:
    with pytest.raises(BadIdempotencyKey, match="Idempotency-Key"):
        mark_of([(b"idempotency-key", key)], ROUTE)


def test_one_key_may_be_given_twice_but_not_two() -> None:
    assert mark_of([(b"idempotency-key", b"a"), (b"idempotency-key", b"a")], ROUTE) == Mark(ROUTE, "a")
    with pytest.raises(BadIdempotencyKey):
        mark_of([(b"idempotency-key", b"a"), (b"idempotency-key", b"b")], ROUTE)


@pytest.mark.parametrize(
    ("count", "mark"),
    [
        (b"0", Mark(ROUTE)),
        (b"12", Mark(ROUTE, tries=12)),
        (b"", None),
        (b"-1", None),
        (b"1.5", None),
        (b"99999", None),
        (b"\xb2", None),
    ],
)
def test_a_client_that_counts_is_taken_at_its_word_where_it_makes_sense(
    count: bytes, mark: Mark | None
) -> None:
    assert mark_of([(b"accept", b"*/*"), (b"x-stainless-retry-count", count)], ROUTE) == mark


def test_a_request_without_either_is_not_marked() -> None:
    assert mark_of([(b"content-type", b"application/json"), (b"x-stainless-lang", b"python")], ROUTE) is None
