"""Rules of the protocol, each broken on purpose: the search must notice, or it proves nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.model.configurations import BODY, KEYS, KEYS_THEN_LIST, NOTED, NOTHING, PRESENCE, REFERENCE
from tests.model.state import Config


def _broken(config: Config, *rules: str, **changes: Any) -> Config:
    return replace(config, mutations=frozenset(rules), **changes)


OF_TODAY: Mapping[str, Config] = {
    "send_before_intent": _broken(REFERENCE, "send_before_intent"),
    "no_compare_and_set": _broken(REFERENCE, "no_compare_and_set"),
    "assume_commit": _broken(REFERENCE, "assume_commit"),
    "transport_retry": _broken(REFERENCE, "transport_retry"),
    "blind_retry": _broken(REFERENCE, "blind_retry"),
    "failover": _broken(REFERENCE, "failover"),
    "expired_means_not_sent": _broken(REFERENCE, "expired_means_not_sent"),
    "5xx_is_refusal": _broken(REFERENCE, "5xx_is_refusal"),
    "no_send_fence": _broken(REFERENCE, "no_send_fence", crashes=0),
    "absence_at_once": _broken(REFERENCE, "absence_at_once"),
    "quiet_after_the_look": _broken(REFERENCE, "quiet_after_the_look"),
    "silence_is_absence": _broken(PRESENCE, "silence_is_absence"),
    "stale_refusal_fails": _broken(REFERENCE, "stale_refusal_fails", refusals=True),
    "cancel_forgets": _broken(REFERENCE, "cancel_forgets", cancels=True),
    "resend_parked": _broken(NOTHING, "resend_parked"),
    "no_unique_job": _broken(BODY, "swap", "no_unique_job", videos=2, crashes=0),
    "random_reference": _broken(REFERENCE, "random_reference", restores=1, crashes=0),
    "list_by_attempt": _broken(REFERENCE, "list_by_attempt", restores=1, crashes=0),
    "no_restore_guard (B)": _broken(REFERENCE, "no_restore_guard", restores=1, crashes=0),
    "no_restore_guard (C)": _broken(NOTHING, "no_restore_guard", restores=1, crashes=0),
    "no_journal": _broken(NOTED, "no_journal", crashes=0),
    "no_second_look": _broken(NOTED, "no_second_look", crashes=0),
    "order_of_notes": _broken(NOTED, "order_of_notes", crashes=1),
}
"""Rules that the code keeps."""

OF_DESIGN: Mapping[str, Config] = {
    "ignore_key_ttl": _broken(KEYS, "ignore_key_ttl", crashes=1),
    "key_per_attempt": _broken(KEYS, "key_per_attempt", restores=1, crashes=0),
    "body_changes": _broken(KEYS, "body_changes"),
    "other_account": _broken(KEYS, "other_account"),
    "resend_refusal_final": _broken(KEYS, "resend_refusal_final"),
    "resend_without_token": _broken(KEYS, "resend_without_token"),
    "no_token_check": _broken(KEYS_THEN_LIST, "no_token_check", crashes=1),
    "no_send_fence (A)": _broken(KEYS, "no_send_fence"),
    "guess_and_swap": _broken(BODY, "swap", videos=2, crashes=1),
    "no_sibling_wait": _broken(BODY, "swap", "no_sibling_wait", videos=2, crashes=0),
    "no_swap": _broken(BODY, "swap", "no_swap", videos=2, crashes=0),
}
"""Rules that would matter with resends and twins."""

MUTANTS: Mapping[str, Config] = {**OF_TODAY, **OF_DESIGN}
