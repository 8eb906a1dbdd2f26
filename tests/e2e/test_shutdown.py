"""A process that is asked to end takes nothing more, leaves nothing half done behind, and is soon gone."""

import os
import signal
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.chaos import processes
from tests.chaos.processes import LONG_FILM, World, note, until

DRAIN_SECONDS = 1
MORE_SECONDS = 7


@pytest.fixture
def world(tmp_path: Path) -> Generator[World, None, None]:
    with processes.world(tmp_path / "world") as lent:
        yield lent


def test_sigterm_hands_back_a_long_film_and_the_next_start_finishes_it(world: World) -> None:
    server = world.serve(DRAIN_SECONDS=str(DRAIN_SECONDS))
    video_id = server.create(LONG_FILM)
    until(world.drawing, 40, "a film half drawn")
    begun = time.monotonic()
    assert world.stop(server) == 0
    took = time.monotonic() - begun
    note(f"gone {took:.1f} s after SIGTERM, with {DRAIN_SECONDS} s to drain")
    assert took < DRAIN_SECONDS + MORE_SECONDS
    assert world.processes() == []
    assert "Traceback" not in server.said()
    server = world.serve("--no-worker")
    steps = world.rows("SELECT entrypoint, status::text FROM pgqueuer")
    assert [tuple(step) for step in steps] == [("render", "queued")]
    # Being handed back is not the film's fault, so it does not count against it.
    assert [tuple(row) for row in world.rows("SELECT state, tries FROM renders")] == [("pending", 0)]
    assert world.value("SELECT count(*) FROM workers") == 0
    world.work()
    until(lambda: is_completed(server, video_id), 60, "the film")
    tally = world.settled_tally([video_id])
    assert tally.clean, tally
    assert tally.attempts.total() == 1


def test_a_second_sigterm_ends_it_at_once(world: World) -> None:
    server = world.serve(DRAIN_SECONDS="60")
    server.create(LONG_FILM)
    until(world.drawing, 40, "a film half drawn")
    server.send(signal.SIGTERM)
    time.sleep(0.5)
    assert server.process.poll() is None, "it should be waiting for its film"
    begun = time.monotonic()
    server.send(signal.SIGTERM)
    assert server.process.wait(5) == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 1
    until(lambda: not world.processes(), 15, "its children to be gone")
    assert "Traceback" not in server.said()


def test_ctrl_c_is_quiet_and_leaves_nothing_half_sent(world: World) -> None:
    server = world.serve()
    worker = world.work()
    server.create_batch(6)
    until(world.rendering, 20, "a film being drawn")
    for member in (worker, server):
        # A terminal sends it to the whole group.
        os.killpg(member.pid, signal.SIGINT)
        assert member.process.wait(15) == 0
        assert "Traceback" not in member.said()
        assert "KeyboardInterrupt" not in member.said()
    assert world.processes() == []
    world.serve("--no-worker")
    assert world.value("SELECT count(*) FROM pgqueuer WHERE status <> 'queued'") == 0
    assert world.value("SELECT count(*) FROM attempts WHERE state = 'sending'") == 0


def is_completed(server: processes.Member, video_id: str) -> bool:
    return server.ask("GET", f"/api/v1/videos/{video_id}").body.get("status") == "completed"
