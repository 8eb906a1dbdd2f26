"""Replicate's words and ours, both ways; each answer is as Replicate's documentation shows it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from filmgate.domain.errors import RefusalKind
from filmgate.domain.provider import CannotTell, Found, JobState, Lookup, NotThere, Order, ProviderJob
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.answers import Answer, retry_after
from filmgate.infrastructure.http import Reader, WireTrouble
from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.providers.replicate import ReplicateWire, verify_webhook
from filmgate.providers.task_api import Account

BASE = "https://api.replicate.com/v1"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WIRE = ReplicateWire(Account(BASE, "r8_ours"))
JOB = ProviderJob("ufawqhfynnddngldkgtslldrkq", "google/veo-3.1-fast", "vid_1", NOW)
INPUT = {
    "prompt": "A kite",
    "duration": 8,
    "aspect_ratio": "9:16",
    "resolution": "720p",
    "generate_audio": True,
    "seed": 7,
}


def order(image: bytes | None = None, **asked: Any) -> Order:
    usual: dict[str, Any] = {"seconds": 8.0, "width": 720, "height": 1280, "seed": 7}
    return Order("vid_1", "google/veo-3.1-fast", VideoRequest("A kite", **{**usual, **asked}), image)


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, {}, msgspec.json.encode(body))


def test_an_order_is_one_prediction_of_an_official_model() -> None:
    assert WIRE.create_url(order()) == f"{BASE}/models/google/veo-3.1-fast/predictions"
    assert msgspec.json.decode(WIRE.create(order())) == {"input": INPUT}
    assert WIRE.create_headers(order()) == {"Cancel-After": "1h"}
    assert WIRE.headers() == {"Authorization": "Bearer r8_ours"}


def test_the_version_may_be_left_out_of_the_address() -> None:
    wire = ReplicateWire(Account("http://127.0.0.1:9100/replicate/", "k"))
    assert wire.job_url(JOB) == f"http://127.0.0.1:9100/replicate/v1/predictions/{JOB.id}"


def test_an_image_is_the_first_frame() -> None:
    given = msgspec.json.decode(WIRE.create(order(b"\xff\xd8\xff")))["input"]
    assert given["image"].startswith("data:image/jpeg;base64,/9j")


def test_the_callback_is_asked_for_start_and_end() -> None:
    wire = ReplicateWire(Account(BASE, "r8_ours", "https://gate.example"))
    body = msgspec.json.decode(wire.create(order()))
    assert body["webhook"].startswith("https://gate.example/hooks/replicate/vid_1?seal=")
    assert body["webhook_events_filter"] == ["start", "completed"]


@pytest.mark.parametrize(
    ("body", "state", "percent", "code"),
    [
        ({"status": "starting", "logs": ""}, JobState.PENDING, None, None),
        ({"status": "processing", "logs": " 4%|▍ |\n 52%|█████ |\n"}, JobState.PROCESSING, 52, None),
        ({"status": "processing", "logs": "999%|"}, JobState.PROCESSING, 100, None),
        ({"status": "reticulating", "logs": None}, JobState.PROCESSING, None, None),
        ({"status": "succeeded", "logs": "100%|██|"}, JobState.SUCCEEDED, 100, None),
        ({"status": "failed", "error": "Prediction interrupted (code: PA)"}, JobState.FAILED, None, None),
        ({"status": "failed", "error": "flagged as sensitive (E005)"}, JobState.FAILED, None, "policy"),
        ({"status": "failed", "error": "NSFW content detected"}, JobState.FAILED, None, "policy"),
        ({"status": "failed", "error": None}, JobState.FAILED, None, None),
        ({"status": "canceled"}, JobState.CANCELLED, None, None),
        ({"status": "aborted"}, JobState.CANCELLED, None, "expired"),
    ],
)
def test_a_prediction_is_sorted(body: Any, state: JobState, percent: int | None, code: str | None) -> None:
    progress = WIRE.progress(answer(body), JOB)
    assert progress is not None
    assert (progress.state, progress.percent, progress.code) == (state, percent, code)


@pytest.mark.parametrize(
    "shown", [answer({}, 500), answer({"status": "failed"}, 503), answer({}), answer([])]
)
def test_an_answer_that_says_nothing_is_nothing(shown: Answer) -> None:
    assert WIRE.progress(shown, JOB) is None


@pytest.mark.parametrize(
    ("output", "url"),
    [
        ("https://replicate.delivery/a.mp4", "https://replicate.delivery/a.mp4"),
        (
            ["https://replicate.delivery/b.mp4", "https://replicate.delivery/c.mp4"],
            "https://replicate.delivery/b.mp4",
        ),
        (None, None),
        ([], None),
        ([None], None),
        ({"video": 1}, None),
    ],
)
def test_the_film_is_the_output_and_gets_no_token(output: Any, url: str | None) -> None:
    film = WIRE.film(answer({"output": output}), JOB)
    assert (film and film.url) == url
    assert film is None or film.headers is None


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (401, "You did not pass a valid authentication token", RefusalKind.KEY),
        (402, "You have insufficient credit to run this model.", RefusalKind.QUOTA),
        (403, "You do not have permission", RefusalKind.KEY),
        (404, "The requested resource could not be found.", RefusalKind.REQUEST),
        (422, "- input.duration: must be one of 4, 6, 8", RefusalKind.REQUEST),
        (422, "The input was flagged as sensitive. (E005)", RefusalKind.POLICY),
    ],
)
def test_a_refusal_is_sorted_by_status_and_sentence(status: int, detail: str, kind: RefusalKind) -> None:
    refused = WIRE.refusal(answer({"title": "no", "detail": detail, "status": status}, status))
    assert (refused.kind, str(refused)) == (kind, detail)


def test_the_pause_stands_in_the_sentence() -> None:
    throttled = answer({"detail": "Request was throttled. Your rate limit resets in ~30s."}, 429)
    assert retry_after(throttled) == timedelta(seconds=30)
    assert retry_after(answer({"detail": "Request was throttled."}, 429)) is None
    assert retry_after(Answer(429, {"Retry-After": "7"}, throttled.body)) == timedelta(seconds=7)
    assert retry_after(Answer(429, {"Retry-After": "86400"}, b"")) == timedelta(hours=1)
    assert retry_after(Answer(429, {"Retry-After": "-1"}, b"")) == timedelta(0)


@pytest.mark.parametrize(
    ("body", "status", "stopped", "charged"),
    [
        ({"status": "canceled", "started_at": None}, 200, True, False),
        ({"status": "canceled", "started_at": "2026-11-22T10:00:00Z"}, 200, True, True),
        ({"status": "aborted"}, 200, True, False),
        ({"status": "succeeded"}, 200, False, True),
        ({"status": "processing"}, 200, False, None),
        ({}, 404, False, None),
    ],
)
def test_a_cancel_is_believed_as_far_as_it_goes(
    body: Any, status: int, stopped: bool, charged: bool | None
) -> None:
    outcome = WIRE.cancelled(answer(body, status))
    assert (outcome.stopped, outcome.charged) == (stopped, charged)


class Pages(Reader):
    """A reader whose answers are given, by address."""

    def __init__(self, pages: dict[str, Any]) -> None:
        super().__init__({})
        self.pages = pages
        self.asked: list[str] = []

    async def get(self, url: str) -> Answer:
        self.asked.append(url)
        return answer(self.pages[url]) if url in self.pages else answer({}, 404)


def row(job_id: str, minutes: float = 0, **more: Any) -> dict[str, Any]:
    created = (NOW + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    return {"id": job_id, "model": "google/veo-3.1-fast", "created_at": created, "input": INPUT, **more}


async def looked(rows: list[Any], asked: Order | None = None, **more: Any) -> tuple[Lookup, list[str]]:
    pages = Pages({f"{BASE}/predictions": {"results": rows, "next": None, **more.pop("page", {})}, **more})
    return await WIRE.find_lost(pages, asked or order(), NOW), pages.asked


@pytest.mark.anyio
async def test_a_lost_prediction_is_found_by_its_whole_input() -> None:
    others = [
        row("other seed", input={**INPUT, "seed": 8}),
        row("other prompt", input={**INPUT, "prompt": "A boat"}),
        row("with an image", input={**INPUT, "image": "https://example.com/a.png"}),
        row("other model", model="google/veo-3.1"),
        row("long ago", minutes=-300),
        {"odd": True},
        "odd",
    ]
    assert (await looked([row("ours", input={**INPUT, "enhance": True}), *others]))[0] == Found("ours")
    assert (await looked(others))[0] == NotThere()
    assert (await looked([row("one"), row("two"), *others]))[0] == CannotTell()


@pytest.mark.anyio
async def test_an_image_only_has_to_be_there() -> None:
    asked = order(input_reference="references/one.png")
    shown = row("ours", input={**INPUT, "image": "https://replicate.delivery/in.png"})
    assert (await looked([shown], asked))[0] == Found("ours")
    assert (await looked([row("without")], asked))[0] == NotThere()


@pytest.mark.anyio
async def test_an_input_that_the_list_leaves_out_is_asked_for() -> None:
    full = {f"{BASE}/predictions/ours": row("ours")}
    found, asked = await looked([row("ours", input=None)], **full)
    assert found == Found("ours")
    assert asked[-1] == f"{BASE}/predictions/ours"


@pytest.mark.anyio
async def test_an_input_that_was_removed_leaves_doubt() -> None:
    assert (await looked([row("removed", input={}, data_removed=True)]))[0] == CannotTell()


@pytest.mark.anyio
async def test_pages_are_read_until_before_the_send_and_only_at_replicate() -> None:
    following = f"{BASE}/predictions?cursor=2"
    later = {following: {"results": [row("ours")], "next": None}}
    found, _ = await looked([row("x", input={"prompt": "y"})], page={"next": following}, **later)
    assert found == Found("ours")
    early = [row("much earlier", minutes=-120)]
    found, asked = await looked(early, page={"next": following}, **later)
    assert (found, len(asked)) == (NotThere(), 1)
    with pytest.raises(WireTrouble, match="elsewhere"):
        await looked([], page={"next": "https://evil.example/predictions"})


def signed(body: bytes, at: datetime = NOW) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    digest = hmac.new(b"24 bytes of a secret....", f"msg_1.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,bm8= v1,{base64.b64encode(digest).decode()}",
    }


SECRET = "whsec_" + base64.b64encode(b"24 bytes of a secret....").decode()


def test_a_signed_callback_names_its_prediction() -> None:
    body = b'{"id":"ufaw","status":"succeeded"}'
    notice = verify_webhook(signed(body), body, SECRET, NOW)
    assert (notice.job_id, notice.delivery) == ("ufaw", "msg_1")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(b"{}"), b'{"id":"ufaw"}'),
        (signed(b"{}"), b"{}"),
        (signed(b'{"id":"x"}', NOW - timedelta(minutes=6)), b'{"id":"x"}'),
        ({}, b'{"id":"x"}'),
    ],
)
def test_a_callback_that_proves_nothing_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureRefused):
        verify_webhook(headers, body, SECRET, NOW)
