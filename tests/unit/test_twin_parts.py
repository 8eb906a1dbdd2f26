"""The twin's parts: keys, signatures, bodies, and its distance from the rest of filmgate."""

import ast
import base64
import hashlib
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from filmgate.twin import rsa
from filmgate.twin.application import VENDORS
from filmgate.twin.calls import Verdict, judged
from filmgate.twin.command import twin as command
from filmgate.twin.ed25519 import SigningKey
from filmgate.twin.forms import BodyUnreadable, nested, read_body
from filmgate.twin.kinds import KINDS, Params, Stage
from filmgate.twin.vendors.wire import shape

ROOT = Path(__file__).parents[2]
TWIN = ROOT / "src" / "filmgate" / "twin"
ALLOWED = {"aiohttp", "av", "click", "msgspec", "numpy", "PIL"}

# the first three test vectors of RFC 8032, section 7.1
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_ed25519_signs_as_the_standard_says(secret: str, public: str, message: str, signature: str) -> None:
    key = SigningKey(bytes.fromhex(secret))
    assert key.public.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature


def test_a_token_is_signed_with_the_key_that_is_shown() -> None:
    head, claims, signature = rsa.token({"job": "j"}).split(".")
    key = rsa.public_keys()["keys"][0]
    modulus, exponent, value = (
        int.from_bytes(base64.urlsafe_b64decode(text + "==")) for text in (key["n"], key["e"], signature)
    )
    opened = pow(value, exponent, modulus).to_bytes(256)
    assert opened[:3] == b"\x00\x01\xff"
    assert opened[-32:] == hashlib.sha256(f"{head}.{claims}".encode()).digest()
    assert msgspec.json.decode(base64.urlsafe_b64decode(claims + "==")) == {"job": "j"}
    assert modulus.bit_length() == 2048


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        (None, Verdict.MISSING),
        (" ", Verdict.MISSING),
        ("sk-bad", Verdict.BAD),
        ("bad-key", Verdict.BAD),
        ("sk-badge", Verdict.FINE),
        ("key_forbidden", Verdict.FORBIDDEN),
        ("id:quota", Verdict.QUOTA),
        ("anything", Verdict.FINE),
    ],
)
def test_a_key_says_how_it_is_judged(key: str | None, verdict: Verdict) -> None:
    assert judged(key) is verdict


@pytest.mark.parametrize(
    ("pairs", "fields"),
    [
        ([("a", "1")], {"a": "1"}),
        ([("a[b]", "1"), ("a[c]", "2")], {"a": {"b": "1", "c": "2"}}),
        ([("a[][id]", "1"), ("a[][id]", "2")], {"a": [{"id": "1"}, {"id": "2"}]}),
        ([("a[][id]", "1"), ("a[][name]", "x")], {"a": [{"id": "1", "name": "x"}]}),
        ([("a[]", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
        ([("a", "1"), ("a[b]", "2")], {"a": "1"}),
    ],
)
def test_bracket_fields_become_objects_and_lists(pairs: Any, fields: Any) -> None:
    assert nested(pairs) == fields


def test_a_form_is_taken_apart_without_touching_its_bytes() -> None:
    data = bytes(range(256)) + b"\r\n--x"
    body = (
        b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na \xc3\xa9\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + data[:256] + b"\r\n--x--\r\n"
    )
    read = read_body("multipart/form-data; boundary=x", body)
    assert (read.fields, read.files["file"].data) == ({"prompt": "a é"}, data[:256])
    assert read.files["file"].name == "upload"


def test_bodies_are_read_by_their_type() -> None:
    assert read_body("application/x-www-form-urlencoded", b"a=1&b[c]=2").fields == {"a": "1", "b": {"c": "2"}}
    assert read_body("application/json", b'{"a":1}').fields == {"a": 1}
    assert read_body("image/png", b"\x89PNG").fields == {}
    assert read_body("application/json", b" ").encoding == "empty"
    with pytest.raises(BodyUnreadable):
        read_body("application/json", b"[1]")


@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [
        ("720p", "16:9", (1280, 720)),
        ("1080p", "9:16", (1080, 1920)),
        ("480p", "1:1", (480, 480)),
        ("4k", "16:9", (3840, 2160)),
        ("480p", "16:9", (854, 480)),
        ("720p", "21:9", (1680, 720)),
        ("720p", "odd", (1280, 720)),
    ],
)
def test_words_become_even_pixels(resolution: str, ratio: str, size: tuple[int, int]) -> None:
    assert shape(resolution, ratio) == size


def test_the_twin_shares_nothing_with_the_rest_of_filmgate() -> None:
    for path in TWIN.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                own = name.startswith("filmgate.twin") or top in sys.stdlib_module_names | ALLOWED
                assert own, f"{path.name} imports {name}"


def test_the_manual_has_the_faults_that_there_are() -> None:
    manual = (ROOT / "docs" / "twin.md").read_text("utf-8")
    table = manual.partition("<!-- faults")[2].partition("<!-- /faults")[0].splitlines()[3:]
    expected = [
        f"| `{kind.name}` | {_when(kind.stage)} | {kind.does} | {_numbers(kind.params)} |"
        for kind in KINDS.values()
    ]
    assert table == expected


def test_the_manual_has_every_vendor_and_every_option() -> None:
    manual = (ROOT / "docs" / "twin.md").read_text("utf-8")
    assert [vendor.name for vendor in VENDORS if f"`/{vendor.name}" not in manual] == []
    options = [option for param in command.params for option in param.opts]
    assert [option for option in options if f"`{option}`" not in manual] == []


def _numbers(params: Params) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in params.items()) or "–"


def _when(stage: Stage) -> str:
    return "rule only" if stage is Stage.LISTENER else stage.value
