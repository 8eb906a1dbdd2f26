"""Runway's wire: what is sent for which model, and how its answers are understood."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from filmgate.domain.errors import OutcomeUnknown, RefusalKind, Refused, Throttled
from filmgate.domain.money import FREE, Money
from filmgate.domain.provider import JobState, Order, Progress, ProviderJob
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import Answer
from filmgate.providers.catalogue import read_catalogue
from filmgate.providers.runway import Runway, RunwayWire, connect
from filmgate.providers.task_api import Account

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
JOB = ProviderJob("17f2", "gen4.5", "job_1", datetime(2026, 11, 22, tzinfo=UTC))
WIRE = RunwayWire(Account("", "key_1"))


def order(model: str = "gen4.5", image: bytes | None = None, **changed: Any) -> Order:
    asked: dict[str, Any] = {"prompt": "A kite", "seconds": 5.0, "width": 1280, "height": 720, "seed": 42}
    if image is not None:
        asked["input_reference"] = "inputs/1"
    return Order("job_1", model, VideoRequest(**{**asked, **changed}), image)


def body(asked: Order) -> dict[str, Any]:
    return msgspec.json.decode(WIRE.create(asked))


def answer(document: Mapping[str, Any], status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, msgspec.json.encode(document))


def test_a_film_from_text_names_model_size_length_and_seed() -> None:
    assert body(order()) == {
        "model": "gen4.5",
        "promptText": "A kite",
        "ratio": "1280:720",
        "duration": 5,
        "seed": 42,
    }
    assert WIRE.create_url(order()) == "https://api.dev.runwayml.com/v1/text_to_video"
    assert WIRE.headers() == {"Authorization": "Bearer key_1", "X-Runway-Version": "2024-11-06"}


def test_a_film_from_an_image_goes_elsewhere_with_the_image_inside() -> None:
    sent = body(order(image=PNG))
    (image,) = sent["promptImage"]
    assert image["position"] == "first"
    assert image["uri"].startswith("data:image/png;base64,iVBOR")
    assert WIRE.create_url(order(image=PNG)).endswith("/v1/image_to_video")


def test_each_model_gets_only_what_it_takes() -> None:
    veo = body(order("veo3.1", seconds=8.0, audio=False, negative_prompt="rain"))
    assert (veo["audio"], veo["negativePrompt"], veo["seed"]) == (False, "rain", 42)
    wan = body(order("wan3", negative_prompt="rain"))
    assert "seed" not in wan
    assert "negativePrompt" not in wan
    assert wan["audio"] is True
    assert "audio" not in body(order())


def test_a_model_that_follows_its_image_is_asked_for_a_resolution_only() -> None:
    assert body(order("wan3", width=1920, height=1080, image=PNG))["ratio"] == "auto_1080p"
    assert body(order("wan3", width=832, height=480, image=PNG))["ratio"] == "auto_480p"
    assert body(order("wan3"))["ratio"] == "1280:720"


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (order("gen9"), RefusalKind.REQUEST),
        (order("gen4_turbo"), RefusalKind.REQUEST),
        (order(width=960, height=960), RefusalKind.REQUEST),
        (order(seconds=11.0), RefusalKind.REQUEST),
        (order(seconds=4.5), RefusalKind.REQUEST),
        (order("veo3.1", seconds=5.0), RefusalKind.REQUEST),
        (order(seed=2**32), RefusalKind.REQUEST),
        # 501 kites are 1,002 UTF-16 units.
        (order(prompt="\U0001fa81" * 501), RefusalKind.REQUEST),
        (order(input_reference="inputs/1"), RefusalKind.IMAGE),
        (order(image=b"GIF89a"), RefusalKind.IMAGE),
        (order(image=PNG + bytes(4_000_000)), RefusalKind.IMAGE),
    ],
)
def test_what_cannot_be_expressed_is_refused_before_it_is_sent(asked: Order, kind: RefusalKind) -> None:
    with pytest.raises(Refused) as refused:
        WIRE.create(asked)
    assert refused.value.kind is kind


def test_a_square_film_can_be_made_from_an_image() -> None:
    assert body(order(width=960, height=960, image=PNG))["ratio"] == "960:960"


@pytest.mark.parametrize("row", [row for row in read_catalogue().values() if row.provider == "runway"])
def test_all_that_the_catalogue_promises_can_be_sent(row: Any) -> None:
    for width, height in row.sizes:
        for image in (PNG,) if row.needs_image else (None, PNG) if row.image_input else (None,):
            for seconds in (row.min_seconds, row.min_seconds + row.step, row.max_seconds):
                assert body(order(row.model, image, width=width, height=height, seconds=seconds))
    image = PNG if row.needs_image else None
    longest = body(order(row.model, image, prompt="x" * row.max_prompt, seconds=row.max_seconds))
    assert ("audio" in longest, "seed" in longest) == (row.audio and not row.always_sound, row.seed)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"status": "PENDING"}, Progress(JobState.PENDING)),
        ({"status": "THROTTLED", "estimatedCost": {"credits": 60}}, Progress(JobState.PENDING)),
        ({"status": "RUNNING", "progress": 0.42}, Progress(JobState.PROCESSING, 42)),
        ({"status": "RUNNING", "progress": 42.0}, Progress(JobState.PROCESSING, 100)),
        ({"status": "RETICULATING"}, Progress(JobState.PROCESSING)),
        ({"error": "in a 200"}, Progress(JobState.PROCESSING)),
        (
            {"status": "SUCCEEDED", "output": ["https://a/b.mp4"], "cost": {"credits": 60}},
            Progress(JobState.SUCCEEDED, cost=Money.parse("0.60")),
        ),
        ({"status": "CANCELLED", "cost": {"credits": 0}}, Progress(JobState.CANCELLED, cost=FREE)),
        (
            {
                "status": "FAILED",
                "failure": "No.",
                "failureCode": "SAFETY.INPUT.TEXT",
                "cost": {"credits": 0},
            },
            Progress(JobState.FAILED, reason="No.", code="prompt", cost=FREE),
        ),
        (
            {"status": "FAILED", "failure": "No.", "failureCode": "SAFETY.INPUT.IMAGE"},
            Progress(JobState.FAILED, reason="No.", code="image"),
        ),
        (
            {"status": "FAILED", "failure": "No.", "failureCode": "SAFETY.OUTPUT.VIDEO"},
            Progress(JobState.FAILED, reason="No.", code="output"),
        ),
        (
            {"status": "FAILED", "failureCode": "INTERNAL.BAD_OUTPUT.CODE01"},
            Progress(JobState.FAILED, reason="Runway failed with INTERNAL.BAD_OUTPUT.CODE01."),
        ),
        ({"status": "FAILED", "failure": None, "failureCode": None}, Progress(JobState.FAILED)),
    ],
)
def test_a_tasks_standing_is_understood(document: Mapping[str, Any], expected: Progress) -> None:
    assert WIRE.progress(answer(document), JOB) == expected


def test_a_success_without_a_film_is_a_failure_that_has_cost() -> None:
    progress = WIRE.progress(answer({"status": "SUCCEEDED", "output": [], "cost": {"credits": 12}}), JOB)
    assert progress is not None
    assert (progress.state, progress.cost) == (JobState.FAILED, Money.parse("0.12"))
    assert progress.reason is not None


@pytest.mark.parametrize("status", [404, 429, 500])
def test_an_error_at_a_read_says_nothing(status: int) -> None:
    assert WIRE.progress(answer({"error": "?"}, status), JOB) is None


@pytest.mark.parametrize(
    ("document", "status", "kind"),
    [
        ({"error": "You do not have enough credits to run this task."}, 400, RefusalKind.QUOTA),
        ({"error": "The prompt did not pass content moderation."}, 400, RefusalKind.PROMPT),
        (
            {"error": "Validation of body failed", "issues": [{"message": "promptImage is too small"}]},
            400,
            RefusalKind.IMAGE,
        ),
        ({"error": "ratio must be one of"}, 400, RefusalKind.REQUEST),
        ({"error": "The API key is not valid."}, 401, RefusalKind.KEY),
        ({"error": "This API key may not do this."}, 403, RefusalKind.KEY),
        ({}, 413, RefusalKind.REQUEST),
    ],
)
def test_refusals_are_sorted_by_their_sentence(
    document: Mapping[str, Any], status: int, kind: RefusalKind
) -> None:
    refused = WIRE.refusal(answer(document, status))
    assert refused.kind is kind
    assert str(refused)


def sorted_by(provider: Runway, given: Answer) -> str:
    return provider._sorted(given)


def test_a_429_is_about_the_day_and_pauses_long() -> None:
    provider = connect(Account("", "key_1"), AddressGuard())
    with pytest.raises(Throttled) as throttled:
        sorted_by(provider, answer({"error": "daily limit"}, 429))
    assert throttled.value.retry_after == timedelta(minutes=10)
    with pytest.raises(Throttled) as throttled:
        sorted_by(provider, answer({"error": "daily limit"}, 429, **{"Retry-After": "30"}))
    assert throttled.value.retry_after == timedelta(seconds=30)


@pytest.mark.parametrize("given", [answer({}), answer({"id": 7}), answer({}, 502), answer({}, 409)])
def test_an_answer_without_a_job_leaves_the_outcome_unknown(given: Answer) -> None:
    with pytest.raises(OutcomeUnknown):
        sorted_by(connect(Account("", "key_1"), AddressGuard()), given)
