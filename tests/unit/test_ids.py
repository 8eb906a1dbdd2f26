"""Identifiers are unique, ordered by time and recognised by their form."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.domain import ids
from filmgate.domain.ids import is_id, new_id

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@given(st.sampled_from(["job", "batch", "key", "att", "req"]))
def test_a_fresh_id_has_the_form_of_its_prefix_and_of_no_other(prefix: str) -> None:
    text = new_id(prefix)
    assert is_id(text, prefix)
    assert not is_id(text, "other")
    assert len(text) == len(prefix) + 27
    assert set(text.partition("_")[2]) <= set(ALPHABET)


def test_ten_thousand_ids_are_ten_thousand_different_ones() -> None:
    assert len({new_id("job") for _ in range(10_000)}) == 10_000


@given(st.lists(st.integers(1, 2**47), min_size=2, max_size=20, unique=True))
def test_ids_of_later_milliseconds_sort_after_earlier_ones(moments: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made: list[str] = []
        for moment in sorted(moments):
            patch.setattr(ids.time, "time_ns", lambda moment=moment: moment * 1_000_000)
            made.append(new_id("job"))
    assert made == sorted(made)


def test_an_id_begins_with_the_moment_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    tail = new_id("job").partition("_")[2]
    value = 0
    for character in tail:
        value = value * 32 + ALPHABET.index(character)
    assert before <= value >> 80 <= time.time_ns() // 1_000_000


@given(st.text(max_size=40))
def test_what_is_recognised_is_only_what_could_have_been_made(text: str) -> None:
    if is_id(text, "job"):
        assert text.startswith("job_")
        assert len(text) == 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job_",
        "job",
        "job_01k7m3z9f4t8q2v6x0c5b1n7d",
        "job_01k7m3z9f4t8q2v6x0c5b1n7dhh",
        "job_01K7M3Z9F4T8Q2V6X0C5B1N7DH",
        "job_01k7m3z9f4t8q2v6x0c5b1n7d\n",
        "job_01k7m3z9f4t8q2v6x0c5b1n7du",
        "batch_01k7m3z9f4t8q2v6x0c5b1n7dh",
        "job_01k7m3z9f4t8q2v6x0c5b1n7d\u0661",
    ],
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    assert not is_id(text, "job")
