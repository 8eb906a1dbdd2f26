"""The twin speaks OpenAI's videos API as it was, and its refusals as they are."""

import asyncio
import io
import re
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import av
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from tests.contract.twins import Client, Judge, running_twin

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]

KITE = {"model": "sora-2", "prompt": "A red kite over a harbour", "seconds": "4", "size": "1280x720"}
KEYS = [
    "id",
    "object",
    "model",
    "status",
    "progress",
    "created_at",
    "completed_at",
    "expires_at",
    "prompt",
    "size",
    "seconds",
    "remixed_from_video_id",
    "error",
]


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def client(twin: Judge) -> AsyncGenerator[Client, None]:
    async with Client(twin.url("openai"), {"Authorization": "Bearer sk-test"}) as client:
        yield client


@pytest.fixture
async def sdk(twin: Judge) -> AsyncGenerator[AsyncOpenAI, None]:
    async with AsyncOpenAI(api_key="sk-test", base_url=f"{twin.url('openai')}/v1", max_retries=0) as client:
        yield client


async def finished(client: Client, video_id: str) -> dict[str, Any]:
    for _ in range(200):
        video = (await client.get(f"/v1/videos/{video_id}")).json
        if video["status"] in {"completed", "failed"}:
            return video
        await asyncio.sleep(0.02)
    raise AssertionError(video)


async def test_a_created_video_has_every_key_and_openais_headers(client: Client) -> None:
    answer = await client.post("/v1/videos", KITE)
    video = answer.json
    assert answer.status == 200
    assert list(video) == KEYS
    assert re.fullmatch(r"video_[0-9a-f]{48}", video["id"])
    assert video | {"id": "", "created_at": 0} == {
        **dict.fromkeys(KEYS),
        **KITE,
        "id": "",
        "object": "video",
        "status": "queued",
        "progress": 0,
        "created_at": 0,
    }
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["x-ratelimit-limit-requests"] == "375"
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_video_ends_and_its_film_is_what_was_asked(client: Client) -> None:
    made = (await client.post("/v1/videos", KITE)).json
    video = await finished(client, made["id"])
    assert (video["status"], video["progress"], video["error"]) == ("completed", 100, None)
    assert video["expires_at"] == pytest.approx(video["completed_at"] + 3600, abs=1)
    content = await client.get(f"/v1/videos/{made['id']}/content")
    assert (content.status, content.headers["content-type"]) == (200, "video/mp4")
    with av.open(io.BytesIO(content.body)) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 1280, 720)
        assert float(stream.duration * stream.time_base) == 4.0
        assert sum(1 for _ in film.decode(video=0)) == 96


async def test_pictures_come_in_their_own_types(client: Client) -> None:
    made = (await client.post("/v1/videos", KITE)).json
    await finished(client, made["id"])
    for variant, kind in (("thumbnail", "image/webp"), ("spritesheet", "image/jpeg")):
        answer = await client.get(f"/v1/videos/{made['id']}/content?variant={variant}")
        assert answer.headers["content-type"] == kind
        assert Image.open(io.BytesIO(answer.body)).get_format_mimetype() == kind
    assert (await client.get(f"/v1/videos/{made['id']}/content?variant=gif")).status == 400


async def test_content_is_not_found_before_the_end_and_such_a_video_stays(client: Client) -> None:
    made = (await client.post("/v1/videos", KITE | {"prompt": "a kite [twin:stuck]"})).json
    path = f"/v1/videos/{made['id']}"
    assert (await client.get(f"{path}/content")).status == 404
    deleted = await client.ask("DELETE", path, headers={"Content-Type": "application/json"})
    assert (deleted.status, deleted.json["error"]["type"]) == (400, "invalid_request_error")


async def test_a_deleted_video_is_not_found(client: Client) -> None:
    made = (await client.post("/v1/videos", KITE)).json
    await finished(client, made["id"])
    deleted = await client.ask("DELETE", f"/v1/videos/{made['id']}")
    assert deleted.json == {"id": made["id"], "object": "video.deleted", "deleted": True}
    missing = await client.get(f"/v1/videos/{made['id']}")
    assert (missing.status, list(missing.json["error"])) == (404, ["message", "type", "param", "code"])


async def test_a_form_with_a_matching_picture_is_taken_and_another_refused(client: Client) -> None:
    for size, status in ((1280, 720), 200), ((640, 360), 400):
        picture = io.BytesIO()
        Image.new("RGB", size).save(picture, "PNG")
        form = aiohttp.FormData(KITE)
        form.add_field(
            "input_reference",
            picture.getvalue(),
            filename="upload",
            content_type="application/octet-stream",
        )
        answer = await client.ask("POST", "/v1/videos", data=form)
        assert answer.status == status, answer.body


@pytest.mark.parametrize(
    ("change", "param", "status"),
    [
        ({"seconds": 4}, "seconds", 400),
        ({"seconds": "5"}, "seconds", 400),
        ({"size": "1x1"}, "size", 400),
        ({"size": "1920x1080"}, "size", 400),
        ({"prompt": ""}, "prompt", 400),
        ({"model": "sora-9"}, None, 404),
        ({"input_reference": {"image_url": "https://a/b", "file_id": "f"}}, "input_reference", 400),
    ],
)
async def test_what_openai_refused_is_refused(
    client: Client, change: dict[str, Any], param: str | None, status: int
) -> None:
    answer = await client.post("/v1/videos", KITE | change)
    assert (answer.status, answer.json["error"]["param"]) == (status, param)


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        (None, 401, None),
        ("sk-bad", 401, "invalid_api_key"),
        ("sk-forbidden", 403, None),
        ("sk-1-quota", 429, "insufficient_quota"),
    ],
)
async def test_keys_say_how_they_are_judged(
    twin: Judge, key: str | None, status: int, code: str | None
) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with Client(twin.url("openai"), headers) as client:
        answer = await client.post("/v1/videos", KITE)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert twin.bill()["created"] == 0


async def test_a_listing_is_paged_newest_first(client: Client) -> None:
    ids = [(await client.post("/v1/videos", KITE)).json["id"] for _ in range(3)]
    first = (await client.get("/v1/videos?limit=2")).json
    assert [video["id"] for video in first["data"]] == ids[:0:-1]
    assert (first["object"], first["has_more"], first["last_id"]) == ("list", True, ids[1])
    rest = (await client.get(f"/v1/videos?limit=2&after={first['last_id']}")).json
    assert [video["id"] for video in rest["data"]] == ids[:1]
    assert rest["has_more"] is False
    oldest = (await client.get("/v1/videos?order=asc&limit=1")).json
    assert oldest["first_id"] == ids[0]
    assert (await client.get("/v1/videos?limit=101")).status == 400


async def test_a_remix_an_edit_and_an_extension_come_from_a_finished_video(client: Client) -> None:
    running = (await client.post("/v1/videos", KITE | {"prompt": "a kite [twin:stuck]"})).json
    unfinished = await client.post(f"/v1/videos/{running['id']}/remix", {"prompt": "at night"})
    assert unfinished.status == 400
    made = (await client.post("/v1/videos", KITE)).json
    await finished(client, made["id"])
    remix = (await client.post(f"/v1/videos/{made['id']}/remix", {"prompt": "at night"})).json
    assert (remix["remixed_from_video_id"], remix["seconds"]) == (made["id"], "4")
    edit = (await client.post("/v1/videos/edits", {"prompt": "blue", "video": {"id": made["id"]}})).json
    assert edit["status"] == "queued"
    extension = {"prompt": "on", "seconds": "8", "video": {"id": made["id"]}}
    extended = (await client.post("/v1/videos/extensions", extension)).json
    assert extended["seconds"] == "12"


async def test_a_path_that_openai_does_not_have_is_an_invalid_url(client: Client) -> None:
    answer = await client.post("/v1/films", KITE)
    assert (answer.status, answer.json["error"]["message"]) == (404, "Invalid URL (POST /v1/films)")


@pytest.mark.parametrize(
    ("shape", "status", "code"), [("", 404, None), ("/model", 404, "model_not_found"), ("/gone", 410, None)]
)
async def test_after_the_switch_off_every_shape_of_refusal_can_be_had(
    twin: Judge, shape: str, status: int, code: str | None
) -> None:
    base = f"{twin.url('openai-retired')}{shape}"
    async with Client(base, {"Authorization": "Bearer sk-test"}) as client:
        answer = await client.post("/v1/videos", KITE)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert (twin.bill()["received"], twin.bill()["created"]) == (1, 0)
    async with AsyncOpenAI(api_key="sk-test", base_url=f"{base}/v1") as sdk:
        with pytest.raises(openai.NotFoundError if status == 404 else openai.APIStatusError):
            await sdk.videos.create(prompt="a kite")
    assert twin.bill()["received"] == 2


async def test_the_official_client_makes_fetches_lists_and_deletes_a_video(sdk: AsyncOpenAI) -> None:
    video = await sdk.videos.create_and_poll(prompt="a kite", model="sora-2", seconds="4", size="1280x720")
    assert (video.status, video.progress) == ("completed", 100)
    film = await sdk.videos.download_content(video.id)
    assert (await film.aread())[4:8] == b"ftyp"
    small = await sdk.videos.download_content(video.id, variant="thumbnail")
    assert small.response.headers["content-type"] == "image/webp"
    remix = await sdk.videos.remix(video.id, prompt="at night")
    assert remix.remixed_from_video_id == video.id
    listed = [one.id async for one in await sdk.videos.list(limit=1)]
    assert listed == [remix.id, video.id]
    assert (await sdk.videos.delete(video.id)).deleted is True
    with pytest.raises(openai.NotFoundError):
        await sdk.videos.retrieve(video.id)


async def test_the_official_client_sends_files_that_are_understood(sdk: AsyncOpenAI) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (720, 1280)).save(picture, "JPEG")
    made = await sdk.videos.create(prompt="a kite", input_reference=picture.getvalue())
    assert (made.model, made.seconds, made.size) == ("sora-2", "4", "720x1280")
    edited = await sdk.videos.edit(prompt="blue", video=b"not looked at")
    assert edited.status == "queued"
    character = await sdk.videos.create_character(name="Mossy", video=b"not looked at")
    assert (await sdk.videos.get_character(character.id)).name == "Mossy"


async def test_the_official_client_pays_three_times_when_answers_are_lost(twin: Judge) -> None:
    twin.fault("lost-after-accept", vendor="openai")
    async with AsyncOpenAI(api_key="sk-test", base_url=f"{twin.url('openai')}/v1") as sdk:
        with pytest.raises(openai.APIConnectionError):
            await sdk.videos.create(prompt="a kite")
    assert twin.bill()["created"] == 3
    assert [entry["status"] for entry in twin.ledger()] == [None, None, None]
