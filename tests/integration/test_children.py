"""Child processes answer, fail, die and are killed without leaving anything behind."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from filmgate.infrastructure.children import LINE_LIMIT, ChildDied, ChildFailed, ChildPool, ChildPoolClosed

pytestmark = pytest.mark.anyio

CHILD = """
import json, os, signal, sys, time

def say(**message):
    print(json.dumps(message), flush=True)

for line in sys.stdin:
    request = json.loads(line)
    match request.pop("do"):
        case "echo":
            say(done=True, pid=os.getpid(), **request)
        case "count":
            for n in range(3):
                say(frames_done=n + 1, frames=3)
            say(done=True)
        case "refuse":
            say(error="there is no such scene", kind="invalid")
        case "die":
            print("x" * 5000 + " last words", file=sys.stderr, flush=True)
            os._exit(7)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "sleep":
            say(pid=os.getpid())
            time.sleep(request["seconds"])
            say(done=True, pid=os.getpid())
        case "flood":
            say(done=True, text="x" * (2 * 1024 * 1024))
        case "babble":
            print("this is no JSON", flush=True)
            time.sleep(60)
        case "mute":
            os.close(1)
            time.sleep(60)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say(pid=os.getpid())
            while True:
                time.sleep(60)
        case "eat":
            eaten = bytearray(request["bytes"])
            say(done=True, eaten=len(eaten))
        case "look":
            import filmgate
            say(done=True, env=dict(os.environ), nice=os.nice(0), path=sys.path)
"""

PARENT = """
import asyncio, sys
from filmgate.infrastructure.children import ChildPool

async def main():
    pool = ChildPool([sys.executable, sys.argv[1]], 2)
    tell = lambda message: print(message["pid"], flush=True)
    idle = asyncio.create_task(pool.run({"do": "sleep", "seconds": 0.1}, tell))
    busy = asyncio.create_task(pool.run({"do": "busy"}, tell))
    await idle
    print("ready", flush=True)
    await busy

asyncio.run(main())
"""

# answers as a renderer does: it speaks now and then while it is busy
BUSY = CHILD.replace(
    'case "count":',
    """case "busy":
            while True:
                say(pid=os.getpid())
                time.sleep(0.05)
        case "count":""",
)

# works without a word, as the media child does, and relies on its own watch over the parent
SILENT = """
import os, time
from filmgate.infrastructure import media_child

def answered(request):
    print(os.getpid())
    open(request["path"], "w").write(str(os.getpid()))
    time.sleep(60)

media_child.answered = answered
media_child.main()
"""


@pytest.fixture(
    params=[("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
    scope="module",
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "child.py"
    path.write_text(CHILD)
    return path


@pytest.fixture
async def make(script: Path, anyio_backend: object) -> AsyncIterator[Callable[..., ChildPool]]:
    made: list[ChildPool] = []

    def new(size: int = 1, **options: object) -> ChildPool:
        made.append(ChildPool([sys.executable, str(script)], size, **options))
        return made[-1]

    yield new
    for pool in made:
        await pool.close(grace=0.5)
        assert not pool._alive
        assert not pool._endings


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if gone(pid):
            return True
        time.sleep(0.01)
    return False


async def started(pool: ChildPool, request: dict[str, object]) -> tuple[asyncio.Task[object], int]:
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(pool.run(request, lambda message: pid.set_result(message["pid"])))
    return task, await pid


async def test_a_child_answers_and_serves_again(make: Callable[..., ChildPool]) -> None:
    pool = make()
    first = await pool.run({"do": "echo", "word": "yes"})
    second = await pool.run({"do": "echo"})
    assert first == {"done": True, "word": "yes", "pid": second["pid"]}


async def test_progress_is_passed_on_in_order(make: Callable[..., ChildPool]) -> None:
    seen: list[object] = []
    assert await make().run({"do": "count"}, seen.append) == {"done": True}
    assert seen == [{"frames_done": n, "frames": 3} for n in (1, 2, 3)]


async def test_a_refusal_is_told_and_the_child_lives_on(make: Callable[..., ChildPool]) -> None:
    pool = make()
    pid = (await pool.run({"do": "echo"}))["pid"]
    with pytest.raises(ChildFailed, match="there is no such scene") as failure:
        await pool.run({"do": "refuse"})
    assert failure.value.kind == "invalid"
    assert (await pool.run({"do": "echo"}))["pid"] == pid


async def test_a_death_comes_with_code_and_last_words(make: Callable[..., ChildPool]) -> None:
    pool = make()
    with pytest.raises(ChildDied, match="exit code 7") as death:
        await pool.run({"do": "die"})
    assert death.value.exit_code == 7
    assert death.value.stderr.endswith("last words\n")
    assert len(death.value.stderr) == 2048
    assert (await pool.run({"do": "echo"}))["done"] is True


async def test_a_crash_names_its_signal(make: Callable[..., ChildPool]) -> None:
    with pytest.raises(ChildDied, match="signal 11: no last words") as death:
        await make().run({"do": "crash"})
    assert death.value.exit_code == -signal.SIGSEGV


async def test_a_child_that_dies_idle_is_replaced(make: Callable[..., ChildPool]) -> None:
    pool = make()
    pid = (await pool.run({"do": "echo"}))["pid"]
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.2)
    assert (await pool.run({"do": "echo"}))["pid"] != pid


async def test_a_cancelled_request_kills_its_child(make: Callable[..., ChildPool]) -> None:
    pool = make()
    task, pid = await started(pool, {"do": "sleep", "seconds": 60})
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(pid)
    assert (await pool.run({"do": "echo"}))["pid"] != pid


async def test_a_cancelled_wait_costs_no_slot_and_no_child(make: Callable[..., ChildPool]) -> None:
    pool = make()
    running, pid = await started(pool, {"do": "sleep", "seconds": 0.2})
    waiting = asyncio.create_task(pool.run({"do": "echo"}))
    last = asyncio.create_task(pool.run({"do": "echo"}))
    await asyncio.sleep(0.01)
    waiting.cancel()
    assert (await running)["pid"] == (await last)["pid"] == pid


async def test_a_start_that_is_cancelled_leaves_nothing(make: Callable[..., ChildPool]) -> None:
    pool = make()
    before = len(psutil.Process().children())
    for turns in range(8):
        task = asyncio.create_task(pool.run({"do": "sleep", "seconds": 60}))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await pool.close()
    await asyncio.sleep(0.2)
    assert len(psutil.Process().children()) == before


async def test_a_timeout_kills_the_child(make: Callable[..., ChildPool]) -> None:
    pool = make()
    pids: list[int] = []
    with pytest.raises(TimeoutError):
        await pool.run({"do": "sleep", "seconds": 60}, lambda it: pids.append(it["pid"]), timeout=0.3)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert (await pool.run({"do": "echo"}))["done"] is True


async def test_a_listener_that_fails_kills_the_child(make: Callable[..., ChildPool]) -> None:
    def fail(message: object) -> None:
        raise LookupError("the listener is broken")

    pool = make()
    with pytest.raises(LookupError):
        await pool.run({"do": "sleep", "seconds": 60}, fail)
    assert (await pool.run({"do": "echo"}))["done"] is True


@pytest.mark.parametrize(
    ("request_", "words"),
    [("flood", "longer than 1048576 bytes"), ("babble", "not a JSON object: b'this is no JSON")],
)
async def test_a_broken_protocol_ends_the_child(
    make: Callable[..., ChildPool], request_: str, words: str
) -> None:
    pool = make()
    pid = (await pool.run({"do": "echo"}))["pid"]
    with pytest.raises(ChildFailed, match=re.escape(words)) as failure:
        await pool.run({"do": request_})
    assert failure.value.kind == "protocol"
    assert not psutil.pid_exists(pid)
    assert (await pool.run({"do": "echo"}))["done"] is True


async def test_a_child_that_closes_its_mouth_is_ended(make: Callable[..., ChildPool]) -> None:
    pool = make()
    pid = (await pool.run({"do": "echo"}))["pid"]
    # uvloop reports the end of a pipe only together with the end of the process
    with pytest.raises((ChildDied, TimeoutError)):
        await pool.run({"do": "mute"}, timeout=1.5)
    assert not psutil.pid_exists(pid)


async def test_a_request_too_long_is_not_sent(make: Callable[..., ChildPool]) -> None:
    with pytest.raises(ChildFailed, match="request is longer"):
        await make().run({"do": "echo", "word": "x" * LINE_LIMIT})


async def test_a_long_request_and_answer_arrive(make: Callable[..., ChildPool]) -> None:
    word = "x" * (LINE_LIMIT - 200)
    assert (await make().run({"do": "echo", "word": word}))["word"] == word


async def test_requests_are_served_in_order(make: Callable[..., ChildPool]) -> None:
    pool = make()
    served: list[int] = []

    async def ask(number: int) -> None:
        await pool.run({"do": "echo"})
        served.append(number)

    await asyncio.gather(*(ask(number) for number in range(20)))
    assert served == list(range(20))


async def test_no_more_children_than_asked_for(make: Callable[..., ChildPool]) -> None:
    pool = make(2)
    before = len(psutil.Process().children())
    request = {"do": "sleep", "seconds": 0.05}
    answers = await asyncio.gather(*(pool.run(request) for _ in range(8)))
    assert len({answer["pid"] for answer in answers}) == 2
    assert len(psutil.Process().children()) - before == 2


async def test_a_child_is_retired_after_its_share(make: Callable[..., ChildPool]) -> None:
    pool = make(requests_per_child=2)
    pids = [(await pool.run({"do": "echo"}))["pid"] for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert await asyncio.to_thread(gone_within, pids[0], 2)


async def test_the_memory_limit_holds(make: Callable[..., ChildPool]) -> None:
    pool = make(memory_limit=300 * 1024 * 1024)
    assert (await pool.run({"do": "eat", "bytes": 10_000_000}))["eaten"] == 10_000_000
    with pytest.raises(ChildDied, match="MemoryError"):
        await pool.run({"do": "eat", "bytes": 500_000_000})


async def test_a_child_gets_no_secrets_but_the_package(
    make: Callable[..., ChildPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    seen = await make(env={"EXTRA": "1"}).run({"do": "look"})
    assert "DATABASE_URL" not in seen["env"]
    assert seen["env"]["LC_ALL"] == "C.UTF-8"
    assert seen["env"]["EXTRA"] == seen["env"]["OMP_NUM_THREADS"] == "1"
    assert seen["nice"] == min(os.nice(0) + 5, 19)
    assert "" not in seen["path"]


async def test_closing_lets_a_request_finish(make: Callable[..., ChildPool]) -> None:
    pool = make()
    task, pid = await started(pool, {"do": "sleep", "seconds": 0.3})
    waiting = asyncio.create_task(pool.run({"do": "echo"}))
    await asyncio.sleep(0)
    await pool.close(grace=5)
    assert (await task)["pid"] == pid
    with pytest.raises(ChildPoolClosed):
        await waiting
    with pytest.raises(ChildPoolClosed):
        await pool.run({"do": "echo"})
    assert not psutil.pid_exists(pid)


async def test_closing_ends_even_a_stubborn_child(make: Callable[..., ChildPool]) -> None:
    pool = make()
    task, pid = await started(pool, {"do": "stubborn"})
    await pool.close(grace=0.1)
    with pytest.raises(ChildDied):
        await task
    assert not psutil.pid_exists(pid)


async def test_a_pool_that_was_never_used_closes(make: Callable[..., ChildPool]) -> None:
    pool = make()
    await pool.close()
    await pool.close()


def test_a_killed_parent_leaves_no_orphans(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(BUSY)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PARENT, str(tmp_path / "child.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pids = set()
        for line in parent.stdout:
            if line == "ready\n":
                break
            pids.add(int(line))
        assert len(pids) == 2
        assert not any(gone(pid) for pid in pids)
        parent.kill()
    assert all(gone_within(pid, 2) for pid in pids)


def test_a_silent_child_notices_that_its_parent_was_killed(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(SILENT)
    code = PARENT.replace('{"do": "busy"}', '{"path": sys.argv[2]}').replace("    await idle\n", "")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    note = tmp_path / "pid"
    command = [sys.executable, "-c", code.replace('"do": "sleep"', '"path": sys.argv[2] + "2"')]
    with subprocess.Popen(
        [*command, str(tmp_path / "child.py"), str(note)], stdout=subprocess.PIPE, env=environment
    ) as parent:
        deadline = time.monotonic() + 10
        while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        pid = int(note.read_text())
        assert not gone(pid)
        parent.kill()
    assert gone_within(pid, 2)
