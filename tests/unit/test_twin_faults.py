"""The twin's rules mean what they say, and its luck is the same under the same seed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.twin.chance import Chance
from filmgate.twin.faults import Faults, FaultUnknown, Subject, magic_words
from filmgate.twin.kinds import KINDS, Stage

CREATE = Subject("fal", "create", "a red kite", "kling")


def faults(*rules: dict[str, Any]) -> Faults:
    made = Faults(Chance(1))
    for rule in rules:
        made.add(rule)
    return made


def name(fault: Any) -> str | None:
    return fault and fault.name


@pytest.mark.parametrize(
    ("rule", "bites"),
    [
        ({}, True),
        ({"vendor": "fal"}, True),
        ({"vendor": "ark"}, False),
        ({"operation": "poll"}, False),
        ({"match": {"prompt": "red"}}, True),
        ({"match": {"prompt": "blue"}}, False),
        ({"match": {"model": "kling"}}, True),
        ({"match": {"model": "kli"}}, False),
        ({"match": {"nth": 2}}, False),
        ({"probability": 0}, False),
        ({"times": 0}, False),
    ],
)
def test_a_rule_bites_only_what_it_names(rule: dict[str, Any], bites: bool) -> None:
    assert (faults({"fault": "html"} | rule).of_answer(CREATE) is not None) is bites


def test_the_first_rule_that_bites_decides() -> None:
    made = faults({"fault": "html", "times": 1}, {"fault": "deep-json"})
    assert [name(made.of_answer(CREATE)) for _ in range(2)] == ["html", "deep-json"]


def test_rules_come_before_magic_words() -> None:
    subject = Subject("fal", "create", "[twin:html]")
    assert name(faults({"fault": "deep-json"}).of_answer(subject)) == "deep-json"
    assert name(faults().of_answer(subject)) == "html"


def test_a_job_meets_all_its_faults_and_only_those_that_come_later() -> None:
    subject = Subject("fal", "create", "[twin:stuck] [twin:film-black] [twin:html]")
    met = faults({"fault": "webhook-none"}, {"fault": "rate-limited"}).of_job(subject)
    assert set(met) == {"stuck", "film-black", "webhook-none"}


def test_probability_is_kept_over_many_requests_and_repeats_under_the_seed() -> None:
    def draws(seed: int) -> list[bool]:
        made = Faults(Chance(seed))
        made.add({"fault": "html", "probability": 0.3})
        return [made.of_answer(CREATE) is not None for _ in range(1000)]

    assert 250 < sum(draws(1)) < 350
    assert draws(1) == draws(1) != draws(2)


def test_starting_over_counts_from_the_beginning() -> None:
    made = faults({"fault": "html", "times": 1})
    magic = Subject("fal", "create", "[twin:deep-json times=1]")
    for _ in range(2):
        assert name(made.of_answer(CREATE)) == "html"
        assert name(made.of_answer(magic)) == "deep-json"
        assert made.of_answer(CREATE) is None
        assert made.of_answer(magic) is None
        made.start_over()


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, "no fault None"),
        ({"fault": "gremlins"}, "no fault 'gremlins'"),
        ({"fault": "stuck", "operation": "dance"}, "no operation 'dance'"),
        ({"fault": "stuck", "match": {"colour": "red"}}, "not colour"),
        ({"fault": "stuck", "seconds": 3}, "no parameters"),
        ({"fault": "stuck", "match": "red"}, "match must be a table"),
        ({"fault": "stuck", "match": {"prompt": 3}}, "prompt must be text"),
        ({"fault": "stuck", "match": {"nth": "3"}}, "nth must be a whole number"),
        ({"fault": "stuck", "times": -1}, "times must be a whole number"),
        ({"fault": "stuck", "probability": 2}, "probability must be"),
        ({"fault": "stuck", "vendor": 7}, "vendor must be text"),
        ({"fault": "slow-body", "seconds": "long"}, "slow-body"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_with_its_reason(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(FaultUnknown, match=reason):
        faults(rule)


def test_a_magic_word_has_operation_parameters_and_times() -> None:
    ((operation, fault, times),) = magic_words("see [twin:rate-limited@poll retry_after=9 times=2] there")
    assert (operation, fault.name, fault.number("retry_after"), times) == ("poll", "rate-limited", 9.0, 2)


@given(st.text())
def test_any_text_is_a_prompt(prompt: str) -> None:
    list(magic_words(prompt))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_fault_can_be_asked_for_by_name(kind: Any) -> None:
    assert faults({"fault": kind.name}).rules["fault_1"].fault.params == kind.params
    found = [fault.name for _, fault, _ in magic_words(f"[twin:{kind.name}]")]
    assert found == ([] if kind.stage is Stage.LISTENER else [kind.name])


def test_lengths_of_time_are_log_normal_around_their_median() -> None:
    chance = Chance(1)
    drawn = sorted(chance.stretched(10, 0.35, number) for number in range(999))
    assert 9.5 < drawn[499] < 10.5
    assert 5 < drawn[50] < drawn[949] < 20
