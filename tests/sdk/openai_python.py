"""Use a gateway with the unmodified Python SDK, and print as JSON what went wrong where.

Run by the interpreter of a venv that holds one version of the SDK: it imports nothing of this project.
"""

import asyncio
import base64
import io
import json
import os
import sys
import time
import traceback
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
from openai.pagination import SyncConversationCursorPage
from openai.types import Batch, FileObject, Model, Video, VideoDeleteResponse
from pydantic import ConfigDict

warnings.filterwarnings("ignore", category=DeprecationWarning)

URL, CUT_URL, KEY, FOLDER = sys.argv[1:5]
IMAGE = Path(FOLDER) / "image.png"
SECTIONS: dict[str, Callable[[], None]] = {}
TINY: dict[str, Any] = {"model": "procedural-1", "seconds": "1", "size": "360x640"}

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, timeout=60)


class StrictVideo(Video):
    """A video in which nothing may be that the SDK does not know, and nothing be converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class StrictModel(Model):
    """A model in which nothing may be that the SDK does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class StrictDeleted(VideoDeleteResponse):
    """A deletion in which nothing may be that the SDK does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class StrictFile(FileObject):
    """A file in which nothing may be that the SDK does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class StrictBatch(Batch):
    """A batch in which nothing may be that the SDK does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


def section(check: Callable[[], None]) -> Callable[[], None]:
    SECTIONS[check.__name__] = check
    return check


def ours(method: str, path: str) -> dict[str, Any]:
    """Ask the gateway's own API, for what OpenAI's has no word."""
    request = urllib.request.Request(f"{URL}/api/v1{path}", method=method)
    request.add_header("Authorization", f"Bearer {KEY}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def dropped(video: Video) -> Video:
    """Cancel what need not be made, so that the test is quick."""
    ours("DELETE", f"/videos/{video.id}")
    return video


def raises(kind: type[openai.APIStatusError], call: Callable[[], Any]) -> Any:
    caught: openai.APIStatusError | None = None
    try:
        call()
    except kind as error:
        caught = error
    assert type(caught) is kind, f"{kind.__name__} was not raised, but {caught!r}"
    assert caught.request_id
    return caught


@section
def a_video_lives_its_whole_life() -> None:
    began = time.time()
    video = client.videos.create_and_poll(model="sora-2", prompt="A red kite over a harbour at dawn")
    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert (video.model, video.seconds, video.size) == ("sora-2", "4", "720x1280")
    assert video.prompt == "A red kite over a harbour at dawn"
    assert video.completed_at is not None
    assert began - 2 < video.created_at <= video.completed_at < time.time() + 2
    film = Path(FOLDER) / "film.mp4"
    client.videos.download_content(video.id).write_to_file(film)
    assert film.read_bytes()[4:8] == b"ftyp"
    for variant in ("thumbnail", "spritesheet"):
        picture = client.videos.download_content(video.id, variant=variant).read()
        assert picture[:4] in {b"RIFF", b"\xff\xd8\xff\xe0"}, picture[:4]
    with client.videos.with_streaming_response.download_content(video.id) as response:
        assert response.headers["content-type"] == "video/mp4"
        assert sum(map(len, response.iter_bytes(4096))) == film.stat().st_size
    part = client.videos.with_raw_response.download_content(video.id, extra_headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert StrictVideo.model_validate_json(client.videos.with_raw_response.retrieve(video.id).text)
    deleted = client.videos.delete(video.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (video.id, "video.deleted", True)
    raises(openai.NotFoundError, lambda: client.videos.retrieve(video.id))
    raises(openai.NotFoundError, lambda: client.videos.download_content(video.id))


@section
def the_async_client_does_the_same() -> None:
    asyncio.run(_async_life())


async def _async_life() -> None:
    async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, timeout=60) as sdk:
        video = await sdk.videos.create(prompt="a lake", input_reference=IMAGE.read_bytes(), **TINY)
        assert video.status in {"queued", "in_progress"}
        video = await sdk.videos.poll(video.id)
        assert video.status == "completed"
        content = await sdk.videos.download_content(video.id)
        assert (await content.aread())[4:8] == b"ftyp"
        raw = await sdk.videos.with_raw_response.retrieve(video.id)
        assert raw.headers["x-request-id"].startswith("req_")
        async with sdk.videos.with_streaming_response.retrieve(video.id) as response:
            assert (await response.parse()).id == video.id
        found = [one.id async for one in sdk.videos.list(limit=1) if one.id == video.id]
        assert found == [video.id]
        assert (await sdk.videos.delete(video.id)).deleted


@section
def raw_answers_have_openais_headers_and_nothing_the_types_do_not_know() -> None:
    raw = client.videos.with_raw_response.create(
        model="sora-2-pro", prompt="a kite", seconds="8", size="1792x1024"
    )
    video = StrictVideo.model_validate_json(raw.text)
    assert raw.parse().id == dropped(video).id
    assert (video.status, video.seconds, video.size) == ("queued", "8", "1792x1024")
    assert 500 <= int(raw.headers["openai-poll-after-ms"]) <= 5000
    assert raw.headers["x-request-id"].startswith("req_")
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["openai-version"]
    assert "x-ratelimit-limit-requests" not in raw.headers
    given = client.videos.with_raw_response.retrieve(video.id, extra_headers={"x-request-id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    deleted = client.videos.with_raw_response.delete(video.id)
    assert StrictDeleted.model_validate_json(deleted.text).deleted
    with client.videos.with_streaming_response.create(prompt="a kite") as response:
        assert dropped(response.parse()).status == "queued"


@section
def an_image_may_be_a_path_bytes_a_tuple_or_a_file() -> None:
    data = IMAGE.read_bytes()
    with IMAGE.open("rb") as file:
        for image in (
            IMAGE,
            data,
            ("image.png", data),
            ("x", data, "image/png"),
            ("x.txt", io.BytesIO(data), "text/plain"),
            file,
            io.BytesIO(data),
        ):
            video = client.videos.create(prompt="a kite", input_reference=image, **TINY)
            assert dropped(video).status in {"queued", "in_progress"}


@section
def extra_fields_reach_the_gateway() -> None:
    extra: dict[str, Any] = {
        "seed": 7,
        "audio": False,
        "metadata": {"shot": "12b"},
        "webhook_url": "https://example.com/hook",
        "max_cost": "0.50",
    }
    video = dropped(client.videos.create(prompt="a kite", extra_body=extra))
    shown = ours("GET", f"/videos/{video.id}")
    assert (shown["sent"]["seed"], shown["sent"]["audio"]) == (7, False)
    assert shown["metadata"] == {"shot": "12b"}
    assert shown["requested"]["maxCost"] == "0.50"
    # As a dict the SDK refuses it by itself, so users pass a nested reference like this.
    url = f"data:image/png;base64,{base64.b64encode(IMAGE.read_bytes()).decode()}"
    nested: dict[str, Any] = {"input_reference": {"image_url": url}}
    dropped(client.videos.create(prompt="a kite", extra_body=nested))


@section
def errors_are_the_sdks_own_and_are_not_tried_again() -> None:
    error = raises(openai.BadRequestError, lambda: client.videos.create(prompt="a", seconds="99"))
    assert (error.param, error.type) == ("seconds", "invalid_request_error")
    assert error.body["message"] == error.body["message"].strip()
    error = raises(openai.BadRequestError, lambda: client.videos.create(prompt="a", input_reference=b"text"))
    assert (error.param, error.code) == ("input_reference", "bad_reference")
    error = raises(openai.NotFoundError, lambda: client.videos.create(prompt="a", model="sora-9"))
    assert (error.param, error.code) == ("model", "model_not_found")
    error = raises(openai.NotFoundError, lambda: client.videos.retrieve("video_68d7512d07848190b3e4"))
    assert error.code == "not_found"
    error = raises(openai.NotFoundError, lambda: client.chat.completions.create(model="m", messages=[]))
    assert (error.code, error.type) == (None, "invalid_request_error")
    assert "Invalid URL (POST /v1/chat/completions)" in error.message
    stranger = client.with_options(api_key="wrong")
    error = raises(openai.AuthenticationError, stranger.videos.list)
    assert error.code == "invalid_api_key"
    large = bytes(21 * 1024**2)
    error = raises(openai.APIStatusError, lambda: client.videos.create(prompt="a", input_reference=large))
    assert (error.status_code, error.code) == (413, "body_too_large")
    raises(openai.AuthenticationError, lambda: stranger.videos.create(prompt="a", input_reference=large))
    video = client.videos.create(prompt="a kite")
    began = time.monotonic()
    error = raises(openai.ConflictError, lambda: client.videos.delete(video.id))
    assert (error.code, error.response.headers["x-should-retry"]) == ("video_not_finished", "false")
    error = raises(openai.ConflictError, lambda: client.videos.download_content(video.id))
    assert error.response.request.headers["x-stainless-retry-count"] == "0"
    assert time.monotonic() - began < 20
    dropped(video)


@section
def a_cancelled_video_ends_the_polling() -> None:
    video = client.videos.poll(dropped(client.videos.create(prompt="a kite")).id)
    assert video.status == "failed"
    assert video.error is not None
    assert (video.error.code, video.error.message) == ("cancelled", "The video was cancelled.")


@section
def lists_are_paged_through() -> None:
    made = [dropped(client.videos.create(prompt=f"kite {n}")).id for n in range(3)]
    page = client.videos.list(limit=2)
    assert isinstance(page, SyncConversationCursorPage)
    assert (len(page.data), page.has_more, page.last_id) == (2, True, page.data[-1].id)
    everything = [video.id for video in client.videos.list(limit=2)]
    assert everything[:3] == made[::-1]
    oldest_first = [video.id for video in client.videos.list(limit=2, order="asc", after=made[0])]
    assert oldest_first == made[1:]


@section
def files_are_uploaded_listed_read_and_deleted() -> None:
    data, made = IMAGE.read_bytes(), list[str]()
    for given in (IMAGE, data, ("a.png", data), io.BytesIO(data)):
        raw = client.files.with_raw_response.create(file=given, purpose="vision")
        file = StrictFile.model_validate_json(raw.text)
        assert (file.bytes, file.purpose, file.expires_at) == (len(data), "vision", None)
        assert client.files.content(file.id).read() == data
        made.append(file.id)
    life: Any = {"anchor": "created_at", "seconds": 3600}
    brief = client.files.create(file=data, purpose="user_data", expires_after=life)
    assert brief.expires_at == brief.created_at + 3600
    assert [file.id for file in client.files.list(limit=3, purpose="vision")][:4] == made[::-1]
    oldest_first = client.files.list(limit=2, order="asc", after=made[0], purpose="vision")
    assert [file.id for file in oldest_first][:3] == made[1:]
    named = {"input_reference": {"file_id": made[0]}}
    assert dropped(client.videos.create(prompt="a kite", extra_body=named, **TINY)).status == "queued"
    for name in (*made, brief.id):
        assert client.files.delete(name).deleted
    raises(openai.NotFoundError, lambda: client.files.retrieve(made[0]))
    bad: Any = "poetry"
    error = raises(openai.BadRequestError, lambda: client.files.create(file=data, purpose=bad))
    assert error.param == "purpose"


@section
def a_file_becomes_a_batch_of_films() -> None:
    requests = {"one": TINY, "two": TINY | {"seconds": 1}, "bad": TINY | {"seconds": "99"}}
    file = client.files.create(file=("in.jsonl", batch_lines(requests)), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/videos",
        completion_window="24h",
        metadata={"film": "harbour"},
        output_expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (batch.status, batch.metadata) == ("validating", {"film": "harbour"})
    batch = batch_ended(batch.id)
    assert batch.request_counts is not None
    counts = batch.request_counts
    assert (batch.status, counts.total, counts.completed, counts.failed) == ("completed", 3, 2, 1)
    assert batch.id in [one.id for one in client.batches.list(limit=1)]
    assert batch.output_file_id is not None
    assert batch.error_file_id is not None
    lines = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    assert [line["custom_id"] for line in lines] == ["one", "two"]
    for line in lines:
        film = client.videos.download_content(line["response"]["body"]["id"]).read()
        assert film[4:8] == b"ftyp"
    (refused,) = [json.loads(line) for line in client.files.content(batch.error_file_id).text.splitlines()]
    assert refused["response"]["body"]["error"]["param"] == "seconds"
    raises(openai.BadRequestError, lambda: client.batches.cancel(batch.id))


@section
def a_batch_is_refused_or_cancelled_as_a_whole() -> None:
    twice = batch_lines({"one": TINY}) * 2
    file = client.files.create(file=("in.jsonl", twice), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/videos", completion_window="24h")
    batch = batch_ended(batch.id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [(one.code, one.line) for one in batch.errors.data or ()] == [("duplicate_custom_id", 2)]
    many = {f"{n}": TINY | {"seconds": "20", "size": "1920x1080"} for n in range(9)}
    file = client.files.create(file=("in.jsonl", batch_lines(many)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/videos", completion_window="24h")
    assert client.batches.cancel(batch.id).status == "cancelling"
    assert batch_ended(batch.id).status == "cancelled"


def batch_lines(requests: dict[str, dict[str, Any]]) -> bytes:
    """Return an input file, with requests by custom_id."""
    lines = [
        {
            "custom_id": name,
            "method": "POST",
            "url": "/v1/videos",
            "body": {"prompt": f"a kite, {name}", **body},
        }
        for name, body in requests.items()
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def batch_ended(batch_id: str) -> Batch:
    """Wait until a batch has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        raw = client.batches.with_raw_response.retrieve(batch_id)
        batch = StrictBatch.model_validate_json(raw.text)
        if batch.status in {"completed", "failed", "expired", "cancelled"}:
            return batch
        time.sleep(0.2)
    raise AssertionError(f"{batch_id} has not ended: {batch.status}")


@section
def models_are_listed() -> None:
    models = {model.id: model for model in client.models.list()}
    assert {"sora-2", "sora-2-pro", "procedural-1"} <= models.keys()
    raw = client.models.with_raw_response.retrieve("sora-2")
    assert StrictModel.model_validate_json(raw.text).object == "model"
    error = raises(openai.NotFoundError, lambda: client.models.retrieve("acme/nothing"))
    assert error.code == "model_not_found"


@section
def a_key_makes_a_create_the_same() -> None:
    def create() -> Any:
        headers = {"Idempotency-Key": f"key-{openai.__version__}"}
        return client.videos.with_raw_response.create(prompt="a kite", extra_headers=headers)

    first, again = create(), create()
    assert dropped(first.parse()).id == again.parse().id
    assert again.headers["idempotent-replayed"] == "true"


@section
def a_lost_answer_makes_no_second_video() -> None:
    prompt = f"lost by {os.environ['MARK']}"
    cut = openai.OpenAI(base_url=f"{CUT_URL}/v1", api_key=KEY, timeout=60)
    raw = cut.videos.with_raw_response.create(prompt=prompt)
    assert raw.retries_taken == 1
    assert raw.headers["idempotent-replayed"] == "true"
    video = dropped(raw.parse())
    assert [one.id for one in client.videos.list(limit=100) if one.prompt == prompt] == [video.id]


def main() -> None:
    outcomes: dict[str, str] = {"version": openai.__version__}
    for name, check in SECTIONS.items():
        try:
            check()
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            outcomes[name] = traceback.format_exc()
        else:
            outcomes[name] = "ok"
    sys.stdout.write(json.dumps(outcomes))


main()
