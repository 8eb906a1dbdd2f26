"""Accepting, showing and cancelling single videos, with what each says to the client."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from filmgate.app import Gate, open_gate
from filmgate.domain.attempt import AttemptState
from filmgate.domain.errors import (
    InvalidRequest,
    NotFound,
    ResultGone,
    VideoAlreadyFinal,
    VideoNotFinished,
)
from filmgate.domain.key import Key
from filmgate.domain.provider import CancelOutcome
from filmgate.domain.video import Variant, VideoFilter, VideoStatus
from filmgate.services import videos as service
from filmgate.services.asked import AskedVideo
from filmgate.settings import Settings
from tests.integration.makers import attempts_of, put_attempt, row_of
from tests.integration.scripted import Scripted

pytestmark = pytest.mark.anyio

ASKED = AskedVideo("a lake")


@pytest.fixture
def vendor() -> Scripted:
    return Scripted(name="embedded")


@pytest.fixture
async def gate(settings: Settings, vendor: Scripted) -> AsyncGenerator[Gate, None]:
    table = {"embedded": vendor, "scripted": vendor}
    async with open_gate(settings, work=False, providers=table) as opened:
        yield opened


async def sent(gate: Gate, owner: Key, state: str = "accepted") -> str:
    """Return a video of the owner's whose attempt is in a state."""
    video = await gate.services.videos.create(owner, ASKED)
    await gate.database.execute("UPDATE videos SET status = 'in_progress', admitted_at = now()")
    await gate.database.execute(
        """
        INSERT INTO attempts (id, video_id, ordinal, provider, provider_model, account, state, body, sent_by,
                              lease_until, quiet_at, provider_job_id, next_poll_at)
        VALUES ('att_1', $1, 1, 'embedded', 'procedural-1', 'embedded', $2, '', 'w', now(), now(),
                CASE WHEN $2 = 'accepted' THEN 'vendor-1' END, now())
        """,
        video.id,
        state,
    )
    return video.id


async def test_an_accepted_video_is_on_disk_when_the_answer_is_given(gate: Gate, owner: Key) -> None:
    video = await gate.services.videos.create(owner, replace(ASKED, metadata={"shot": "1"}, seed=5))
    row = await row_of(gate.database, video.id)
    assert (row["status"], row["project"], row["key_id"]) == ("queued", owner.project, owner.id)
    assert await gate.services.videos.get(owner, video.id) == video
    assert video.requested == {"seed": 5}


async def test_many_creates_at_once_all_arrive(gate: Gate, owner: Key) -> None:
    made = await asyncio.gather(*(gate.services.videos.create(owner, ASKED) for _ in range(300)))
    assert await gate.database.value("SELECT count(*) FROM videos") == 300
    page = await gate.services.videos.list(owner, VideoFilter(), 100, None)
    assert len(page.items) == 100
    assert page.next_cursor == page.items[-1].id
    assert {video.id for video in page.items} <= {video.id for video in made}


async def test_the_last_page_says_so(gate: Gate, owner: Key) -> None:
    await gate.services.videos.create(owner, ASKED)
    assert (await gate.services.videos.list(owner, VideoFilter(), 1, None)).next_cursor is None


async def test_a_request_that_is_wrong_leaves_nothing(gate: Gate, owner: Key) -> None:
    bad = replace(ASKED, prompt="", input_reference="data:image/png;base64,iVBORw0KGgo=")
    with pytest.raises(InvalidRequest):
        await gate.services.videos.create(owner, bad)
    assert await gate.database.value("SELECT count(*) FROM videos") == 0
    assert not list((gate.settings.data / "assets").glob("references/*"))


async def test_an_image_is_kept_beside_its_video(gate: Gate, owner: Key) -> None:
    asked = replace(ASKED, input_reference="data:image/png;base64,iVBORw0KGgo=")
    video = await gate.services.videos.create(owner, asked)
    assert video.request.input_reference == f"references/{video.id}.png"
    assert "inputReference" not in video.requested


async def test_a_video_of_another_project_is_not_there(gate: Gate, owner: Key) -> None:
    video = await gate.services.videos.create(owner, ASKED)
    stranger = replace(owner, project="another")
    for ask in (
        gate.services.videos.get(stranger, video.id),
        gate.services.videos.result(stranger, video.id),
        gate.services.videos.cancel(stranger, video.id),
        gate.services.videos.content(stranger, video.id, Variant.VIDEO),
    ):
        with pytest.raises(NotFound):
            await ask
    assert (await row_of(gate.database, video.id))["status"] == "queued"


async def test_a_result_is_told_to_be_early_or_gone_with_the_reason(gate: Gate, owner: Key) -> None:
    video = await gate.services.videos.create(owner, ASKED)
    with pytest.raises(VideoNotFinished, match="0 % done"):
        await gate.services.videos.result(owner, video.id)
    await gate.database.execute(
        'UPDATE videos SET status = \'failed\', error = \'{"code": "x", "message": "Out of memory."}\''
    )
    with pytest.raises(ResultGone, match="Out of memory"):
        await gate.services.videos.result(owner, video.id)


async def test_a_file_that_left_the_store_is_gone(gate: Gate, owner: Key) -> None:
    video = await gate.services.videos.create(owner, ASKED)
    result = (
        '{"asset": "videos/a/b", "seconds": 1, "width": 64, "height": 64, "fps": 24, "video_codec": "h264",'
        ' "audio_codec": null, "size_bytes": 1, "sha256": "00", "thumbnail_bytes": 1,'
        ' "spritesheet_bytes": 1}'
    )
    await gate.database.execute("UPDATE videos SET status = 'completed', result = $1::text::jsonb", result)
    with pytest.raises(ResultGone, match="no longer in the store"):
        await gate.services.videos.content(None, video.id, Variant.THUMBNAIL)


async def test_cancelling_a_video_that_was_not_sent_says_that_nothing_is_charged(
    gate: Gate, owner: Key
) -> None:
    video = await gate.services.videos.create(owner, ASKED)
    cancelled = await gate.services.videos.cancel(owner, video.id)
    assert cancelled.video.status is VideoStatus.CANCELLED
    assert "had not been sent" in cancelled.message
    again = await gate.services.videos.cancel(owner, video.id)
    assert "had been cancelled before" in again.message


@pytest.mark.parametrize(
    ("stopping", "words", "state"),
    [
        (CancelOutcome(True, False), "has stopped; nothing is charged.", "cancelled"),
        (CancelOutcome(True, True), "has stopped; it still charges for it.", "cancelled"),
        (CancelOutcome(False, True), "cannot be stopped; it still charges for it.", "accepted"),
        (CancelOutcome(False, None), "it does not say whether it charges.", "accepted"),
        (ConnectionResetError("cut"), "has not confirmed yet; it is asked again until it does.", "accepted"),
    ],
    ids=str,
)
async def test_cancelling_a_sent_video_says_what_the_provider_does(
    gate: Gate,
    owner: Key,
    vendor: Scripted,
    stopping: CancelOutcome | Exception,
    words: str,
    state: str,
) -> None:
    vendor.stopping = stopping
    name = await sent(gate, owner)
    cancelled = await gate.services.videos.cancel(owner, name)
    assert words in cancelled.message
    assert vendor.stopped == ["vendor-1"]
    assert [attempt["state"] for attempt in await attempts_of(gate.database, name)] == [state]


async def test_cancelling_does_not_wait_for_a_provider_that_hangs(
    gate: Gate, owner: Key, vendor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_CANCEL_SECONDS", 0.05)
    vendor.delay = 60
    name = await sent(gate, owner)
    cancelled = await asyncio.wait_for(gate.services.videos.cancel(owner, name), 5)
    assert "not confirmed yet" in cancelled.message


async def test_cancelling_is_done_even_when_the_provider_is_no_longer_set_up(gate: Gate, owner: Key) -> None:
    name = await sent(gate, owner)
    await gate.database.execute("UPDATE attempts SET provider = 'gone'")
    cancelled = await gate.services.videos.cancel(owner, name)
    assert cancelled.video.status is VideoStatus.CANCELLED
    assert "not confirmed yet" in cancelled.message


@pytest.mark.parametrize("state", ["sending", "unknown", "parked"])
async def test_cancelling_a_video_that_is_just_being_sent_says_so(
    gate: Gate, owner: Key, vendor: Scripted, state: str
) -> None:
    name = await sent(gate, owner, state)
    cancelled = await gate.services.videos.cancel(owner, name)
    assert "as soon as it answers" in cancelled.message
    assert vendor.stopped == []


@pytest.mark.parametrize("status", [VideoStatus.COMPLETED, VideoStatus.FAILED])
async def test_a_video_that_has_ended_cannot_be_cancelled(
    gate: Gate, owner: Key, status: VideoStatus
) -> None:
    video_id, _ = await put_attempt(gate.database, AttemptState.SUCCEEDED, status=status)
    with pytest.raises(VideoAlreadyFinal, match=status.value):
        await gate.services.videos.cancel(owner, video_id)
    assert (await row_of(gate.database, video_id))["status"] == status


async def test_of_many_cancels_at_once_one_stops_the_provider(
    gate: Gate, owner: Key, vendor: Scripted
) -> None:
    name = await sent(gate, owner)
    cancelled = await asyncio.gather(*(gate.services.videos.cancel(owner, name) for _ in range(8)))
    assert all(each.video.status is VideoStatus.CANCELLED for each in cancelled)
    assert vendor.stopped == ["vendor-1"]
