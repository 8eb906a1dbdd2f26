"""Sign JSON Web Tokens with RS256, under a key that everybody may know: it protects nothing but a sandbox."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

_P: Final = int(
    "cdd9da6e75f3de6a1b02e674580cf44c8ff267bd1a396a1221939123118644b2fe79f9209454dd57a4aa343f9d2a17a1"
    "f54b53274fb71b2c9840a752e6941d8da678f6525fe0a119116b0e8d576ba5e2aec7775255897b2753eccbe66b18e94f"
    "4958826c7b5619580e9ac77b4582054e5264f285b91d1158be81cf2cc77a2c31",
    16,
)
_Q: Final = int(
    "c92c41d9304330c72b35699a4dbc2a75019aeb80c257ebee8e9c00a00d424c9d1867e49a57dbd07fa2e9d20d8eeee049"
    "bfc3cde52a1679d580a48d9c4a416f12fafa5565bd93ab1cd9ad5cab3a30b8e09ef8d39c9465fbfc0f0feeaef42c4e06"
    "b9fbd81fdaf73ff5fd19ada472bdecfaf5fe06b6e3c0e72fbff966de1079de23",
    16,
)
_MODULUS: Final = _P * _Q
_PUBLIC: Final = 65537
_PRIVATE: Final = pow(_PUBLIC, -1, (_P - 1) * (_Q - 1))
_LENGTH: Final = 256
# what PKCS #1 puts before a SHA-256 digest
_DIGEST_MARK: Final = bytes.fromhex("3031300d060960864801650304020105000420")
KEY_ID: Final = "twin-1"


def public_keys() -> dict[str, Any]:
    """Return the key set that tokens are verified with."""
    modulus, exponent = _MODULUS.to_bytes(_LENGTH), _PUBLIC.to_bytes(3)
    key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID}
    return {"keys": [key | {"n": _text(modulus), "e": _text(exponent)}]}


def token(claims: Mapping[str, Any]) -> str:
    """Return the claims as a signed token."""
    head = msgspec.json.encode({"alg": "RS256", "typ": "JWT", "kid": KEY_ID})
    signed = f"{_text(head)}.{_text(msgspec.json.encode(claims))}"
    return f"{signed}.{_text(signature(signed.encode()))}"


def signature(message: bytes) -> bytes:
    """Sign a message: RSASSA-PKCS1-v1_5 with SHA-256."""
    mark = _DIGEST_MARK + hashlib.sha256(message).digest()
    padded = b"\x00\x01" + b"\xff" * (_LENGTH - len(mark) - 3) + b"\x00" + mark
    return pow(int.from_bytes(padded), _PRIVATE, _MODULUS).to_bytes(_LENGTH)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
