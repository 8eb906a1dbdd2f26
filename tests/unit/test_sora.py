"""What OpenAI's clients write is read in either of its spellings, and Sora's shapes fit any target."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from filmgate.api.openai.brackets import place, split
from filmgate.api.openai.shapes import video_object
from filmgate.api.openai.words import poll_after
from filmgate.domain.errors import InvalidRequest
from filmgate.domain.money import Money
from filmgate.domain.routing import Capability, Route, Target
from filmgate.domain.video import Video, VideoError, VideoStatus
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.providers.catalogue import read_catalogue
from filmgate.services.asked import AskedVideo
from filmgate.services.fitting import SORA_SECONDS, SORA_SIZES
from filmgate.services.routing import Fitted, RoutingService, asked_again
from filmgate.services.sora import ImageSource, in_sora_words, read_sora_video
from filmgate.services.uploads import media_type_of
from tests.integration.makers import a_video
from tests.unit.capabilities import CAPABILITY

CATALOGUE = read_catalogue()
SHORT = replace(
    CAPABILITY, model="short", min_seconds=4, max_seconds=8, step=2, sizes=((1280, 720), (720, 1280))
)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def routing(*able: Capability) -> RoutingService:
    targets = tuple(Target(one.provider, one) for one in able)
    return RoutingService({"sora-2": Route("sora-2", targets, alias=True)}, "sora-2")


def fit(asked: AskedVideo, *able: Capability) -> Fitted:
    return routing(*able).fit(asked)


def sora(seconds: float, size: str, **more: Any) -> AskedVideo:
    return AskedVideo("a kite", "sora-2", seconds, size, sora=True, **more)


# --- names in brackets ---


def nested(*pairs: tuple[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in pairs:
        place(values, name, text)
    return values


def test_bracket_names_become_nested_values() -> None:
    assert nested(
        ("prompt", "a"),
        ("video[id]", "v"),
        ("metadata[a]", "1"),
        ("metadata[b]", "2"),
        ("characters[][id]", "x"),
        ("characters[][id]", "y"),
        ("tags[]", "s"),
        ("tags[]", "t"),
    ) == {
        "prompt": "a",
        "video": {"id": "v"},
        "metadata": {"a": "1", "b": "2"},
        "characters": [{"id": "x"}, {"id": "y"}],
        "tags": ["s", "t"],
    }


@pytest.mark.parametrize(
    "names",
    [
        ("a", "a"),
        ("a", "a[b]"),
        ("a[b]", "a"),
        ("a[b]", "a[b]"),
        ("a[]", "a[b]"),
        ("a[b]", "a[]"),
        ("a[][]",),
        ("a[",),
        ("[a]",),
        ("",),
        ("a]b",),
        ("a[b][c][d][e]",),
    ],
)
def test_names_that_make_no_value_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        nested(*((name, f"text {n}") for n, name in enumerate(names)))


def test_a_name_leads_through_steps() -> None:
    assert split("video[id]") == ["video", "id"]
    assert split("characters[][id]") == ["characters", "", "id"]


# --- fields ---


def test_a_form_and_json_read_the_same() -> None:
    text = {"prompt": "a", "seconds": "8", "seed": "7", "audio": "true", "strict": "false", "priority": "-3"}
    typed = {"prompt": "a", "seconds": 8, "seed": 7, "audio": True, "strict": False, "priority": -3}
    assert read_sora_video(text) == read_sora_video(typed)
    assert read_sora_video(text).asked == AskedVideo(
        "a", "sora-2", 8.0, "720x1280", seed=7, audio=True, priority=-3, sora=True
    )


def test_an_amount_may_be_text_or_a_number() -> None:
    for amount in ("0.50", 0.5, "$0.5"):
        assert read_sora_video({"prompt": "a", "max_cost": amount}).asked.max_cost == Money(500_000)


@pytest.mark.parametrize(
    ("given", "image"),
    [
        ({"image_url": "https://a/b.png"}, ImageSource(url="https://a/b.png")),
        ({"image_url": None, "file_id": "file_1"}, ImageSource(file_id="file_1")),
        ("data:image/png;base64,AA", ImageSource(url="data:image/png;base64,AA")),
        ("file-1", ImageSource(file_id="file-1")),
    ],
)
def test_an_image_is_named_by_an_address_or_a_file(given: Any, image: ImageSource) -> None:
    assert read_sora_video({"prompt": "a", "input_reference": given}).image == image


def test_characters_are_read_as_ids() -> None:
    read = read_sora_video({"prompt": "a", "characters": [{"id": "char_1"}, {"id": "char_2"}]})
    assert read.characters == ("char_1", "char_2")


def test_who_the_end_user_is_and_nulls_change_nothing() -> None:
    assert read_sora_video({"prompt": "a", "user": "u", "seed": None}) == read_sora_video({"prompt": "a"})


def test_a_field_in_both_spellings_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_sora_video({"prompt": "a", "max_cost": "1", "maxCost": "1"})
    assert [problem.code for problem in refused.value.problems] == ["repeated"]


def test_refusals_name_fields_as_openai_does() -> None:
    with pytest.raises(InvalidRequest) as refused:
        fit(AskedVideo("a", "sora-2", 400, "9x9", max_cost=Money(0), sora=True), SHORT)
    told = in_sora_words(refused.value)
    assert {problem.field for problem in told.problems} == {"seconds", "size"}
    assert told.problems[0].allowed == refused.value.problems[0].allowed


# --- Sora's lengths and sizes ---


@pytest.mark.parametrize("able", CATALOGUE.values(), ids=lambda able: able.model)
@pytest.mark.parametrize("seconds", sorted(SORA_SECONDS))
@pytest.mark.parametrize("size", sorted(SORA_SIZES))
def test_every_model_makes_something_of_what_sora_made(
    able: Capability, seconds: float, size: tuple[int, int]
) -> None:
    wanted = f"{size[0]}x{size[1]}"
    # Some models start from an image and nothing else.
    made = fit(sora(seconds, wanted, input_reference="image" if able.image_input else None), able)
    request = made.request
    assert able.min_seconds <= request.seconds <= able.max_seconds
    assert (request.width, request.height) in able.sizes
    assert (request.width > request.height) == (size[0] > size[1])
    changed = [request.seconds != seconds, request.size != wanted]
    assert len(made.adjustments) == sum(changed)


def test_what_was_changed_is_told() -> None:
    made = fit(sora(20, "1792x1024"), SHORT)
    assert (made.request.seconds, made.request.size) == (8, "1280x720")
    assert sorted(made.adjustments) == [
        "duration 8 instead of 20: the nearest that short makes",
        "resolution 1280x720 instead of 1792x1024: the nearest that short makes",
    ]


@pytest.mark.parametrize(
    "asked", [sora(20, "1280x720", strict=True), sora(7, "1280x720"), sora(8, "640x360")]
)
def test_strict_requests_and_what_sora_never_made_are_not_mapped(asked: AskedVideo) -> None:
    with pytest.raises(InvalidRequest):
        fit(asked, SHORT)


def test_our_own_api_maps_nothing() -> None:
    with pytest.raises(InvalidRequest):
        fit(replace(sora(20, "1280x720"), sora=False), SHORT)


def test_who_makes_it_exactly_goes_before_who_comes_near() -> None:
    long = replace(CAPABILITY, provider="q", model="long")
    assert fit(sora(12, "1280x720"), SHORT, long).target.capability is long
    assert fit(sora(8, "1280x720"), SHORT, long).target.capability is SHORT


def test_a_video_that_moves_on_is_mapped_anew() -> None:
    wrote = {"duration": 20.0, "resolution": "1792x1024", "sora": True}
    video = a_video(model="sora-2", requested=wrote, price=Money(1_000_000))
    assert asked_again(video).sora
    moved = routing(SHORT).fit_next(video, set())
    assert moved is not None
    assert moved.request.seconds == 8


# --- objects ---


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (VideoStatus.QUEUED, "queued"),
        (VideoStatus.IN_PROGRESS, "in_progress"),
        (VideoStatus.COMPLETED, "completed"),
        (VideoStatus.FAILED, "failed"),
        (VideoStatus.CANCELLED, "failed"),
    ],
)
def test_only_statuses_that_the_sdks_know_are_told(status: VideoStatus, word: str) -> None:
    assert video_object(a_video(status=status)).status == word


@pytest.mark.parametrize("kind", ["prompt", "image", "output", "policy"])
def test_what_was_moderated_has_openais_code(kind: str) -> None:
    error = video_object(a_video(status=VideoStatus.FAILED, error=VideoError(kind, "No."))).error
    assert error is not None
    assert (error.code, error.message) == ("moderation_blocked", "No.")


def poll_seconds(**changes: Any) -> float:
    video: Video = a_video(created_at=NOW, estimated_at=NOW + timedelta(seconds=30), **changes)
    return poll_after(video, NOW + timedelta(seconds=10)).total_seconds()


def test_the_next_poll_is_set_by_what_is_left() -> None:
    assert poll_seconds() == pytest.approx(2.0)
    assert poll_seconds(started_at=NOW, progress=50) == pytest.approx(1.0)
    assert poll_seconds(started_at=NOW, progress=99) == pytest.approx(0.5)
    late = a_video(created_at=NOW, estimated_at=NOW)
    assert poll_after(late, NOW + timedelta(seconds=40)).total_seconds() == pytest.approx(2.0)
    assert poll_after(late, NOW + timedelta(hours=1)).total_seconds() == pytest.approx(5.0)


# --- uploads ---


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\0", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
        (b'{"custom_id":', None),
        (b"", None),
    ],
)
def test_a_file_is_told_by_its_first_bytes(head: bytes, kind: str | None) -> None:
    assert media_type_of(head) == kind


def test_images_are_fetched_only_from_where_the_guard_allows() -> None:
    assert not AddressGuard().allows("169.254.169.254")
