"""The words of OpenAI's videos API, and of the servers that copy it, and ours, both ways."""

from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from typing import Any

import msgspec
import pytest

from filmgate.domain.errors import RefusalKind, Refused
from filmgate.domain.provider import CannotTell, Found, JobState, Lookup, NotThere, Order, ProviderJob
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.answers import Answer
from filmgate.infrastructure.http import Reader, WireTrouble
from filmgate.providers.openai_wire import DIALECTS, OpenAIWire
from filmgate.providers.task_api import Account

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BASE = "http://10.0.0.5:8000/v1"
PNG = b"\x89PNG\r\n\x1a\n\x00\xff\r\n--"
JOB = ProviderJob("video_a/b+c=", "wan", "vid_1", NOW)


def wire(dialect: str = "vllm", key: str | None = "ours") -> OpenAIWire:
    return OpenAIWire(Account(BASE + "/", key, name="mygpu", dialect=dialect))


def order(image: bytes | None = None, **asked: Any) -> Order:
    usual: dict[str, Any] = {"seconds": 8.0, "width": 1280, "height": 720, "seed": 7}
    return Order("vid_1", "wan", VideoRequest("A kite – “dawn”", **{**usual, **asked}), image)


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, {}, msgspec.json.encode(body))


def form(content_type: str, body: bytes) -> dict[str, Any]:
    """Read a form as another program would."""
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in message.walk()
        if not part.is_multipart()
    }


def test_the_usual_server_gets_json_with_its_length_as_text() -> None:
    at = wire("openai")
    assert msgspec.json.decode(at.create(order(negative_prompt="rain"))) == {
        "model": "wan",
        "prompt": "A kite – “dawn”",
        "seconds": "8",
        "size": "1280x720",
    }
    assert at.create_headers(order()) == {}
    assert at.create_url(order()) == f"{BASE}/videos"


def test_sglang_gets_its_length_as_a_number_and_what_it_knows_beyond() -> None:
    body = msgspec.json.decode(wire("sglang").create(order(negative_prompt="rain")))
    assert (body["seconds"], body["seed"], body["negative_prompt"]) == (8, 7, "rain")


def test_vllm_gets_a_form() -> None:
    at = wire("vllm")
    fields = form(at.create_headers(order())["Content-Type"], at.create(order(audio=False)))
    assert fields == {
        "model": b"wan",
        "prompt": "A kite – “dawn”".encode(),
        "seconds": b"8",
        "size": b"1280x720",
        "seed": b"7",
        "generate_sound": b"false",
    }


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_image_goes_as_a_file_everywhere(dialect: str) -> None:
    at = wire(dialect)
    fields = form(at.create_headers(order(PNG))["Content-Type"], at.create(order(PNG)))
    assert fields["input_reference"] == PNG
    assert fields["seconds"] == b"8"
    assert at.create(order(PNG)) == at.create(order(PNG))


def test_what_cannot_be_said_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Refused, match="whole seconds"):
        wire().create(order(seconds=2.5))
    with pytest.raises(Refused, match="did not come"):
        wire().create(order(input_reference="references/lost.png"))


def test_a_bare_host_gets_the_version() -> None:
    assert OpenAIWire(Account("http://gpu:8000", None)).create_url(order()) == "http://gpu:8000/v1/videos"
    assert (
        OpenAIWire(Account("https://x.example/api/", None)).create_url(order())
        == "https://x.example/api/videos"
    )


def test_a_server_without_a_key_is_sent_none() -> None:
    assert wire(key=None).headers() == {}
    assert wire().headers() == {"Authorization": "Bearer ours"}


def test_ids_are_encoded_whatever_they_hold() -> None:
    assert wire().job_url(JOB) == f"{BASE}/videos/video_a%2Fb%2Bc%3D"


@pytest.mark.parametrize(
    ("body", "status", "state", "percent"),
    [
        ({"id": "v", "status": "queued", "progress": 0}, 200, JobState.PENDING, 0),
        ({"id": "v", "status": "in_progress", "progress": 42}, 200, JobState.PROCESSING, 42),
        ({"id": "v", "status": "processing", "progress": None}, 200, JobState.PROCESSING, None),
        ({"id": "v", "status": "reticulating", "progress": "5"}, 200, JobState.PROCESSING, None),
        ({"id": "v", "status": "succeeded", "progress": 250}, 200, JobState.SUCCEEDED, 100),
        ({"id": "v", "status": "completed", "progress": True}, 200, JobState.SUCCEEDED, None),
        ({"id": "v", "status": "deleted"}, 200, JobState.CANCELLED, None),
        (
            {"id": "v", "status": "failed", "error": {"code": 500, "message": "CUDA"}},
            500,
            JobState.FAILED,
            None,
        ),
    ],
)
def test_a_video_is_sorted_even_under_an_error_status(
    body: Any, status: int, state: JobState, percent: int | None
) -> None:
    progress = wire().progress(answer(body, status), JOB)
    assert progress is not None
    assert (progress.state, progress.percent) == (state, percent)


@pytest.mark.parametrize(
    "shown",
    [answer({"detail": "not found"}, 404), answer({"status": "error"}, 500), answer({}), answer([], 502)],
)
def test_an_answer_that_says_nothing_is_nothing(shown: Answer) -> None:
    assert wire().progress(shown, JOB) is None


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        ({"code": "moderation_blocked", "message": "no"}, "no", "policy"),
        ({"code": "video_generation_failed", "message": "oops"}, "oops", None),
        ({"message": "CUDA out of memory"}, "CUDA out of memory", None),
        ("plain words", "plain words", None),
        (None, None, None),
    ],
)
def test_a_failure_says_why_where_the_server_does(error: Any, reason: str | None, code: str | None) -> None:
    progress = wire().progress(answer({"id": "v", "status": "failed", "error": error}), JOB)
    assert progress is not None
    assert (progress.reason, progress.code) == (reason, code)


def test_the_film_lies_at_the_server_itself_under_its_key() -> None:
    film = wire().film(answer({"id": "v", "status": "completed", "url": None}), JOB)
    assert film is not None
    assert film.url == f"{BASE}/videos/video_a%2Fb%2Bc%3D/content"
    assert (film.headers, film.host, film.own) == ({"Authorization": "Bearer ours"}, "10.0.0.5:8000", True)


@pytest.mark.parametrize("name", ["url", "video_url"])
def test_a_film_elsewhere_gets_no_key_and_no_trust(name: str) -> None:
    film = wire().film(answer({"status": "completed", name: "https://cdn.example/a.mp4"}), JOB)
    assert film is not None
    assert (film.url, film.headers, film.own) == ("https://cdn.example/a.mp4", None, False)


def test_there_is_no_film_before_the_end() -> None:
    assert wire().film(answer({"id": "v", "status": "in_progress"}), JOB) is None
    assert wire().film(answer({"detail": "not found"}, 404), JOB) is None


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"type": "invalid_request_error", "code": "moderation_blocked"}, RefusalKind.POLICY),
        (401, {"type": "authentication_error", "code": "invalid_api_key"}, RefusalKind.KEY),
        (429, {"type": "insufficient_quota", "code": "insufficient_quota"}, RefusalKind.QUOTA),
        (400, {"type": "budget_exceeded", "code": "400"}, RefusalKind.QUOTA),
        (404, {"type": "invalid_request_error", "code": "model_not_found"}, RefusalKind.REQUEST),
        (410, {"type": "invalid_request_error", "code": None}, RefusalKind.REQUEST),
    ],
)
def test_a_refusal_is_sorted_by_its_words(status: int, error: Any, kind: RefusalKind) -> None:
    assert wire("openai").refusal(answer({"error": {"message": "No.", **error}}, status)).kind is kind


def test_fastapis_problems_are_told_in_its_words() -> None:
    detail = [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]
    assert str(wire().refusal(answer({"detail": detail}, 422))) == "Field required"
    assert str(wire().refusal(answer({"detail": "Model mismatch"}, 400))) == "Model mismatch"


def test_only_servers_whose_delete_stops_a_job_are_told_to() -> None:
    assert wire("vllm").cancel_call(JOB) == ("DELETE", wire().job_url(JOB))
    assert all(wire(name).cancel_call(JOB) is None for name in ("openai", "sglang", "litellm"))
    assert wire().cancelled(answer({"deleted": True})).stopped
    assert wire().cancelled(answer({"detail": "Cancellation in progress"}, 409)).stopped
    assert not wire().cancelled(answer({}, 500)).stopped


class Pages(Reader):
    """A reader whose answers are given, in order."""

    def __init__(self, pages: list[Answer]) -> None:
        super().__init__({})
        self.pages = list(pages)
        self.asked: list[str] = []

    async def get(self, url: str) -> Answer:
        self.asked.append(url)
        return self.pages.pop(0)


def row(job_id: str, minutes: float = 0, **more: Any) -> dict[str, Any]:
    created = int((NOW + timedelta(minutes=minutes)).timestamp())
    usual = {"prompt": "A kite – “dawn”", "seconds": "8", "size": "1280x720", "created_at": created}
    return {"id": job_id, **usual, **more}


def page(*rows: Any, more: bool = False) -> Answer:
    return answer({"object": "list", "data": list(rows), "has_more": more})


async def looked(dialect: str, *pages: Answer) -> Lookup:
    return await wire(dialect).find_lost(Pages(list(pages)), order(), NOW)


OTHERS = (row("a", prompt="A boat"), row("b", size="720x1280"), row("c", seconds="4"), row("d", minutes=-90))


@pytest.mark.anyio
async def test_a_lost_video_is_found_by_what_the_server_echoes() -> None:
    for dialect in ("openai", "vllm", "sglang"):
        assert await looked(dialect, page(row("ours"), *OTHERS)) == Found("ours")
    assert await looked("vllm", page(row("ours", seconds=8.0, size=None), *OTHERS)) == Found("ours")
    assert await looked("vllm", page(row("one"), row("two"))) == CannotTell()


@pytest.mark.anyio
async def test_absence_counts_only_where_everything_is_listed() -> None:
    assert await looked("vllm", page(*OTHERS)) == NotThere()
    assert await looked("sglang", page()) == NotThere()
    for dialect in ("openai", "litellm"):
        assert await looked(dialect, page(*OTHERS)) == CannotTell()


@pytest.mark.anyio
async def test_rows_that_do_not_say_what_they_are_leave_doubt() -> None:
    assert await looked("vllm", page(row("x", prompt=None))) == CannotTell()
    assert await looked("vllm", page(row("x", created_at=0))) == CannotTell()
    assert await looked("vllm", page({})) == CannotTell()


@pytest.mark.anyio
async def test_pages_are_followed_back_to_the_send_and_no_further() -> None:
    reader = Pages(
        [page(row("x/y", prompt="A boat"), more=True), page(row("ours"), row("d", minutes=-90), more=True)]
    )
    assert await wire().find_lost(reader, order(), NOW) == Found("ours")
    assert [url.partition("?")[2] for url in reader.asked] == [
        "limit=100&order=desc",
        "limit=100&order=desc&after=x%2Fy",
    ]


@pytest.mark.anyio
async def test_a_listing_that_cannot_be_read_is_trouble() -> None:
    for shown in (answer({"detail": "no"}, 500), answer({"data": None}), answer([])):
        with pytest.raises(WireTrouble):
            await looked("vllm", shown)
