"""The local store keeps files whole or not at all, with constant memory."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from filmgate.domain.asset import AssetKeyInvalid, AssetMissing, AssetStore, AssetTooLarge
from filmgate.domain.errors import StorageFull, StorageUnavailable
from filmgate.infrastructure import storage
from filmgate.infrastructure.storage import CHUNK, LocalStore, fingerprint, receive

pytestmark = pytest.mark.anyio

KEY = "videos/job_1/att_1/video.mp4"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted as root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def pieces(count: int, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 251]) * size


def written(store: LocalStore, content: bytes) -> Path:
    path = store.workspace() / f"made-{time.monotonic_ns()}"
    path.write_bytes(content)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def content_of(store: LocalStore, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.stream(KEY, start, stop)])


async def test_a_file_goes_in_and_comes_out(store: LocalStore) -> None:
    promised: AssetStore = store
    made = written(store, b"film")
    await promised.put(KEY, made)
    assert not made.exists()
    assert await content_of(store) == b"film"
    assert store.path(KEY).read_bytes() == b"film"
    stat = await promised.stat(KEY)
    assert stat is not None
    assert stat.size == 4
    assert abs(stat.modified_at - datetime.now(UTC)) < timedelta(seconds=10)


async def test_a_second_put_replaces(store: LocalStore) -> None:
    for content in (b"first", b"second"):
        await store.put(KEY, written(store, content))
    assert await content_of(store) == b"second"


async def test_a_put_of_a_file_that_is_gone_says_so(store: LocalStore) -> None:
    with pytest.raises(StorageUnavailable, match="No such file"):
        await store.put(KEY, store.workspace() / "nothing")
    assert await store.stat(KEY) is None


async def test_a_put_is_on_disk_before_it_returns(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made = written(store, b"film")
    synced: list[Path] = []
    real = os.fsync

    def recorded(file: int) -> None:
        synced.append(Path(f"/proc/self/fd/{file}").readlink())
        real(file)

    monkeypatch.setattr(storage.os, "fsync", recorded)
    await store.put(KEY, made)
    target = store.path(KEY)
    assert synced[0] == made
    assert synced[-1] == target.parent
    assert {store.root, *target.parents[1:3]} <= set(synced)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same filesystem", "other filesystem"])
async def test_a_reader_never_sees_half_a_file(store: LocalStore, elsewhere: bool) -> None:
    shared = Path("/dev/shm" if elsewhere else store.workspace())
    source = shared / f"filmgate-test-{os.getpid()}"
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if store.path(KEY).exists():
                content = store.path(KEY).read_bytes()
                seen.add(content if len(content) < 3 * MIB else content[:1] + content[-1:])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(12):
            source.write_bytes(b"ab"[number % 2 :][:1] * 3 * MIB)
            await store.put(KEY, source)
    finally:
        done.set()
        watcher.join()
    assert seen <= {b"aa", b"bb"}
    assert names(store.workspace()) == []
    assert not source.exists()


async def test_ranges_are_exact(store: LocalStore) -> None:
    content = os.urandom(2 * CHUNK + 17)
    await store.put(KEY, written(store, content))
    for start, stop in [(0, None), (5, 9), (CHUNK - 1, CHUNK + 1), (2 * CHUNK, None), (7, 7), (0, 10**9)]:
        assert await content_of(store, start, stop) == content[start:stop]
    assert await content_of(store, len(content) + 1) == b""
    sizes = [len(chunk) async for chunk in store.stream(KEY)]
    assert sizes == [CHUNK, CHUNK, 17]


async def test_a_stream_left_early_closes_its_file(store: LocalStore) -> None:
    await store.put(KEY, written(store, bytes(3 * CHUNK)))
    before = psutil.Process().num_fds()
    stream = store.stream(KEY)
    await anext(stream)
    await stream.aclose()
    assert psutil.Process().num_fds() == before


async def test_a_file_deleted_while_read_is_read_to_its_end(store: LocalStore) -> None:
    await store.put(KEY, written(store, bytes(2 * CHUNK)))
    stream = store.stream(KEY)
    await anext(stream)
    await store.delete(KEY)
    assert len(await anext(stream)) == CHUNK
    await stream.aclose()


async def test_what_is_not_there(store: LocalStore) -> None:
    assert await store.stat(KEY) is None
    assert await store.stat("videos") is None
    await store.delete(KEY)
    with pytest.raises(AssetMissing):
        await content_of(store)
    await store.put("videos", written(store, b"a file where a directory should be"))
    assert await store.stat(KEY) is None
    await store.delete(KEY)
    with pytest.raises(StorageUnavailable):
        await store.put(KEY, written(store, b"film"))


async def test_a_delete_leaves_no_empty_directories(store: LocalStore) -> None:
    await store.put(KEY, written(store, b"film"))
    await store.put("videos/job_2/video.mp4", written(store, b"film"))
    await store.delete(KEY)
    assert names(store.root / "videos") == ["job_2"]


async def test_puts_and_deletes_at_once_do_not_disturb_each_other(store: LocalStore) -> None:
    async def come_and_go(number: int) -> None:
        key = f"videos/job_1/{number}.mp4"
        for _ in range(20):
            await store.put(key, written(store, b"film"))
            await store.delete(key)

    await asyncio.gather(*(come_and_go(number) for number in range(3)))


@pytest.mark.parametrize("key", ["../a", "/a", ".work/a", "a//b"])
async def test_every_verb_refuses_a_hostile_key(store: LocalStore, key: str) -> None:
    made = written(store, b"film")
    with pytest.raises(AssetKeyInvalid):
        await store.put(key, made)
    with pytest.raises(AssetKeyInvalid):
        await store.stat(key)
    with pytest.raises(AssetKeyInvalid):
        await store.delete(key)
    with pytest.raises(AssetKeyInvalid):
        await anext(store.stream(key))
    assert made.exists()


async def test_a_healthy_store_passes_its_check_and_keeps_nothing(store: LocalStore) -> None:
    await store.check()
    assert names(store.workspace()) == []
    assert await store.free_bytes() > 0


async def test_a_store_that_cannot_be_made_fails_its_check(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="Not a directory"):
        await LocalStore(tmp_path / "file" / "store").check()


async def test_only_abandoned_work_is_swept(store: LocalStore) -> None:
    await store.put(KEY, written(store, b"film"))
    old, young = written(store, b"old"), written(store, b"young")
    nested = store.workspace() / "job_1"
    nested.mkdir()
    (nested / "old").write_bytes(b"old")
    for path in (nested / "old", nested, old, store.path(KEY)):
        os.utime(path, (0, 0))
    assert await store.sweep_workspace(timedelta(hours=24)) == 2
    assert young.exists()
    assert not old.exists()
    assert await content_of(store) == b"film"


async def test_received_bytes_are_counted_and_hashed(tmp_path: Path) -> None:
    received = await receive(pieces(40), tmp_path / "film", limit=40 * 64 * 1024)
    content = (tmp_path / "film").read_bytes()
    assert received.size == len(content) == 40 * 64 * 1024
    assert received.sha256 == hashlib.sha256(content).hexdigest()
    assert await fingerprint(tmp_path / "film") == received


async def test_an_empty_stream_is_an_empty_file(tmp_path: Path) -> None:
    received = await receive(pieces(0), tmp_path / "film", limit=1)
    assert received.size == 0
    assert (tmp_path / "film").read_bytes() == b""


async def test_more_than_the_limit_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(AssetTooLarge, match="larger than 2097153 bytes"):
        await receive(pieces(40), tmp_path / "film", limit=2 * MIB + 1)
    assert names(tmp_path) == []


async def test_a_stream_that_breaks_leaves_no_file(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(2 * MIB)
        raise ConnectionResetError("the other side hung up")

    with pytest.raises(ConnectionResetError):
        await receive(broken(), tmp_path / "film", limit=10 * MIB)
    assert names(tmp_path) == []


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.01, 0.05])
async def test_a_cancelled_reception_leaves_no_file_and_no_descriptor(tmp_path: Path, moment: float) -> None:
    before = psutil.Process().num_fds()
    task = asyncio.create_task(receive(pieces(100_000), tmp_path / "film", limit=10**10))
    await asyncio.sleep(moment)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(tmp_path) == []
    assert psutil.Process().num_fds() == before


async def test_a_full_device_says_so_to_anyone(tmp_path: Path) -> None:
    (tmp_path / "film").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match="No space left"):
        await receive(pieces(40), tmp_path / "film", limit=10 * MIB)
    assert names(tmp_path) == []
    assert "full" in names(Path("/dev"))


async def test_a_full_disk_keeps_what_it_has_and_no_halves(small_disk: Path) -> None:
    store = LocalStore(small_disk / "store")
    await store.put(KEY, written(store, bytes(5 * MIB)))
    with pytest.raises(StorageFull):
        await receive(pieces(1000), store.workspace() / "film", limit=10**10)
    assert names(store.workspace()) == []
    await store.check()
    (small_disk / "filler").write_bytes(bytes(await store.free_bytes() - 8192))
    with pytest.raises(StorageFull, match="No space left"):
        await store.check()
    assert await content_of(store) == bytes(5 * MIB)
    (small_disk / "filler").unlink()
    await store.check()
    assert names(store.workspace()) == []


async def test_a_move_onto_a_full_disk_keeps_the_source(small_disk: Path, tmp_path: Path) -> None:
    store = LocalStore(small_disk / "store")
    made = tmp_path / "film"
    made.write_bytes(bytes(9 * MIB))
    with pytest.raises(StorageFull):
        await store.put(KEY, made)
    assert await store.stat(KEY) is None
    assert names(store.workspace()) == []
    assert made.exists()


async def test_memory_stays_constant(
    store: LocalStore, record_property: Callable[[str, object], None]
) -> None:
    process = psutil.Process()
    made = store.workspace() / "film"
    await receive(pieces(64), made, limit=10**9)
    before = peak = process.memory_info().rss

    async def watched() -> AsyncIterator[bytes]:
        nonlocal peak
        async for chunk in pieces(200 * 16):
            peak = max(peak, process.memory_info().rss)
            yield chunk

    received = await receive(watched(), made, limit=10**9)
    await store.put(KEY, made)
    size = 0
    async for chunk in store.stream(KEY):
        size += len(chunk)
        peak = max(peak, process.memory_info().rss)
    assert received.size == size == 200 * MIB
    record_property("rss_growth_mib", (peak - before) / MIB)
    assert peak - before < 32 * MIB
    shutil.rmtree(store.root)


async def test_the_loop_stays_free_while_a_file_is_written(tmp_path: Path) -> None:
    gaps: list[float] = []

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.002)
            gaps.append(time.perf_counter() - before)

    heart = asyncio.create_task(beat())
    await receive(pieces(16 * 48), tmp_path / "film", limit=10**9)
    heart.cancel()
    gaps.sort()
    assert gaps[len(gaps) // 2] < 0.05
