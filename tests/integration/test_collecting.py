"""Finished films are brought home whole, or the video fails with the evidence; never anything between."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.errors import StorageFull
from filmgate.domain.provider import ProviderJob
from filmgate.domain.video import Variant, VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.http import DownloadRefused, NotNow, WireTrouble
from filmgate.infrastructure.queue import Postponed
from filmgate.infrastructure.storage import LocalStore
from filmgate.services.collecting import MAX_FETCHES, PAUSES_MISSING, PAUSES_WRONG
from tests.integration.makers import attempts_of, film, open_lane, put_attempt, row_of, slots_taken
from tests.integration.scripted import Works, open_works

pytestmark = pytest.mark.anyio

FILM = film(1.0)
SUCCEEDED = AttemptState.SUCCEEDED


@pytest.fixture
async def works(database: Database, tmp_path: Path) -> AsyncGenerator[Works, None]:
    async with open_works(database, tmp_path) as opened:
        await open_lane(database, 1)
        opened.vendor.film = FILM
        yield opened


def files_of(store: LocalStore) -> list[str]:
    """Return every file under the store's root, those in the making too."""
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


async def error_of(works: Works, video_id: str) -> tuple[str, str, bool | None]:
    video = await works.videos.get(video_id)
    assert video is not None
    assert video.error is not None
    assert video.status is VideoStatus.FAILED
    return video.error.code, video.error.message, video.error.charged


async def test_a_film_is_stored_whole_with_its_pictures_and_what_was_measured(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    await works.collecting.collect(attempt_id)
    video = await works.videos.get(video_id)
    assert video is not None
    assert video.result is not None
    assert video.status is VideoStatus.COMPLETED
    assert (video.result.width, video.result.height, video.result.fps) == (64, 64, 24.0)
    assert video.result.seconds == 1.0
    assert video.result.sha256 == hashlib.sha256(FILM).hexdigest()
    for variant, size in (
        (Variant.VIDEO, video.result.size_bytes),
        (Variant.THUMBNAIL, video.result.thumbnail_bytes),
        (Variant.SPRITESHEET, video.result.spritesheet_bytes),
    ):
        stat = await works.store.stat(video.result.key(variant))
        assert stat is not None
        assert stat.size == size
    assert len(files_of(works.store)) == 3
    assert works.vendor.forgotten == [f"vendor-{attempt_id}"]
    assert await slots_taken(works.database) == 0
    assert works.wakes


async def test_collecting_again_changes_nothing(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    await works.collecting.collect(attempt_id)
    before, files = dict(await row_of(works.database, video_id)), files_of(works.store)
    await works.collecting.collect(attempt_id)
    assert dict(await row_of(works.database, video_id)) == before
    assert files_of(works.store) == files
    assert works.vendor.downloads == 1


async def test_two_collectors_at_once_store_one_whole_film(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    works.vendor.delay = 0.2
    first = asyncio.create_task(works.collecting.collect(attempt_id))
    await asyncio.sleep(0.1)
    await asyncio.gather(first, works.collecting.collect(attempt_id))
    video = await works.videos.get(video_id)
    assert video is not None
    assert video.result is not None
    path = works.store.path(video.result.key(Variant.VIDEO))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == video.result.sha256
    assert len(files_of(works.store)) == 3


async def fetched_in_vain(works: Works, attempt_id: str) -> list[float]:
    """Fetch until the video has failed; return the pauses that were asked for in between."""
    pauses: list[float] = []
    while True:
        try:
            await works.collecting.collect(attempt_id)
        except Postponed as later:
            pauses.append(later.delay.total_seconds())
        else:
            return pauses


@pytest.mark.parametrize(
    ("delivered", "evidence"),
    [
        (b"", "0 bytes"),
        (b"<!DOCTYPE html><title>404</title>", "HTML"),
        (b'{"error": "expired"}', "JSON"),
        (FILM[: len(FILM) // 2], ""),
        (b"\x00" * 5000, ""),
        (film(3.0), "3.00 s long where 1 s were asked"),
        (film(0.25), "0.25 s long where 1 s were asked"),
        (film(1.0, size=(32, 32)), "it is 32x32 where 64x64 was asked"),
        (film(1.0, size=(96, 64)), "it is 96x64 where 64x64 was asked"),
        (film(1.0, black=True), "it is black from start to end, all 24 frames of it"),
    ],
    ids=["nothing", "html", "json", "half", "zeros", "long", "short", "small", "wide", "black"],
)
async def test_what_is_not_the_film_is_fetched_five_times_and_fails_the_video_with_the_evidence(
    works: Works, delivered: bytes, evidence: str
) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    works.vendor.film = delivered
    assert await fetched_in_vain(works, attempt_id) == list(PAUSES_WRONG)
    code, message, charged = await error_of(works, video_id)
    assert (code, charged) == ("asset_invalid", False)
    assert evidence in message
    assert f"({len(delivered)} bytes, sha256 {hashlib.sha256(delivered).hexdigest()[:16]})" in message
    assert message.startswith("scripted delivered a file that is not the film: ")
    assert message.endswith(f"It was fetched {MAX_FETCHES} times.")
    assert files_of(works.store) == []
    assert works.vendor.downloads == MAX_FETCHES
    assert works.vendor.paid == []
    assert await slots_taken(works.database) == 0


async def test_what_was_found_is_kept_and_the_vendors_copy_too(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    works.vendor.film = b"<!DOCTYPE html>\x00"
    await fetched_in_vain(works, attempt_id)
    (row,) = await attempts_of(works.database, video_id)
    assert row["state"] == "succeeded"
    assert row["collects"] == MAX_FETCHES
    assert len(row["reason"].splitlines()) == MAX_FETCHES
    assert works.vendor.forgotten == []
    await works.collecting.collect(attempt_id)
    assert (works.vendor.downloads, works.vendor.forgotten) == (MAX_FETCHES, [])


@pytest.mark.parametrize(("cost", "charged"), [(0, False), (50_000, True)])
async def test_who_says_that_a_film_is_made_charges_for_it(works: Works, cost: int, charged: bool) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    await works.database.execute("UPDATE attempts SET cost_micros = $2 WHERE id = $1", attempt_id, cost)
    works.vendor.film = DownloadRefused("media.example answered 403", gone=True)
    await fetched_in_vain(works, attempt_id)
    video = await works.videos.get(video_id)
    assert video is not None
    assert video.error is not None
    assert (video.error.code, video.error.charged) == ("asset_lost", charged)
    assert video.error.action is not None
    assert f"vendor-{attempt_id}" in video.error.action
    assert "Asking for the video again makes, and costs, a new one." in video.error.action


async def test_a_download_that_breaks_is_tried_again_and_leaves_no_half(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    works.vendor.film = ConnectionResetError("cut")
    with pytest.raises(Postponed):
        await works.collecting.collect(attempt_id)
    assert (await row_of(works.database, video_id))["status"] == "in_progress"
    assert files_of(works.store) == []
    works.vendor.film = FILM
    await works.collecting.collect(attempt_id)
    assert (await row_of(works.database, video_id))["status"] == "completed"


@pytest.mark.parametrize(
    "trouble",
    [
        ConnectionResetError("cut"),
        DownloadRefused("media.example answered 404", gone=True),
        WireTrouble("media.example answered 503"),
        ValueError("nobody foresaw this"),
    ],
    ids=["cut", "gone", "away", "unforeseen"],
)
async def test_a_film_that_never_comes_home_is_given_up_after_an_hour_and_not_made_again(
    works: Works, trouble: Exception
) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    works.vendor.film = trouble
    assert await fetched_in_vain(works, attempt_id) == list(PAUSES_MISSING)
    code, message, _ = await error_of(works, video_id)
    assert code == "asset_lost"
    assert message == (
        f"scripted has made the film, but it could not be fetched: {trouble}. It was fetched 5 times."
    )
    assert works.vendor.downloads == MAX_FETCHES
    assert works.vendor.paid == []


async def test_a_provider_that_wants_to_be_left_alone_costs_no_fetch_until_a_day_has_passed(
    works: Works,
) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    works.vendor.film = NotNow("scripted answered 429")
    for _ in range(MAX_FETCHES + 1):
        with pytest.raises(Postponed):
            await works.collecting.collect(attempt_id)
    assert await works.database.value("SELECT collects FROM attempts WHERE id = $1", attempt_id) == 0
    await works.database.execute(
        "UPDATE attempts SET accepted_at = now() - interval '25 hours' WHERE id = $1", attempt_id
    )
    assert await fetched_in_vain(works, attempt_id) == list(PAUSES_MISSING)
    assert (await error_of(works, video_id))[0] == "asset_lost"


async def test_a_film_that_is_right_at_the_fifth_fetch_is_kept(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    for delivered in (b"", DownloadRefused("gone", gone=True), FILM[:999], WireTrouble("away")):
        works.vendor.film = delivered
        with pytest.raises(Postponed):
            await works.collecting.collect(attempt_id)
    works.vendor.film = FILM
    await works.collecting.collect(attempt_id)
    assert (await row_of(works.database, video_id))["status"] == "completed"
    assert works.vendor.forgotten == [f"vendor-{attempt_id}"]


async def test_a_provider_that_is_no_longer_set_up_loses_no_film(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    await works.database.execute("UPDATE attempts SET provider = 'gone' WHERE id = $1", attempt_id)
    for _ in range(2 * MAX_FETCHES):
        with pytest.raises(Postponed, match="gone is no longer set up"):
            await works.collecting.collect(attempt_id)
    assert (await row_of(works.database, video_id))["status"] == "in_progress"
    assert (await attempts_of(works.database, video_id))[0]["collects"] == 0


async def test_a_full_disk_loses_nothing(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)

    async def full(_store: LocalStore, key: str, path: Path) -> None:
        raise StorageFull("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put", full)
        for _ in range(2 * MAX_FETCHES):
            with pytest.raises(Postponed, match="No space left"):
                await works.collecting.collect(attempt_id)
    assert (await attempts_of(works.database, video_id))[0]["collects"] == 0
    assert (await row_of(works.database, video_id))["status"] == "in_progress"
    assert files_of(works.store) == []
    assert works.vendor.forgotten == []
    await works.collecting.collect(attempt_id)
    assert (await row_of(works.database, video_id))["status"] == "completed"


async def test_the_film_of_a_video_cancelled_meanwhile_is_dropped(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    cancel = works.videos.cancel

    class Cancelling(type(works.vendor)):
        async def download(self, job: ProviderJob, target: Path) -> None:
            await super().download(job, target)
            await cancel(video_id)

    works.vendor.__class__ = Cancelling
    await works.collecting.collect(attempt_id)
    assert (await row_of(works.database, video_id))["status"] == "cancelled"
    assert files_of(works.store) == []
    assert works.vendor.forgotten == [f"vendor-{attempt_id}"]


async def test_a_film_that_is_no_longer_wanted_is_only_forgotten(works: Works) -> None:
    _, attempt_id = await put_attempt(works.database, SUCCEEDED, status=VideoStatus.CANCELLED)
    await works.collecting.collect(attempt_id)
    assert works.vendor.downloads == 0
    assert works.vendor.forgotten == [f"vendor-{attempt_id}"]


@pytest.mark.parametrize("state", [state for state in AttemptState if state is not SUCCEEDED])
async def test_an_attempt_without_a_film_is_left_alone(works: Works, state: AttemptState) -> None:
    video_id, attempt_id = await put_attempt(works.database, state)
    before = dict(await row_of(works.database, video_id))
    await works.collecting.collect(attempt_id)
    assert dict(await row_of(works.database, video_id)) == before
    assert (works.vendor.downloads, works.vendor.forgotten) == (0, [])


async def test_what_is_not_there_is_neither_collected_nor_given_up(works: Works) -> None:
    await works.collecting.collect("att_none")
    await works.collecting.give_up("att_none", "of a reason")
    assert works.wakes == []


async def test_a_provider_that_cannot_forget_does_not_spoil_a_film(works: Works) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED)
    works.vendor.forgetting = ConnectionResetError()
    await works.collecting.collect(attempt_id)
    assert (await row_of(works.database, video_id))["status"] == "completed"


@pytest.mark.parametrize("status", VideoStatus)
async def test_giving_up_fails_only_a_video_that_has_not_ended(works: Works, status: VideoStatus) -> None:
    video_id, attempt_id = await put_attempt(works.database, SUCCEEDED, status=status)
    await works.collecting.give_up(attempt_id, "the store is gone")
    row = await row_of(works.database, video_id)
    assert row["status"] == (status.value if status.final else "failed")
