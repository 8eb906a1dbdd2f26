"""Secrets are random, recognised by their fingerprint and shown by their end only."""

import hashlib

from filmgate.domain.key import fingerprint, hint_of, new_key_id, new_secret


def test_a_secret_is_fresh_and_has_256_random_bits() -> None:
    secrets = {new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert all(secret.startswith("fg_") and len(secret) == 46 for secret in secrets)


def test_a_fingerprint_is_the_sha_256_of_the_secret() -> None:
    secret = new_secret()
    assert fingerprint(secret) == hashlib.sha256(secret.encode()).digest()
    assert fingerprint(secret) != fingerprint(new_secret())


def test_a_hint_shows_the_last_four_characters_only() -> None:
    assert hint_of("fg_secretABCD") == "ABCD"


def test_key_ids_say_that_they_are_keys() -> None:
    assert new_key_id().startswith("key_")
