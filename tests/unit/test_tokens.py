"""What others sign under published keys is believed only as long as nothing differs."""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.infrastructure.tokens import check_token, from_base64url, seal_of
from filmgate.twin import rsa

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = rsa.public_keys()["keys"]
CLAIMS = {"aud": "https://gate.example", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 300}


def test_a_signed_token_gives_its_claims() -> None:
    assert check_token(rsa.token(CLAIMS), KEYS, NOW) == CLAIMS


def test_a_token_is_refused_under_another_key_or_when_changed() -> None:
    token = rsa.token(CLAIMS)
    head, claims, signature = token.split(".")
    for changed in (
        f"{head}.{claims}x.{signature}",
        f"{head}.{claims}.{signature[::-1]}",
        f"{head}.{claims}.",
    ):
        with pytest.raises(SignatureRefused):
            check_token(changed, KEYS, NOW)
    with pytest.raises(SignatureRefused):
        check_token(token, [{**KEYS[0], "kid": "another"}], NOW)
    with pytest.raises(SignatureRefused):
        check_token(token, [], NOW)


@pytest.mark.parametrize("claims", [{}, {"exp": 1}, {"iat": 1}, {"exp": "never"}, {"iat": None, "exp": None}])
def test_a_token_without_a_time_or_past_it_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(SignatureRefused):
        check_token(rsa.token(claims), KEYS, NOW)


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "e30.e30.e30", "bnVsbA.e30.e30"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(SignatureRefused):
        check_token(token, [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}], NOW)


def test_a_token_cannot_choose_to_be_unsigned() -> None:
    head = base64.urlsafe_b64encode(msgspec.json.encode({"alg": "none", "kid": KEYS[0]["kid"]})).decode()
    with pytest.raises(SignatureRefused):
        check_token(f"{head.rstrip('=')}.e30.", KEYS, NOW)


def test_base64_is_read_in_either_alphabet() -> None:
    assert from_base64url("-_8") == from_base64url("+/8=") == b"\xfb\xff"
    assert from_base64url("!") == b""


def test_a_seal_depends_on_text_and_key() -> None:
    assert (
        len({seal_of("job_1", "a"), seal_of("job_1", "b"), seal_of("job_2", "a"), seal_of("job_1", None)})
        == 4
    )
