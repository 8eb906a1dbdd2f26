"""fal's words and ours, both ways; each answer is as fal's documentation or client shows it."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from filmgate.domain.errors import BadSettings, RefusalKind, Refused
from filmgate.domain.provider import CannotTell, Found, JobState, NotThere, Order, ProviderJob
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.answers import Answer
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.providers.fal import FalWire, read_keys, verify_webhook
from filmgate.providers.queue_api import Candidate, fields_of, judge
from filmgate.providers.task_api import Account
from filmgate.twin.ed25519 import SigningKey

PNG = b"\x89PNG\r\n\x1a\n"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WIRE = FalWire(Account("https://queue.fal.run", "id:secret"))
JOB = ProviderJob("764cabcf-1", "fal-ai/kling-video/v3/pro", "vid_1", NOW)


def order(model: str = "fal-ai/veo3.1", image: bytes | None = None, **asked: Any) -> Order:
    usual: dict[str, Any] = {"seconds": 8.0, "width": 1280, "height": 720, "seed": 7}
    return Order("vid_1", model, VideoRequest("A kite", **{**usual, **asked}), image)


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, named, msgspec.json.encode(body))


def sent(asked: Order, wire: FalWire = WIRE) -> dict[str, Any]:
    return msgspec.json.decode(wire.create(asked))


def test_veo_gets_its_length_as_words_and_kling_as_text() -> None:
    assert sent(order(audio=False, negative_prompt="rain")) == {
        "prompt": "A kite",
        "duration": "8s",
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "generate_audio": False,
        "negative_prompt": "rain",
        "seed": 7,
    }
    assert sent(order("fal-ai/kling-video/v3/pro", width=1080, height=1080)) == {
        "prompt": "A kite",
        "duration": "8",
        "aspect_ratio": "1:1",
        "generate_audio": True,
    }


def test_an_image_goes_to_its_own_endpoint_in_its_own_field() -> None:
    veo, kling = order(image=PNG), order("fal-ai/kling-video/v3/pro", image=PNG)
    assert WIRE.create_url(veo) == "https://queue.fal.run/fal-ai/veo3.1/image-to-video"
    assert sent(veo)["image_url"].startswith("data:image/png;base64,iVBOR")
    assert WIRE.create_url(kling).endswith("/fal-ai/kling-video/v3/pro/image-to-video")
    assert set(sent(kling)) == {"prompt", "duration", "generate_audio", "start_image_url"}


def test_what_cannot_be_said_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Refused, match="whole seconds"):
        WIRE.create(order(seconds=4.5))
    with pytest.raises(Refused, match="no aspect ratio"):
        WIRE.create(order(width=1000, height=77))
    with pytest.raises(Refused, match="was not given an image"):
        WIRE.create(order(input_reference="references/lost.png"))


def test_a_model_of_the_operators_is_written_as_the_file_says() -> None:
    table = {"seconds": "num_seconds", "seconds_as": "int", "audio": False, "fixed": {"fps": 24}}
    wire = FalWire(Account("https://queue.fal.run", "k", fields={"fal-ai/ltx-2.5/fast": table}))
    body = sent(order("fal-ai/ltx-2.5/fast", width=3840, height=2160), wire)
    assert body == {
        "prompt": "A kite",
        "fps": 24,
        "num_seconds": 8,
        "aspect_ratio": "16:9",
        "resolution": "4k",
        "seed": 7,
    }
    assert wire.create_url(order("fal-ai/ltx-2.5/fast")) == "https://queue.fal.run/fal-ai/ltx-2.5/fast"


@pytest.mark.parametrize("base", ["http://127.0.0.1:9100/fal", "http://127.0.0.1:9100/fal/queue/"])
def test_a_stand_in_is_asked_everything_and_fal_nothing(base: str) -> None:
    wire = FalWire(Account(base, "k"))
    assert wire.create_url(order()) == "http://127.0.0.1:9100/fal/queue/fal-ai/veo3.1"
    assert wire.job_url(JOB).startswith("http://127.0.0.1:9100/fal/queue/fal-ai/kling-video/requests/")


@pytest.mark.parametrize("table", [{"lenght": "duration"}, {"seconds_as": "minutes"}])
def test_fields_that_cannot_be_understood_are_named(table: dict[str, Any]) -> None:
    with pytest.raises(BadSettings, match=r"fields of fal-ai/ltx"):
        fields_of("fal-ai/ltx", table)


def test_the_callback_carries_our_reference_and_a_seal() -> None:
    wire = FalWire(Account("https://queue.fal.run", "k", callback_url="https://gate.example/"))
    hook = "?fal_webhook=https%3A%2F%2Fgate.example%2Fhooks%2Ffal%2Fvid_1%3Fseal%3D"
    assert hook in wire.create_url(order())
    assert "fal_webhook" not in WIRE.create_url(order())


def test_requests_are_read_under_the_app_and_not_under_the_endpoint() -> None:
    assert WIRE.job_url(JOB) == "https://queue.fal.run/fal-ai/kling-video/requests/764cabcf-1/status"
    assert WIRE.cancel_call(JOB) == (
        "PUT",
        "https://queue.fal.run/fal-ai/kling-video/requests/764cabcf-1/cancel",
    )
    comfy = ProviderJob("../../x?y", "workflows/me/mine/v2", "vid_1", NOW)
    assert WIRE.job_url(comfy) == "https://queue.fal.run/workflows/me/mine/requests/..%2F..%2Fx%3Fy/status"


@pytest.mark.parametrize(
    ("body", "status", "state"),
    [
        ({"status": "IN_QUEUE", "queue_position": 3}, 202, JobState.PENDING),
        ({"status": "IN_PROGRESS", "logs": None}, 202, JobState.PROCESSING),
        ({"status": "RETICULATING"}, 202, JobState.PROCESSING),
        ({"status": "COMPLETED", "error": "boom", "error_type": "internal_error"}, 200, JobState.FAILED),
        ({"status": "COMPLETED", "error": "no", "error_type": "client_cancelled"}, 200, JobState.CANCELLED),
        ({"detail": "not found"}, 404, None),
        ({}, 200, None),
        ({"status": "COMPLETED"}, 503, None),
    ],
)
def test_a_status_is_sorted(body: Any, status: int, state: JobState | None) -> None:
    progress = WIRE.progress(answer(body, status), JOB)
    assert (progress and progress.state) == state
    assert WIRE.outcome_url(answer(body, status), JOB) is None


def test_the_outcome_of_a_completed_request_is_read_elsewhere() -> None:
    done = answer({"status": "COMPLETED", "metrics": {"inference_time": 41.2}})
    assert WIRE.outcome_url(done, JOB) == "https://queue.fal.run/fal-ai/kling-video/requests/764cabcf-1"


LATE = answer({"detail": "late"}, 504, X_Fal_Error_Type="request_timeout", X_Fal_Request_Timeout_Type="user")
DETAIL = {"loc": ["body", "prompt"], "msg": "flagged", "type": "content_policy_violation"}


@pytest.mark.parametrize(
    ("shown", "state", "code"),
    [
        (answer({"video": {"url": "https://v3b.fal.media/a.mp4"}}), JobState.SUCCEEDED, None),
        (answer({"detail": [DETAIL]}, 422), JobState.FAILED, "policy"),
        (answer({"detail": [DETAIL | {"type": "image_too_small"}]}, 422), JobState.FAILED, "image"),
        (answer({"detail": [DETAIL | {"type": "no_media_generated"}]}, 422), JobState.FAILED, None),
        (answer({"detail": "boom"}, 500, X_Fal_Error_Type="internal_server_error"), JobState.FAILED, None),
        (LATE, JobState.FAILED, "expired"),
        (answer({"detail": "Request is still in progress"}, 400), None, None),
        (answer({"detail": "not found"}, 404), None, None),
        (answer({"detail": "slow down"}, 429), None, None),
        (answer("<html>", 502), None, None),
    ],
)
def test_an_outcome_is_sorted(shown: Answer, state: JobState | None, code: str | None) -> None:
    progress = WIRE.outcome(shown, JOB)
    assert (progress and progress.state) == state
    assert (progress and progress.code) == code


@pytest.mark.parametrize(
    ("body", "url"),
    [
        ({"video": {"url": "https://v3b.fal.media/a.mp4"}}, "https://v3b.fal.media/a.mp4"),
        ({"videos": [{"url": "https://v3b.fal.media/b.mp4"}]}, "https://v3b.fal.media/b.mp4"),
        ({"video": None}, None),
        ({"video": "text"}, None),
        ([], None),
    ],
)
def test_the_film_is_found_in_the_models_answer_and_gets_no_key(body: Any, url: str | None) -> None:
    film = WIRE.film(answer(body), JOB)
    assert (film and film.url) == url
    assert film is None or film.headers is None


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (answer({"detail": [DETAIL]}, 422), RefusalKind.POLICY),
        (answer({"detail": "User is locked. Reason: Exhausted balance."}, 403), RefusalKind.QUOTA),
        (answer({"detail": "Access denied."}, 403), RefusalKind.KEY),
        (answer({"detail": "Authentication is required"}, 401), RefusalKind.KEY),
        (answer({"detail": "Application not found"}, 404), RefusalKind.REQUEST),
        (answer([], 400), RefusalKind.REQUEST),
    ],
)
def test_a_refusal_is_sorted_by_its_type(refused: Answer, kind: RefusalKind) -> None:
    assert WIRE.refusal(refused).kind is kind
    assert str(WIRE.refusal(refused))


def test_a_cancel_is_believed_no_further_than_it_goes() -> None:
    requested = WIRE.cancelled(answer({"status": "CANCELLATION_REQUESTED"}, 202))
    done = WIRE.cancelled(answer({"status": "ALREADY_COMPLETED"}, 400))
    gone = WIRE.cancelled(answer({"status": "NOT_FOUND"}, 404))
    assert [(one.stopped, one.charged) for one in (requested, done, gone)] == [
        (True, None),
        (False, True),
        (False, None),
    ]


KEY = SigningKey(bytes(range(32)))
BODY = b'{"request_id":"764cabcf-1","status":"OK"}'


def signed(body: bytes = BODY, at: datetime = NOW) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    lines = ("764cabcf-1", "auth0|x", stamp, hashlib.sha256(body).hexdigest())
    return {
        "x-fal-webhook-request-id": "764cabcf-1",
        "x-fal-webhook-user-id": "auth0|x",
        "x-fal-webhook-timestamp": stamp,
        "x-fal-webhook-signature": KEY.sign("\n".join(lines).encode()).hex(),
    }


def test_a_callback_signed_by_one_of_fals_keys_is_taken() -> None:
    keys = [bytes(32), KEY.public]
    assert verify_webhook(signed(), BODY, keys, NOW).job_id == "764cabcf-1"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(), BODY + b" "),
        (signed(at=NOW - timedelta(minutes=6)), BODY),
        (signed(at=NOW + timedelta(minutes=6)), BODY),
        (signed() | {"x-fal-webhook-signature": "zz"}, BODY),
        (signed() | {"x-fal-webhook-signature": "00" * 64}, BODY),
        (signed() | {"x-fal-webhook-timestamp": "now"}, BODY),
        (signed() | {"x-fal-webhook-user-id": "auth0|y"}, BODY),
        (signed(b'{"request_id":"another"}'), b'{"request_id":"another"}'),
        ({}, BODY),
    ],
)
def test_a_callback_that_proves_nothing_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(headers, body, [KEY.public], NOW)


def test_public_keys_are_read_and_odd_ones_left_out() -> None:
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert read_keys({"keys": [{"x": x}, {"x": "AAAA"}, {}, "odd"]})[0].hex().startswith("d75a9801")
    assert read_keys({}) == []


def at(minutes: float, name: str = "job", *, sure: bool = True) -> Candidate:
    return Candidate(name, NOW + timedelta(minutes=minutes), sure)


@pytest.mark.parametrize(
    ("candidates", "complete", "found"),
    [
        ([], True, NotThere()),
        ([], False, CannotTell()),
        ([at(0.1)], True, Found("job")),
        ([at(0.1)], False, Found("job")),
        ([at(0.1), at(0.1)], True, Found("job")),
        ([at(0.1), at(0.2, "other")], True, CannotTell()),
        ([at(-20, "older"), at(0.1)], True, Found("job")),
        ([at(-20, "older")], True, CannotTell()),
        ([at(-90, "much older")], True, NotThere()),
        ([at(90, "much later")], True, CannotTell()),
        ([at(0.1, sure=False)], True, CannotTell()),
    ],
)
def test_a_listing_proves_no_more_than_it_shows(
    candidates: list[Candidate], complete: bool, found: object
) -> None:
    assert judge(candidates, NOW, 3600, complete=complete) == found
