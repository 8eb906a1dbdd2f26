"""Links open one file of one video until they expire, and no altered one does."""

import time
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.domain.ids import new_id
from filmgate.domain.video import Variant
from filmgate.services import links
from filmgate.services.links import LIFETIME, LinkService

SERVICE = LinkService(b"s" * 32)
VIDEO = new_id("job")


def parts(service: LinkService = SERVICE, video: str = VIDEO, variant: Variant = Variant.VIDEO) -> list[str]:
    query = parse_qs(service.sign(video, variant), strict_parsing=True)
    return [query["expires"][0], query["signature"][0]]


def at(patch: pytest.MonkeyPatch, moment: float) -> None:
    patch.setattr(links.time, "time", lambda: moment)


@pytest.mark.parametrize("variant", Variant)
def test_a_link_opens_the_file_it_was_made_for(variant: Variant) -> None:
    assert SERVICE.verify(VIDEO, variant, *parts(variant=variant))


def test_a_link_opens_no_other_video_and_no_other_variant() -> None:
    expires, signature = parts()
    assert not SERVICE.verify(new_id("job"), Variant.VIDEO, expires, signature)
    assert not SERVICE.verify(VIDEO, Variant.THUMBNAIL, expires, signature)


def test_a_link_of_another_installation_opens_nothing() -> None:
    assert not LinkService(b"t" * 32).verify(VIDEO, Variant.VIDEO, *parts())


@given(st.integers(0, 200), st.characters(codec="utf-8"))
def test_a_link_with_any_character_changed_opens_nothing(place: int, character: str) -> None:
    text = "\n".join(parts())
    place %= len(text)
    changed = text[:place] + character + text[place + 1 :]
    expires, _, signature = changed.partition("\n")
    assert SERVICE.verify(VIDEO, Variant.VIDEO, expires, signature) is (changed == text)


@pytest.mark.parametrize("expires", ["", "-1", "+9999999999", " 9999999999", "9e9", "٩٩٩٩٩٩٩٩٩٩", "9" * 5000])
def test_a_time_of_expiry_that_is_no_plain_number_opens_nothing(expires: str) -> None:
    assert not SERVICE.verify(VIDEO, Variant.VIDEO, expires, parts()[1])


def test_a_link_with_a_later_expiry_put_in_opens_nothing() -> None:
    expires, signature = parts()
    assert not SERVICE.verify(VIDEO, Variant.VIDEO, str(int(expires) + 3600), signature)
    assert not SERVICE.verify(VIDEO, Variant.VIDEO, "0" + expires, signature)


def test_a_link_opens_until_it_expires_and_not_a_moment_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    expires, signature = parts()
    at(monkeypatch, int(expires) - 1)
    assert SERVICE.verify(VIDEO, Variant.VIDEO, expires, signature)
    at(monkeypatch, int(expires))
    assert not SERVICE.verify(VIDEO, Variant.VIDEO, expires, signature)


@given(st.integers(10**9, 2 * 10**9))
def test_a_link_lives_at_least_its_lifetime_and_at_most_an_hour_longer(now: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        at(patch, now)
        lifetime = int(parts()[0]) - now
    assert LIFETIME.total_seconds() <= lifetime <= LIFETIME.total_seconds() + 3600


def test_links_of_one_hour_are_equal_so_that_caches_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = int(time.time()) // 3600 * 3600
    at(monkeypatch, hour + 1)
    first = parts()
    at(monkeypatch, hour + 3599)
    assert parts() == first
    at(monkeypatch, hour + 3601)
    assert parts() != first
