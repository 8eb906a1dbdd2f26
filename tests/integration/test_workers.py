"""Workers report, do what waits, mend what is left over, and leave when told to."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from filmgate.app import Gate, open_gate
from filmgate.domain.errors import BadSettings, DatabaseUnavailable, StorageFull, StorageUnavailable
from filmgate.domain.key import Key
from filmgate.domain.provider import CancelOutcome, JobState, Progress
from filmgate.domain.video import Video, VideoStatus
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.queue import Step
from filmgate.infrastructure.storage import LocalStore
from filmgate.repositories.installation import Installation, InstallationRepository
from filmgate.repositories.restores import RestoreRepository
from filmgate.repositories.workers import WorkerRepository
from filmgate.services.asked import AskedVideo
from filmgate.services.health import HealthService
from filmgate.settings import Settings
from tests.integration.makers import cut_connections, film, row_of, until
from tests.integration.scripted import Scripted

pytestmark = pytest.mark.anyio

ASKED = AskedVideo("a lake", duration=1, resolution="360x360")
DONE = Progress(JobState.SUCCEEDED)


@pytest.fixture
def vendor() -> Scripted:
    return Scripted(name="embedded", progress=DONE, film=film(1.0, size=(360, 360)))


@pytest.fixture
async def scripted_gate(settings: Settings, vendor: Scripted) -> AsyncGenerator[Gate, None]:
    async with open_gate(settings, work=True, providers={"embedded": vendor}) as opened:
        yield opened


async def ended(gate: Gate, video: Video, seconds: float = 30) -> Video:
    """Wait until a video has ended and return it."""
    owner = Key(video.key_id, "owner", video.project, "")

    async def is_final() -> bool:
        try:
            return (await gate.services.videos.get(owner, video.id)).status.final
        except DatabaseUnavailable:
            return False

    await until(is_final, seconds)
    return await gate.services.videos.get(owner, video.id)


async def test_a_video_goes_from_create_to_completed_with_the_built_in_renderer(
    working_gate: Gate, owner: Key
) -> None:
    video = await working_gate.services.videos.create(owner, ASKED)
    video = await ended(working_gate, video, 60)
    assert video.status is VideoStatus.COMPLETED
    assert video.result is not None
    assert (video.result.width, video.result.height) == (360, 360)
    assert video.attempts == 1

    async def forgotten() -> bool:
        return await working_gate.database.value("SELECT count(*) FROM renders") == 0

    await until(forgotten)


async def test_several_videos_are_paid_for_once_each(
    scripted_gate: Gate, owner: Key, vendor: Scripted
) -> None:
    made = await asyncio.gather(*(scripted_gate.services.videos.create(owner, ASKED) for _ in range(8)))
    for video in made:
        assert (await ended(scripted_gate, video)).status is VideoStatus.COMPLETED
    assert sorted(order.reference for order in vendor.paid) == sorted(video.id for video in made)


async def test_a_cancelled_video_is_stopped_at_the_provider_and_stays_cancelled(
    scripted_gate: Gate, owner: Key, vendor: Scripted
) -> None:
    vendor.progress = Progress(JobState.PROCESSING, 10)
    vendor.stopping = CancelOutcome(True, False)
    video = await scripted_gate.services.videos.create(owner, ASKED)
    await until(lambda: vendor.paid)
    await scripted_gate.services.videos.cancel(owner, video.id)
    await until(lambda: vendor.stopped)
    assert (await row_of(scripted_gate.database, video.id))["status"] == "cancelled"


async def test_work_goes_on_after_every_connection_was_lost(
    scripted_gate: Gate, owner: Key, vendor: Scripted, dsn: str
) -> None:
    first = await scripted_gate.services.videos.create(owner, ASKED)
    await until(lambda: vendor.paid)
    await cut_connections(dsn)
    second = await scripted_gate.services.videos.create(owner, ASKED)
    for video in (first, second):
        assert (await ended(scripted_gate, video, 60)).status is VideoStatus.COMPLETED
    assert len(vendor.paid) == 2


async def test_a_worker_stops_within_its_deadline_and_leaves_the_list(
    settings: Settings, owner: Key, vendor: Scripted, database: Database
) -> None:
    vendor.gate = asyncio.Event()
    async with open_gate(settings, work=True, providers={"embedded": vendor}) as gate:
        await gate.services.videos.create(owner, ASKED)
        await until(lambda: vendor.paid)
        await until(lambda: WorkerRepository(database).count_alive(timedelta(minutes=1)))
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 15
    assert await database.value("SELECT count(*) FROM workers") == 0
    assert await database.value("SELECT state FROM attempts") == "sending"


async def test_a_lane_that_is_not_there_is_refused_at_start(settings: Settings) -> None:
    wrong = Settings(data=settings.data, database_url=settings.database_url, lanes={"runwy": 3})

    async def start() -> None:
        async with open_gate(wrong, work=False):
            pass

    with pytest.raises(BadSettings, match=r"lanes\.runwy"):
        await start()


async def test_the_made_up_key_of_development_is_kept(settings: Settings) -> None:
    keys: list[str | None] = []
    for _ in range(2):
        async with open_gate(settings, work=False) as gate:
            keys.append(gate.api_key)
    assert keys[0]
    assert keys[0] == keys[1]
    assert (settings.data / "state" / "api_key").stat().st_mode & 0o077 == 0


def engine_of(gate: Gate):
    assert gate.worker is not None
    return gate.worker._engine


async def test_the_rounds_of_the_clock_are_harmless_at_any_time(scripted_gate: Gate) -> None:
    engine = engine_of(scripted_gate)
    for _ in range(2):
        await engine.admit()
        await engine.watch()
        await engine.sweep()
        await engine.mend()
        await engine.clear()
    assert await engine.seconds_to_next_poll() is None


async def test_a_step_that_was_given_up_ends_what_it_was_for(scripted_gate: Gate, owner: Key) -> None:
    engine = engine_of(scripted_gate)
    await scripted_gate.worker.stop(timedelta(0)) if scripted_gate.worker else None
    made = [await scripted_gate.services.videos.create(owner, ASKED) for _ in range(3)]
    await engine._exhausted(Step.SUBMIT, made[0].id, ValueError("no way"))
    await engine._exhausted(Step.RECONCILE, "att_none", ValueError())
    row = await row_of(scripted_gate.database, made[0].id)
    assert row["status"] == "failed"
    assert "no way" in row["error"]
    await scripted_gate.database.execute("UPDATE videos SET status = 'in_progress' WHERE id = $1", made[1].id)
    await scripted_gate.database.execute(
        """
        INSERT INTO attempts (id, video_id, ordinal, provider, provider_model, account, state, body, sent_by,
                              lease_until, quiet_at, provider_job_id)
        VALUES ('att_1', $1, 1, 'embedded', 'procedural-1', 'embedded', 'succeeded', '', 'w',
                now(), now(), 'v')
        """,
        made[1].id,
    )
    await engine._exhausted(Step.COLLECT, "att_1", OSError())
    row = await row_of(scripted_gate.database, made[1].id)
    assert row["status"] == "failed"
    assert "asset_lost" in row["error"]


@pytest.mark.parametrize(
    ("error", "code"), [(StorageFull("full"), "storage_full"), (ValueError(), "renderer_failed")]
)
async def test_a_render_that_was_given_up_fails_with_its_reason(
    scripted_gate: Gate, error: Exception, code: str
) -> None:
    await scripted_gate.database.execute(
        "INSERT INTO renders (id, order_body, state, frames) VALUES ('job_1', '', 'processing', 24)"
    )
    await engine_of(scripted_gate)._exhausted(Step.RENDER, "job_1", error)
    row = await scripted_gate.database.row("SELECT state, code, reason FROM renders")
    assert row is not None
    assert (row["state"], row["code"]) == ("failed", code)
    assert row["reason"]


async def test_workers_are_counted_while_they_report(database: Database) -> None:
    workers = WorkerRepository(database)
    for name in ("a", "b", "a"):
        await workers.report(name, "host", 1)
    assert await workers.count_alive(timedelta(seconds=30)) == 2
    await database.execute("UPDATE workers SET seen_at = now() - interval '1 minute' WHERE id = 'a'")
    assert await workers.count_alive(timedelta(seconds=30)) == 1
    await workers.report("a", "host", 1)
    assert await workers.count_alive(timedelta(seconds=30)) == 2
    await workers.leave("b")
    await workers.prune(timedelta(hours=1))
    assert await workers.count_alive(timedelta(seconds=30)) == 1


async def test_an_installation_is_itself_from_its_first_start_on(database: Database) -> None:
    installations = InstallationRepository(database)
    proposals = [Installation(f"inst_{number}", bytes([number]) * 32) for number in range(5)]
    found = await asyncio.gather(*(installations.ensure(proposal) for proposal in proposals))
    assert len({installation.id for installation in found}) == 1
    assert await installations.ensure(proposals[0]) == found[0]
    await installations.check()


def health_of(database: Database, root: Path) -> HealthService:
    return HealthService(
        InstallationRepository(database),
        WorkerRepository(database),
        RestoreRepository(database),
        LocalStore(root / "assets"),
        7,
    )


async def test_everything_there_is_ready(database: Database, tmp_path: Path) -> None:
    await WorkerRepository(database).report("a", "host", 1)
    readiness = await health_of(database, tmp_path).ready()
    assert readiness.ok
    assert all(part.ok for part in readiness.parts.values())
    assert readiness.parts["migrations"].detail == "schema 7"
    assert readiness.parts["engine"].detail == "1 worker"


async def test_without_a_worker_requests_are_still_taken(database: Database, tmp_path: Path) -> None:
    readiness = await health_of(database, tmp_path).ready()
    assert readiness.ok
    assert not readiness.parts["engine"].ok
    assert "30 s" in (readiness.parts["engine"].detail or "")


async def test_without_a_database_nothing_is_ready(database: Database, tmp_path: Path) -> None:
    await database.close()
    readiness = await health_of(database, tmp_path).ready()
    assert not readiness.ok
    assert (readiness.parts["database"].state, readiness.parts["migrations"].state) == (
        "unavailable",
        "unknown",
    )
    assert readiness.parts["storage"].ok


async def test_a_store_that_cannot_be_written_or_is_slow_is_not_ready(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: LocalStore) -> None:
        raise StorageUnavailable("read-only file system")

    async def slow(_: LocalStore) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("filmgate.services.health._CHECK_SECONDS", 0.2)
    for check, state in ((broken, "unavailable"), (slow, "slow")):
        monkeypatch.setattr(LocalStore, "check", check)
        readiness = await health_of(database, tmp_path).ready()
        assert not readiness.ok
        assert readiness.parts["storage"].state == state
