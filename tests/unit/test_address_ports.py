"""Which ports, and which of the operator's own hosts, may be called on behalf of others."""

import socket
from pathlib import Path

import pytest

from filmgate.app.vendors import film_guard
from filmgate.domain.errors import BadSettings
from filmgate.infrastructure.addresses import WEB_PORTS, AddressDenied, AddressGuard
from filmgate.settings import Settings, read_settings

WEB = AddressGuard(plain_http=True, ports=WEB_PORTS)
TCP = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "http://example.com/hook",
        "https://example.com:443/hook",
        "http://example.com:8080/hook",
        "https://example.com:8443/hook",
    ],
)
def test_the_ports_of_web_servers_may_be_called(url: str) -> None:
    WEB.check_url(url)


@pytest.mark.parametrize("port", [1, 22, 25, 5432, 6379, 9200, 11211, 65535])
def test_no_other_port_may_be_called(port: int) -> None:
    with pytest.raises(AddressDenied, match=rf"port {port} may not be called, only 80, 443, 8080, 8443"):
        WEB.check_url(f"https://example.com:{port}/hook")
    with pytest.raises(PermissionError):
        WEB.socket((*TCP, ("8.8.8.8", port)))


def test_without_a_list_any_port_may_be_called() -> None:
    AddressGuard().check_url("https://example.com:9443/hook")


def read(folder: Path, **environment: str) -> Settings:
    return read_settings(environment, folder)


def test_further_ports_are_named_in_the_settings(tmp_path: Path) -> None:
    assert read(tmp_path, WEBHOOK_PORTS="9443, 10443").webhook_ports == (9443, 10443)
    assert read(tmp_path).webhook_ports == ()


@pytest.mark.parametrize("given", ["https", "0", "65536", "9443-9450", "-1"])
def test_what_is_no_port_is_refused_with_its_name(tmp_path: Path, given: str) -> None:
    with pytest.raises(BadSettings, match=r"WEBHOOK_PORTS.*is no port.*WEBHOOK_PORTS=9443"):
        read(tmp_path, WEBHOOK_PORTS=given)


def test_film_hosts_are_read_from_the_file(tmp_path: Path) -> None:
    text = (
        '[providers.gpu]\nwire = "sglang"\nbase_url = "http://gpu.lan:30000/v1"\nfilm_hosts = ["minio.lan"]\n'
    )
    (tmp_path / "filmgate.toml").write_text(text, "utf-8")
    assert read(tmp_path).providers["gpu"].film_hosts == ("minio.lan",)


@pytest.mark.parametrize("given", ['"http://minio.lan"', "[3]", '["minio.lan/films"]', '[""]'])
def test_film_hosts_that_are_none_are_refused_with_their_line(tmp_path: Path, given: str) -> None:
    (tmp_path / "filmgate.toml").write_text(f"[providers.gpu]\nfilm_hosts = {given}\n", "utf-8")
    with pytest.raises(
        BadSettings, match=r"filmgate\.toml, line 2: providers\.gpu\.film_hosts must list names"
    ):
        read(tmp_path)


def test_a_hosted_vendors_films_come_from_the_open_internet() -> None:
    guard = film_guard("https://queue.fal.run")
    guard.check_url("https://v3b.fal.media/files/a.mp4")
    for url in ("http://v3b.fal.media/a.mp4", "https://v3b.fal.media:9200/a.mp4", "https://10.0.0.1/a.mp4"):
        assert not guard.trusts(url)
        with pytest.raises(AddressDenied):
            guard.check_url(url)


def test_a_server_of_ones_own_is_trusted_by_its_name_and_its_neighbours_are_not() -> None:
    guard = film_guard("http://gpu.lan:30000/v1", ["MinIO.lan"])
    assert guard.trusts("http://gpu.lan:9000/films/a.mp4")
    assert guard.trusts("https://minio.lan/films/a.mp4")
    assert not guard.trusts("http://router.lan/")
    assert not guard.trusts("ftp://gpu.lan/a.mp4")
    assert not guard.trusts("http://[broken")
    assert not guard.allows("10.0.0.1")
    assert not guard.allows("127.0.0.1")


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:9100/fal", "http://localhost:9100/fal", "http://[::1]:9100"]
)
def test_this_machine_is_one_host_however_it_is_called(base: str) -> None:
    guard = film_guard(base)
    assert guard.allows("127.0.0.1")
    assert guard.allows("::1")
    assert not guard.allows("192.168.1.1")
