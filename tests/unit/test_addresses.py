"""Only addresses of the open internet may be called, in whatever form they are written."""

import socket

import pytest

from filmgate.infrastructure.addresses import AddressDenied, AddressGuard

STRICT = AddressGuard()

DENIED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "not an address",
    "",
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.254",
    "::ffff:8.8.8.8",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
]


@pytest.mark.parametrize("address", DENIED)
def test_an_address_that_is_not_public_is_denied(address: str) -> None:
    assert not STRICT.allows(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_a_public_address_is_allowed(address: str) -> None:
    assert STRICT.allows(address)


def test_the_operator_opens_single_networks() -> None:
    guard = AddressGuard.allowing(["10.1.0.0/16", "fd00::/8"])
    assert guard.allows("10.1.2.3")
    assert guard.allows("::ffff:10.1.2.3")
    assert guard.allows("fd12::1")
    assert not guard.allows("10.2.0.1")
    assert not guard.allows("fe80::1")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/film.mp4",
        "ftp://example.com/film.mp4",
        "file:///etc/passwd",
        "//example.com/film.mp4",
        "example.com/film.mp4",
        "",
        "https://",
        "https:///film.mp4",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com:notaport/",
        "https://[::1/",
        "https://example.com\\@evil.example/",
        "https://exam\tple.com/",
        "https://example.com/a b",
        "https://example.com/\x00",
        f"https://{'a' * 254}/",
        "https://127.0.0.1/",
        "https://[::1]:8443/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1%25eth0]/",
    ],
)
def test_an_url_that_must_not_be_called_is_denied_by_its_text(url: str) -> None:
    with pytest.raises(AddressDenied):
        STRICT.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://v3b.fal.media/files/a/b.mp4",
        "https://example.com:8443/film.mp4?X-Signature=a%2Fb#t=1",
        "https://8.8.8.8/film.mp4",
        "https://[2606:4700:4700::1111]/film.mp4",
        "https://bücher.example/film.mp4",
        # Not an address by its text; what it resolves to is judged when it is connected to.
        "https://2130706433/film.mp4",
        "https://localhost/film.mp4",
    ],
)
def test_an_url_whose_text_is_harmless_is_left_to_the_socket(url: str) -> None:
    STRICT.check_url(url)


def test_plain_http_is_for_those_who_allow_it() -> None:
    AddressGuard(plain_http=True).check_url("http://example.com/film.mp4")
    with pytest.raises(AddressDenied):
        AddressGuard(plain_http=True).check_url("ftp://example.com/film.mp4")


def test_a_socket_is_opened_only_to_an_allowed_address() -> None:
    tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    with pytest.raises(PermissionError, match=r"127\.0\.0\.1 must not be called"):
        STRICT.socket((*tcp, ("127.0.0.1", 443)))
    with STRICT.socket((*tcp, ("8.8.8.8", 443))) as opened:
        assert opened.family is socket.AF_INET
