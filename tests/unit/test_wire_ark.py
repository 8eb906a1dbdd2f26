"""Ark's wire: what is sent, how its answers are understood, and what its listing proves."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest

from filmgate.domain.errors import RefusalKind, Refused
from filmgate.domain.provider import (
    CancelOutcome,
    CannotTell,
    Found,
    JobState,
    Lookup,
    NotThere,
    Order,
    Progress,
    ProviderJob,
)
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.answers import Answer
from filmgate.infrastructure.http import Reader, WireTrouble
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.providers.ark import ArkWire, tag_of, verify_webhook
from filmgate.providers.catalogue import read_catalogue
from filmgate.providers.task_api import Account

MODEL = "dreamina-seedance-2-5-260628"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
NOW = datetime.now(UTC)
REFERENCE = "job_01jd0000000000000000000000"
ACCOUNT = Account("", "key_1", "https://gate.example")
JOB = ProviderJob("cgt-1", MODEL, REFERENCE, NOW)
WIRE = ArkWire(Account("", "key_1"))


def order(model: str = MODEL, image: bytes | None = None, **changed: Any) -> Order:
    asked: dict[str, Any] = {"prompt": "A kite", "seconds": 5.0, "width": 1280, "height": 720, "seed": 42}
    if image is not None:
        asked["input_reference"] = "inputs/1"
    return Order(REFERENCE, model, VideoRequest(**{**asked, **changed}), image)


def body(asked: Order, wire: ArkWire = WIRE) -> dict[str, Any]:
    return msgspec.json.decode(wire.create(asked))


def answer(document: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, {}, msgspec.json.encode(document))


def test_a_task_carries_our_tag_and_only_what_the_model_takes() -> None:
    assert body(order()) == {
        "model": MODEL,
        "content": [{"type": "text", "text": "A kite"}],
        "resolution": "720p",
        "ratio": "16:9",
        "duration": 5,
        "seed": 42,
        "generate_audio": True,
        "watermark": False,
        "safety_identifier": tag_of(REFERENCE, "key_1"),
    }
    assert WIRE.create_url(order()) == (
        "https://ark.ap-southeast.bytepluses.com/api/v3/contents/generations/tasks"
    )


def test_the_address_may_be_written_with_its_path_as_the_documentation_does() -> None:
    wire = ArkWire(Account("https://ark.example/api/v3/", "key_1"))
    assert wire.job_url(JOB) == "https://ark.example/api/v3/contents/generations/tasks/cgt-1"


def test_an_image_is_the_first_frame() -> None:
    image = body(order(image=PNG))["content"][1]
    assert image["role"] == "first_frame"
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_callbacks_are_asked_for_where_filmgate_can_be_called() -> None:
    url = body(order(), ArkWire(ACCOUNT))["callback_url"]
    assert url.startswith(f"https://gate.example/hooks/ark/{REFERENCE}?seal=")


@pytest.mark.parametrize("reference", [REFERENCE, "job_" + "x" * 100])
def test_a_tag_fits_and_is_the_same_every_time(reference: str) -> None:
    assert len(tag_of(reference, "key_1")) <= 64
    assert tag_of(reference, "key_1") == tag_of(reference, "key_1") != tag_of(reference + "y", "key_1")


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (order("seedance-9"), RefusalKind.REQUEST),
        (order(width=1920, height=1080, model="dreamina-seedance-2-0-fast-260128"), RefusalKind.REQUEST),
        (order(width=100, height=100), RefusalKind.REQUEST),
        (order(seconds=3.0), RefusalKind.REQUEST),
        (order(seconds=5.5), RefusalKind.REQUEST),
        (order(seed=2**32), RefusalKind.REQUEST),
        (order(input_reference="inputs/1"), RefusalKind.IMAGE),
        (order(image=b"GIF89a"), RefusalKind.IMAGE),
    ],
)
def test_what_cannot_be_expressed_is_refused_before_it_is_sent(asked: Order, kind: RefusalKind) -> None:
    with pytest.raises(Refused) as refused:
        WIRE.create(asked)
    assert refused.value.kind is kind


@pytest.mark.parametrize("row", [row for row in read_catalogue().values() if row.provider == "ark"])
def test_all_that_the_catalogue_promises_can_be_sent(row: Any) -> None:
    for width, height in row.sizes:
        for seconds in (row.min_seconds, row.min_seconds + row.step, row.max_seconds):
            assert body(order(row.model, PNG, width=width, height=height, seconds=seconds))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"status": "queued"}, Progress(JobState.PENDING)),
        ({"status": "running"}, Progress(JobState.PROCESSING)),
        ({"status": "reticulating"}, Progress(JobState.PROCESSING)),
        ({"status": "cancelled"}, Progress(JobState.CANCELLED)),
        (
            {"status": "succeeded", "content": {"video_url": "https://a/b"}, "usage": {"total_tokens": "1"}},
            Progress(JobState.SUCCEEDED),
        ),
        (
            {
                "status": "failed",
                "error": {"code": "OutputVideoSensitiveContentDetected.PolicyViolation", "message": "No."},
            },
            Progress(JobState.FAILED, reason="No.", code="output"),
        ),
        (
            {"status": "failed", "error": {"message": "the input image may contain sensitive information"}},
            Progress(
                JobState.FAILED, reason="the input image may contain sensitive information", code="image"
            ),
        ),
        ({"status": "failed"}, Progress(JobState.FAILED)),
    ],
)
def test_a_tasks_standing_is_understood(document: Mapping[str, Any], expected: Progress) -> None:
    assert WIRE.progress(answer(document), JOB) == expected


@pytest.mark.parametrize("document", [{"status": "expired"}, {"status": "succeeded", "content": {}}])
def test_an_end_without_a_film_is_a_failure_with_a_reason(document: Mapping[str, Any]) -> None:
    progress = WIRE.progress(answer(document), JOB)
    assert progress is not None
    assert progress.state is JobState.FAILED
    assert progress.reason


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InputTextSensitiveContentDetected", 400, RefusalKind.PROMPT),
        ("InputImageSensitiveContentDetected.PrivacyInformation", 400, RefusalKind.IMAGE),
        ("InvalidParameter", 400, RefusalKind.REQUEST),
        ("AuthenticationError", 401, RefusalKind.KEY),
        ("AccessDenied", 403, RefusalKind.KEY),
        ("AccountOverdueError", 403, RefusalKind.QUOTA),
        ("InvalidEndpointOrModel.NotFound", 404, RefusalKind.REQUEST),
    ],
)
def test_refusals_are_sorted_by_their_code(code: str, status: int, kind: RefusalKind) -> None:
    assert WIRE.refusal(answer({"error": {"code": code, "message": "No."}}, status)).kind is kind


def test_a_stopped_task_is_free() -> None:
    assert WIRE.cancelled(answer({})) == CancelOutcome(stopped=True, charged=False)
    assert WIRE.cancelled(answer({}, 409)) == CancelOutcome(stopped=False, charged=None)


class Listing:
    """A listing, page by page, as the account's tasks are shown."""

    def __init__(self, pages: Sequence[Sequence[Mapping[str, Any]]], totals: Sequence[object] = ()) -> None:
        self._pages = pages
        self._totals = totals or [sum(len(page) for page in pages)] * len(pages)
        self.read = 0

    async def get(self, url: str) -> Answer:
        self.read += 1
        number = min(self.read, len(self._pages)) - 1
        return answer({"total": self._totals[number], "items": self._pages[number]})


def listed(number: int, age: timedelta = timedelta(0), tag: str | None = "somebody") -> dict[str, Any]:
    return {"id": f"cgt-{number}", "created_at": int((NOW - age).timestamp()), "safety_identifier": tag}


def look(listing: Listing, sent_at: datetime = NOW) -> Lookup:
    return asyncio.run(WIRE.find_lost(cast("Reader", listing), order(), sent_at))


HOUR = timedelta(hours=1)
OURS = {**listed(7), "safety_identifier": tag_of(REFERENCE, "an older key")}


def test_a_lost_task_is_found_by_its_tag_even_after_the_key_was_exchanged() -> None:
    assert look(Listing([[listed(1), listed(2)], [listed(3), OURS]])) == Found("cgt-7")


@pytest.mark.parametrize(
    "pages",
    [
        [[]],
        [[listed(1), listed(2, HOUR)]],
        [[listed(1, tag=None), listed(2, HOUR)]],
        [[listed(1, HOUR, tag=None)]],
    ],
)
def test_a_whole_listing_without_our_tag_proves_that_nothing_was_made(pages: Any) -> None:
    assert look(Listing(pages)) == NotThere()


def test_the_walk_ends_where_the_tasks_are_older_than_the_send() -> None:
    listing = Listing([[listed(1), listed(2, HOUR)], [listed(3, 2 * HOUR)]])
    assert look(listing) == NotThere()
    assert listing.read == 1


def test_a_listing_in_another_order_is_read_to_its_end() -> None:
    assert look(Listing([[listed(1, HOUR), listed(2)], [listed(3, HOUR), OURS]])) == Found("cgt-7")


@pytest.mark.parametrize(
    ("listing", "sent_at"),
    [
        # Nothing shows that this listing shows tags at all.
        (Listing([[listed(1, tag=None)]]), NOW),
        (Listing([[{"id": "cgt-1"}]]), NOW),
        # Records this old may be gone.
        (Listing([[]]), NOW - timedelta(days=6, minutes=1)),
        # One was deleted while we read.
        (Listing([[listed(1)], [listed(2)]], totals=[3, 2]), NOW),
        # It ends before all it counts was shown.
        (Listing([[listed(1)], []], totals=[3, 3]), NOW),
        # It never ends.
        (Listing([[listed(1)]], totals=[10_000]), NOW),
    ],
)
def test_a_listing_that_may_be_missing_something_proves_nothing(listing: Listing, sent_at: datetime) -> None:
    assert look(listing, sent_at) == CannotTell()


class Broken:
    def __init__(self, given: Answer) -> None:
        self._given = given

    async def get(self, url: str) -> Answer:
        return self._given


@pytest.mark.parametrize("given", [answer({}), answer({"items": [], "total": 0}, 500), answer({"items": []})])
def test_a_listing_that_cannot_be_read_is_trouble(given: Answer) -> None:
    # The frame takes any of these for CannotTell.
    with pytest.raises((WireTrouble, LookupError)):
        asyncio.run(WIRE.find_lost(cast("Reader", Broken(given)), order(), NOW))


def test_a_callback_proves_itself_by_the_tag() -> None:
    task = {"id": "cgt-7", "status": "succeeded", "safety_identifier": tag_of(REFERENCE, "key_1")}
    notice = verify_webhook({}, msgspec.json.encode(task), (), NOW, ACCOUNT)
    assert (notice.job_id, notice.delivery) == ("cgt-7", "cgt-7:succeeded")


@pytest.mark.parametrize(
    ("task", "account"),
    [
        ({"id": "cgt-7", "safety_identifier": tag_of(REFERENCE, "another key")}, ACCOUNT),
        ({"id": "cgt-7", "safety_identifier": REFERENCE}, ACCOUNT),
        ({"id": "cgt-7"}, ACCOUNT),
        ({"safety_identifier": tag_of(REFERENCE, "key_1")}, ACCOUNT),
        ({"id": "cgt-7", "safety_identifier": tag_of(REFERENCE, None)}, replace(ACCOUNT, key=None)),
        ([], ACCOUNT),
    ],
)
def test_a_callback_without_a_tag_of_ours_proves_nothing(task: Any, account: Account) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook({}, msgspec.json.encode(task), (), NOW, account)
