"""An attempt moves only as its table of transitions says, and the schema agrees on which are live."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.app import MIGRATIONS
from filmgate.domain.attempt import ATTEMPT_TRANSITIONS, LIVE_STATES, AttemptState
from filmgate.domain.video import VideoStatus

ENDED = {AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED}
PAIRS = list(itertools.product(AttemptState, AttemptState))


def words_after(pattern: str) -> set[str]:
    """Return the quoted words of the list that follows a pattern in the migrations."""
    sql = "\n".join(path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.sql")))
    found = re.search(pattern + r"\s*\(([^)]*)\)", sql)
    assert found is not None, pattern
    return set(re.findall(r"'(\w+)'", found[1]))


def test_every_state_has_a_row_in_the_table() -> None:
    assert set(ATTEMPT_TRANSITIONS) == set(AttemptState)


def test_only_ended_attempts_have_no_way_out() -> None:
    assert {state for state in AttemptState if not ATTEMPT_TRANSITIONS[state]} == ENDED


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_nothing_leads_back_to_sending_and_only_an_accepted_job_can_end(
    before: AttemptState, after: AttemptState
) -> None:
    allowed = after in ATTEMPT_TRANSITIONS[before]
    if after is AttemptState.SENDING or before is after:
        assert not allowed
    if after in ENDED:
        assert allowed is (before is AttemptState.ACCEPTED)
    if after is AttemptState.PARKED:
        assert allowed is (before is AttemptState.UNKNOWN)


@pytest.mark.parametrize("state", AttemptState)
def test_a_positive_fact_lands_over_every_state_that_has_not_seen_one(state: AttemptState) -> None:
    has_seen_one = state in ENDED | {AttemptState.ACCEPTED}
    assert (AttemptState.ACCEPTED in ATTEMPT_TRANSITIONS[state]) is not has_seen_one


@given(st.lists(st.sampled_from(AttemptState), max_size=12))
def test_once_accepted_an_attempt_never_becomes_doubtful_again(wishes: list[AttemptState]) -> None:
    state, accepted = AttemptState.SENDING, False
    for wish in wishes:
        if wish in ATTEMPT_TRANSITIONS[state]:
            state = wish
        accepted = accepted or state is AttemptState.ACCEPTED
        if accepted:
            assert state in ENDED | {AttemptState.ACCEPTED}


@pytest.mark.parametrize("state", AttemptState)
def test_an_attempt_is_live_unless_it_is_proven_that_no_job_is_there(state: AttemptState) -> None:
    dead = {AttemptState.NOT_CREATED, AttemptState.FAILED, AttemptState.CANCELLED}
    assert state.live is (state not in dead)


def test_the_partial_index_that_refuses_a_second_live_attempt_lists_the_live_states() -> None:
    assert words_after(r"attempts_one_live ON attempts \(video_id\)\s+WHERE state IN") == set(LIVE_STATES)


def test_the_schema_knows_the_states_and_statuses_that_the_code_knows() -> None:
    assert words_after(r"CHECK \(state IN") == set(AttemptState)
    assert words_after(r"CHECK \(status IN") == set(VideoStatus)
