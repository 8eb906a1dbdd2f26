"""The submit protocol holds in every order of events, and every rule of it is needed."""

import pytest

from tests.model.checks import explore
from tests.model.configurations import DESIGNED, KEYS, NOTHING, REFERENCE, TODAY
from tests.model.mutations import MUTANTS, OF_TODAY
from tests.model.state import Config

LONG = {
    "A     clients cancel",
    "A     a restore",
    "A+L   a restore",
    "B0    two videos with one body",
    "B     two videos with one body",
}
"""Searches for ``python -m tests.model --all``."""

KNOWN = {
    "B     a list that shows our reference": 2_100,
    "B0    a list that does not": 1_850,
    "B-    a list that may leave jobs out": 1_200,
    "C     nothing": 270,
    "C+W   nothing, but callbacks with our reference": 310,
    "B     refusals end videos": 2_600,
    "B     clients cancel": 4_100,
    "B     callbacks": 2_500,
    "B     three workers": 3_400,
    "B-    clients cancel, callbacks": 2_900,
    "C     clients cancel, callbacks": 610,
    "C     an operator decides, clients cancel": 610,
    "B-    an operator decides, refusals": 1_370,
    "A     an idempotency key, honoured for a while": 36_700,
    "A+L   a key, later a list": 41_200,
    "B     a restore": 6_500,
    "C     a restore": 670,
    "B     a restore, and a journal": 36_000,
    "C     a restore, and a journal": 5_200,
}
"""At least so many states there are; fewer would mean that less is searched than it seems."""

SHORTEST = {
    "send_before_intent": 6,
    "no_compare_and_set": 8,
    "assume_commit": 6,
    "transport_retry": 4,
    "blind_retry": 6,
    "failover": 6,
    "expired_means_not_sent": 7,
    "5xx_is_refusal": 8,
    "no_send_fence": 10,
    "absence_at_once": 9,
    "quiet_after_the_look": 11,
    "silence_is_absence": 11,
    "stale_refusal_fails": 10,
    "cancel_forgets": 4,
    "resend_parked": 10,
    "no_unique_job": 13,
    "random_reference": 11,
    "list_by_attempt": 16,
    "no_restore_guard (B)": 7,
    "no_restore_guard (C)": 7,
    "no_journal": 7,
    "no_second_look": 11,
    "order_of_notes": 18,
    "ignore_key_ttl": 9,
    "body_changes": 7,
    "other_account": 7,
    "no_send_fence (A)": 9,
    "no_swap": 13,
}
"""How many steps the shortest way to break each mutant has."""


@pytest.mark.parametrize(
    "config", [one for one in (*TODAY, *DESIGNED) if one.name not in LONG], ids=lambda config: config.name
)
def test_every_promise_holds_in_every_state(config: Config) -> None:
    found = explore(config)
    print(f"{config.name}: {found.states} states")  # noqa: T201 - the figure to look at
    assert found.broken is None, "\n".join((found.broken, *found.trace))
    assert found.states >= KNOWN[config.name]


@pytest.mark.parametrize(("name", "steps"), SHORTEST.items(), ids=SHORTEST)
def test_breaking_a_rule_breaks_a_promise(name: str, steps: int) -> None:
    found = explore(MUTANTS[name], liveness=False)
    assert found.broken is not None
    assert len(found.trace) == steps, "\n".join(found.trace)


def test_every_rule_that_the_code_keeps_is_broken_above() -> None:
    assert set(OF_TODAY) <= set(SHORTEST)
    assert len(OF_TODAY) >= 12


@pytest.mark.parametrize(("config", "parks"), [(REFERENCE, False), (KEYS, True), (NOTHING, True)])
def test_only_what_cannot_be_found_out_is_parked(config: Config, parks: bool) -> None:
    assert (explore(config).parked > 0) is parks
