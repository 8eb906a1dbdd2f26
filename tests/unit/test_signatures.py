"""Signatures of others are checked against published examples, and refused when anything differs."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from filmgate.infrastructure.signatures import SignatureRefused, check_standard, ed25519_holds

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four.").decode()
BODY = b'{"type":"interaction.completed"}'

# RFC 8032, section 7.1: public key, message, signature of tests 1 to 3.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_ed25519_agrees_with_the_published_examples(key: str, message: str, signature: str) -> None:
    opened = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed25519_holds(opened[0], opened[2], opened[1])
    assert not ed25519_holds(opened[0], opened[2], opened[1] + b"!")
    assert not ed25519_holds(opened[0], opened[2][:-1] + bytes([opened[2][-1] ^ 1]), opened[1])
    assert not ed25519_holds(opened[0][:-1], opened[2], opened[1])


def test_ed25519_refuses_a_scalar_beyond_the_order() -> None:
    key, message, signature = (bytes.fromhex(text) for text in RFC_8032[0])
    order = 2**252 + 27742317777372353535851937790883648493
    larger = int.from_bytes(signature[32:], "little") + order
    assert not ed25519_holds(key, signature[:32] + larger.to_bytes(32, "little"), message)


def signed(body: bytes = BODY, at: datetime = NOW, secret: str = SECRET) -> dict[str, str]:
    sent = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"msg_1.{sent}.".encode() + body, hashlib.sha256).digest()
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": sent,
        "Webhook-Signature": f"v1,b3RoZXI= v1,{base64.b64encode(digest).decode()}",
    }


def test_a_standard_webhook_is_taken_with_one_fitting_signature() -> None:
    assert check_standard(signed(), BODY, SECRET, NOW) == "msg_1"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(), b"{}"),
        (signed(at=NOW - timedelta(minutes=6)), BODY),
        (signed(at=NOW + timedelta(minutes=6)), BODY),
        (signed(secret="whsec_b3RoZXI="), BODY),
        ({**signed(), "Webhook-Timestamp": "soon"}, BODY),
        ({**signed(), "Webhook-Timestamp": "nan"}, BODY),
        ({**signed(), "Webhook-Signature": ""}, BODY),
        ({}, BODY),
    ],
)
def test_a_standard_webhook_that_is_forged_or_stale_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureRefused):
        check_standard(headers, body, SECRET, NOW)
