"""Gemini's wire: what is sent, how its answers are understood, and which callbacks are believed."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from filmgate.domain.errors import OutcomeUnknown, RefusalKind, Refused, Throttled
from filmgate.domain.provider import CancelOutcome, JobState, Order, Progress, ProviderJob
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import Answer
from filmgate.infrastructure.http import Film
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.providers.catalogue import read_catalogue
from filmgate.providers.gemini import Gemini, GeminiWire, connect, verify_webhook
from filmgate.providers.task_api import Account
from filmgate.twin import rsa
from filmgate.twin.ed25519 import SigningKey

MODEL = "gemini-omni-1.2-flash"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
JOB = ProviderJob("v1_Ab", MODEL, "job_1", NOW)
ACCOUNT = Account("", "key_1", "https://gate.example")
FILE = "https://generativelanguage.googleapis.com/v1beta/files/abc123:download?alt=media"


def wire() -> GeminiWire:
    return GeminiWire(Account("", "key_1"))


def order(image: bytes | None = None, **changed: Any) -> Order:
    asked: dict[str, Any] = {"prompt": "A kite", "seconds": 8.0, "width": 1280, "height": 720, "seed": 42}
    if image is not None:
        asked["input_reference"] = "inputs/1"
    return Order("job_1", changed.pop("model", MODEL), VideoRequest(**{**asked, **changed}), image)


def body(asked: Order, account: Account | None = None) -> dict[str, Any]:
    return msgspec.json.decode(GeminiWire(account or Account("", "key_1")).create(asked))


def answer(document: Mapping[str, Any], status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, msgspec.json.encode(document))


def interaction(status: str, *parts: Mapping[str, Any], **more: Any) -> Answer:
    steps = [{"type": "thought"}, {"type": "model_output", "content": parts}] if parts else []
    return answer({"id": "v1_Ab", "status": status, "steps": steps} | more)


def test_a_film_is_asked_for_in_the_background_and_by_address() -> None:
    assert body(order()) == {
        "model": MODEL,
        "input": [{"type": "user_input", "content": [{"type": "text", "text": "A kite"}]}],
        "response_modalities": ["video"],
        "response_format": {
            "type": "video",
            "aspect_ratio": "16:9",
            "resolution": "720p",
            "duration": "8s",
            "delivery": "uri",
        },
        "generation_config": {"video_config": {"task": "text_to_video"}},
        "background": True,
        "store": True,
    }
    assert wire().create_url(order()) == ("https://generativelanguage.googleapis.com/v1beta/interactions")
    assert wire().headers() == {"x-goog-api-key": "key_1"}


def test_an_image_comes_before_the_text() -> None:
    sent = body(order(PNG))
    image, text = sent["input"][0]["content"]
    assert (image["type"], image["mime_type"]) == ("image", "image/png")
    assert base64.b64decode(image["data"]) == PNG
    assert text["type"] == "text"
    assert sent["generation_config"]["video_config"]["task"] == "image_to_video"


def test_a_callback_is_asked_for_where_filmgate_can_be_called() -> None:
    config = body(order(), ACCOUNT)["webhook_config"]
    assert config["uris"][0].startswith("https://gate.example/hooks/gemini/job_1?seal=")
    assert config["user_metadata"] == {"reference": "job_1"}


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (order(width=960, height=960), RefusalKind.REQUEST),
        (order(input_reference="inputs/1"), RefusalKind.IMAGE),
        (order(b"GIF89a"), RefusalKind.IMAGE),
    ],
)
def test_what_cannot_be_expressed_is_refused_before_it_is_sent(asked: Order, kind: RefusalKind) -> None:
    with pytest.raises(Refused) as refused:
        wire().create(asked)
    assert refused.value.kind is kind


@pytest.mark.parametrize("row", [row for row in read_catalogue().values() if row.provider == "gemini"])
def test_all_that_the_catalogue_promises_can_be_sent(row: Any) -> None:
    for width, height in row.sizes:
        assert body(order(PNG, model=row.model, width=width, height=height))
    assert body(order(seconds=4.5))["response_format"]["duration"] == "4.5s"


VIDEO = {"type": "video", "mime_type": "video/mp4", "uri": FILE}
TEXT = {"type": "text", "text": "I cannot show this."}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (interaction("queued"), Progress(JobState.PENDING)),
        (interaction("in_progress"), Progress(JobState.PROCESSING)),
        (interaction("requires_continuation"), Progress(JobState.PROCESSING)),
        (interaction("reticulating"), Progress(JobState.PROCESSING)),
        (interaction("cancelled"), Progress(JobState.CANCELLED)),
        (interaction("completed", TEXT, VIDEO), Progress(JobState.SUCCEEDED)),
        (interaction("completed", {"type": "video", "data": "AAAA"}), Progress(JobState.SUCCEEDED)),
        (interaction("completed", output_video={"uri": FILE}), Progress(JobState.SUCCEEDED)),
        (
            interaction("completed", TEXT),
            Progress(JobState.FAILED, reason="I cannot show this.", code="output", charged=False),
        ),
        (
            interaction("failed", error={"message": "It broke.", "code": "internal"}),
            Progress(JobState.FAILED, reason="It broke."),
        ),
        (
            interaction("failed", error={"message": "It may violate the policies."}),
            Progress(JobState.FAILED, reason="It may violate the policies.", code="output", charged=False),
        ),
        (
            interaction("failed", errors=[{"code": "internal", "message": "It broke."}]),
            Progress(JobState.FAILED, reason="It broke."),
        ),
        (
            interaction("failed", steps=[{"type": "model_output", "error": {"message": "It broke."}}]),
            Progress(JobState.FAILED, reason="It broke."),
        ),
        (
            interaction("completed", TEXT, errors=[{"message": "It was filtered."}]),
            Progress(JobState.FAILED, reason="It was filtered.", code="output", charged=False),
        ),
        (
            interaction("budget_exceeded"),
            Progress(
                JobState.FAILED, reason="Gemini ended the interaction as budget_exceeded.", code="quota"
            ),
        ),
        (
            interaction("incomplete"),
            Progress(JobState.FAILED, reason="Gemini ended the interaction as incomplete."),
        ),
    ],
)
def test_an_interactions_standing_is_understood(given: Answer, expected: Progress) -> None:
    assert wire().progress(given, JOB) == expected


def test_a_completed_interaction_without_any_part_was_held_back() -> None:
    progress = wire().progress(interaction("completed"), JOB)
    assert progress is not None
    assert (progress.state, progress.code) == (JobState.FAILED, "output")
    assert progress.reason


COMPLAINT = answer({"error": {"message": "Unsupported file uri", "code": "invalid_request"}}, 400)


def test_a_read_answered_with_400_twice_in_a_row_is_the_end() -> None:
    speaking = wire()
    assert speaking.progress(COMPLAINT, JOB) is None
    assert speaking.progress(COMPLAINT, JOB) == Progress(JobState.FAILED, reason="Unsupported file uri")


def test_a_single_400_between_other_answers_is_forgotten() -> None:
    speaking = wire()
    assert speaking.progress(COMPLAINT, JOB) is None
    assert speaking.progress(interaction("in_progress"), JOB) == Progress(JobState.PROCESSING)
    assert speaking.progress(COMPLAINT, JOB) is None


@pytest.mark.parametrize("status", [404, 429, 500])
def test_another_error_at_a_read_says_nothing(status: int) -> None:
    assert wire().progress(answer({"error": {"message": "?"}}, status), JOB) is None


def test_the_key_goes_with_a_file_of_the_api_and_to_its_own_host_only() -> None:
    film = wire().film(interaction("completed", VIDEO), JOB)
    assert film == Film(FILE, {"x-goog-api-key": "key_1"}, "generativelanguage.googleapis.com", own=True)
    elsewhere = {"type": "video", "uri": "https://storage.example/bucket/film.mp4"}
    assert wire().film(interaction("completed", elsewhere), JOB) == Film(elsewhere["uri"])
    assert wire().film(interaction("completed", {"type": "video", "data": "AAAA"}), JOB) is None


def test_files_are_read_where_the_account_is_whatever_host_the_answer_names() -> None:
    proxied = GeminiWire(Account("https://proxy.example/google/v1beta", "key_1"))
    film = proxied.film(interaction("completed", VIDEO), JOB)
    assert film is not None
    assert film.url == "https://proxy.example/google/v1beta/files/abc123:download?alt=media"
    assert film.host == "proxy.example"


@pytest.mark.parametrize(
    ("document", "status", "kind"),
    [
        ({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Bad"}}, 400, RefusalKind.REQUEST),
        (
            {
                "error": {
                    "code": 400,
                    "status": "INVALID_ARGUMENT",
                    "message": "API key not valid.",
                    "details": [{"reason": "API_KEY_INVALID"}],
                }
            },
            400,
            RefusalKind.KEY,
        ),
        ({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "No"}}, 403, RefusalKind.KEY),
        ({"error": {"status": "FAILED_PRECONDITION", "message": "Billing"}}, 400, RefusalKind.QUOTA),
        (
            {"error": {"message": "The prompt was blocked.", "code": "invalid_request"}},
            400,
            RefusalKind.PROMPT,
        ),
        ({"error": {"code": 404, "status": "NOT_FOUND", "message": "No model"}}, 404, RefusalKind.REQUEST),
        ({}, 401, RefusalKind.KEY),
    ],
)
def test_refusals_are_sorted_by_googles_words(
    document: Mapping[str, Any], status: int, kind: RefusalKind
) -> None:
    refused = wire().refusal(answer(document, status))
    assert refused.kind is kind
    assert str(refused)


def sorted_by(provider: Gemini, given: Answer) -> str:
    return provider._sorted(given)


@pytest.mark.parametrize(
    ("details", "headers", "delay"),
    [
        ([{"@type": "…Help"}, {"@type": "…RetryInfo", "retryDelay": "37s"}], {}, timedelta(seconds=37)),
        ([{"retryDelay": "0.5s"}], {"Retry-After": "9"}, timedelta(seconds=0.5)),
        ([{"retryDelay": "86400s"}], {}, timedelta(hours=1)),
        ([{"retryDelay": "soon"}], {"Retry-After": "9"}, timedelta(seconds=9)),
        ([], {}, None),
    ],
)
def test_a_429_says_in_its_body_when_to_come_back(
    details: Any, headers: Mapping[str, str], delay: timedelta | None
) -> None:
    given = answer({"error": {"code": 429, "message": "Quota", "details": details}}, 429, **headers)
    with pytest.raises(Throttled) as throttled:
        sorted_by(connect(ACCOUNT, AddressGuard()), given)
    assert throttled.value.retry_after == delay


@pytest.mark.parametrize("given", [answer({}), answer({"id": ""}), answer({}, 503), answer({}, 409)])
def test_an_answer_without_a_job_leaves_the_outcome_unknown(given: Answer) -> None:
    with pytest.raises(OutcomeUnknown):
        sorted_by(connect(ACCOUNT, AddressGuard()), given)


def test_only_an_interaction_that_says_so_is_cancelled() -> None:
    assert wire().cancelled(interaction("cancelled")) == CancelOutcome(stopped=True, charged=None)
    assert wire().cancelled(interaction("in_progress")) == CancelOutcome(stopped=False, charged=None)
    assert wire().cancelled(answer({}, 404)) == CancelOutcome(stopped=False, charged=None)


EVENT = msgspec.json.encode({"type": "interaction.completed", "data": {"id": "interactions/v1_Ab"}})
SIGNER = SigningKey(b"a seed of thirty-two bytes, made")


def published() -> bytes:
    public = base64.urlsafe_b64encode(SIGNER.public).decode().rstrip("=")
    keys = [{"kty": "OKP", "crv": "Ed25519", "x": public}, *rsa.public_keys()["keys"]]
    return msgspec.json.encode({"keys": keys})


def stamped(signature: str, at: datetime = NOW) -> dict[str, str]:
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": signature,
    }


def ed25519(event: bytes = EVENT, at: datetime = NOW) -> dict[str, str]:
    signature = SIGNER.sign(f"msg_1.{int(at.timestamp())}.".encode() + event)
    return stamped(f"v1a,{base64.b64encode(signature).decode()}", at)


def token(audience: Any = "https://gate.example/hooks/gemini/job_1", **claims: Any) -> dict[str, str]:
    return stamped(rsa.token({"aud": audience, "iat": int(NOW.timestamp()), **claims}))


@pytest.mark.parametrize("headers", [ed25519(), token(), token(["x", "https://gate.example/hooks"])])
def test_a_callback_is_believed_in_either_form(headers: dict[str, str]) -> None:
    notice = verify_webhook(headers, EVENT, [published()], NOW, ACCOUNT)
    assert (notice.job_id, notice.delivery) == ("v1_Ab", "msg_1")


@pytest.mark.parametrize(
    ("headers", "event"),
    [
        (ed25519(), EVENT + b" "),
        (ed25519(at=NOW - timedelta(minutes=6)), EVENT),
        (stamped("v1a,AAAA"), EVENT),
        (stamped("v1,AAAA"), EVENT),
        (stamped("a.b.c"), EVENT),
        ({}, EVENT),
        (token("https://somebody.example"), EVENT),
        (token(None), EVENT),
        (token(iat=1), EVENT),
        (ed25519(b"{}"), b"{}"),
        (ed25519(b"[]"), b"[]"),
    ],
)
def test_a_callback_that_is_forged_stale_or_empty_proves_nothing(
    headers: dict[str, str], event: bytes
) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(headers, event, [published()], NOW, ACCOUNT)


def test_without_published_keys_nothing_is_believed() -> None:
    for keys in ((), (b"<html>",), (b'{"keys":[1]}',)):
        with pytest.raises(SignatureRefused):
            verify_webhook(ed25519(), EVENT, keys, NOW, ACCOUNT)
