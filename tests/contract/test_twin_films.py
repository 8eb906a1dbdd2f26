"""Films come as promised, or spoilt as ordered, and from hosts that are sent no keys."""

import asyncio
import io
from collections.abc import AsyncGenerator

import aiohttp
import av
import pytest

from tests.contract.twins import Client, Judge, running_twin

pytestmark = pytest.mark.anyio


@pytest.fixture
async def twin() -> AsyncGenerator[Judge, None]:
    async with running_twin() as judge:
        yield judge


@pytest.fixture
async def anybody() -> AsyncGenerator[Client, None]:
    async with Client("") as client:
        yield client


async def film_url(twin: Judge, fault: str = "") -> str:
    given = {"prompt": f"a kite {fault}", "duration": 2, "width": 320, "height": 180}
    async with Client(twin.url("replicate"), {"Authorization": "Bearer k"}) as client:
        made = (await client.post("/v1/models/a/b/predictions", {"input": given})).json
        for _ in range(100):
            shown = (await client.get(made["urls"]["get"])).json
            if shown["output"]:
                return shown["output"]
            await asyncio.sleep(0.01)
    raise AssertionError(shown)


def survey(film: bytes) -> tuple[int, int, float, int]:
    with av.open(io.BytesIO(film)) as container:
        stream = container.streams.video[0]
        seconds = float(stream.duration * stream.time_base)
        packets = sum(packet.size > 0 for packet in container.demux(stream))
    return stream.width, stream.height, seconds, packets


async def test_a_film_has_length_type_range_and_an_index_in_front(twin: Judge, anybody: Client) -> None:
    url = await film_url(twin)
    whole = await anybody.get(url)
    assert (whole.status, whole.headers["content-type"]) == (200, "video/mp4")
    assert int(whole.headers["content-length"]) == len(whole.body)
    assert survey(whole.body) == (320, 180, 2.0, 48)
    assert 0 < whole.body.find(b"moov") < whole.body.find(b"mdat")
    part = await anybody.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.body)}"
    assert (await anybody.get(url, headers={"Range": "bytes=99999999-"})).status == 416
    head = await anybody.ask("HEAD", url)
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(whole.body)), b"")


async def test_no_two_films_are_alike(twin: Judge, anybody: Client) -> None:
    films = {(await anybody.get(await film_url(twin))).body for _ in range(2)}
    assert len(films) == 2


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("film-black", (320, 180, 2.0, 48)),
        ("film-wrong-length", (320, 180, 1.0, 24)),
        ("film-wrong-size", (160, 90, 2.0, 48)),
    ],
)
async def test_a_film_may_be_another_than_asked(
    twin: Judge, anybody: Client, fault: str, seen: tuple[int, int, float, int]
) -> None:
    film = (await anybody.get(await film_url(twin, f"[twin:{fault}]"))).body
    assert survey(film) == seen
    with av.open(io.BytesIO(film)) as container:
        brightness = next(container.decode(video=0)).to_ndarray(format="gray").max()
    assert (int(brightness) < 20) is (fault == "film-black")


async def test_a_truncated_film_still_declares_all_frames(twin: Judge, anybody: Client) -> None:
    answer = await anybody.get(await film_url(twin, "[twin:film-truncated]"))
    assert int(answer.headers["content-length"]) == len(answer.body)
    with av.open(io.BytesIO(answer.body)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 48
        assert sum(packet.size > 0 for packet in container.demux(stream)) < 40


@pytest.mark.parametrize(
    ("fault", "start"), [("film-empty", b""), ("film-html", b"<!doctype html>"), ("film-json", b'{"error"')]
)
async def test_something_else_may_come_as_a_film(
    twin: Judge, anybody: Client, fault: str, start: bytes
) -> None:
    answer = await anybody.get(await film_url(twin, f"[twin:{fault}]"))
    assert (answer.status, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.body.startswith(start)
    assert len(answer.body) < 200


async def test_lengths_may_lie(twin: Judge, anybody: Client) -> None:
    whole = len((await anybody.get(await film_url(twin))).body)
    short = await anybody.get(await film_url(twin, "[twin:length-short]"))
    assert len(short.body) == int(short.headers["content-length"]) < whole * 0.6
    absent = await anybody.get(await film_url(twin, "[twin:length-absent]"))
    assert ("content-length" in absent.headers, abs(len(absent.body) - whole) < 20) == (False, True)
    for fault in ("length-long", "media-cut fetches=9"):
        with pytest.raises(aiohttp.ClientPayloadError):
            await anybody.get(await film_url(twin, f"[twin:{fault}]"))


async def test_a_cut_connection_heals(twin: Judge, anybody: Client) -> None:
    url = await film_url(twin, "[twin:media-cut fetches=1]")
    with pytest.raises(aiohttp.ClientPayloadError):
        await anybody.get(url)
    assert survey((await anybody.get(url)).body)[3] == 48


async def test_an_address_may_have_expired_or_be_forbidden(twin: Judge, anybody: Client) -> None:
    expired = await film_url(twin, "[twin:url-expired fetches=2]")
    assert [(await anybody.get(expired)).status for _ in range(3)] == [404, 404, 200]
    forbidden = await film_url(twin, "[twin:url-forbidden]")
    assert [(await anybody.get(forbidden)).status for _ in range(2)] == [403, 403]
    assert (await anybody.get(f"{twin.media}/media/replicate/nothing/output.mp4")).status == 404


async def test_an_address_may_lead_to_another_origin(twin: Judge, anybody: Client) -> None:
    moved = await anybody.get(await film_url(twin, "[twin:media-redirect]"))
    target = moved.headers["location"]
    assert (moved.status, target.startswith(f"{twin.address}/media/")) == (302, True)
    assert survey((await anybody.get(target)).body)[3] == 48
    inward = await anybody.get(await film_url(twin, "[twin:media-redirect to=http://169.254.169.254/]"))
    assert inward.headers["location"] == "http://169.254.169.254/"


async def test_download_faults_bite_on_media_hosts_too(twin: Judge, anybody: Client) -> None:
    url = await film_url(
        twin, "[twin:error-before@download times=1] [twin:lost-before-accept@download times=1]"
    )
    assert (await anybody.get(url)).status == 503
    with pytest.raises(aiohttp.ClientError):
        await anybody.get(url)
    assert (await anybody.get(url)).status == 200


async def test_what_is_sent_to_a_media_host_is_on_record(twin: Judge) -> None:
    url = await film_url(twin)
    async with Client("", {"Authorization": "Bearer sk-0123456789"}) as careless:
        await careless.get(url)
    record = twin.requests(place="media", vendor="replicate")[0]
    assert record["headers"]["authorization"] == "Bearer sk-…"
    assert twin.requests(place="wires", operation="create")[0]["headers"]["authorization"] == "Bearer k"
