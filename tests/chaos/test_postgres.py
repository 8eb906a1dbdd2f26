"""PostgreSQL goes away in the middle of the work, and nothing that was promised goes with it."""

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager

import psutil

from filmgate.infrastructure.embedded_postgres_cluster import locked
from tests.chaos.hammer import Hammer
from tests.chaos.processes import Member, World, note, until

RECOVERY_SECONDS = 10


@contextmanager
def kept_away(world: World) -> Generator[None, None, None]:
    """Hold the lock without which PostgreSQL is not started again."""
    descriptor = os.open(world.data / "postgres" / "server.lock", os.O_RDWR)
    try:
        until(lambda: locked(descriptor), 60, "PostgreSQL to be gone")
        yield
    finally:
        os.close(descriptor)


def cancel_all(server: Member, ids: list[str]) -> None:
    """Spare the machine the films that were only created to be counted."""
    for name in ids:
        assert server.ask("DELETE", f"/api/v1/videos/{name}").status in {200, 409}


def test_postgres_may_be_restarted_and_killed_in_the_middle_of_a_batch(world: World) -> None:
    server = world.serve()
    batch_id, ids = server.create_batch(8)
    until(world.rendering, 20, "a renderer at work")
    # Fast shutdown, as an administrator's restart is; then as when the machine runs out of memory.
    for number in (signal.SIGINT, signal.SIGKILL):
        accepted = lose_postgres(world, server, number)
        there = {row["id"] for row in world.rows("SELECT id FROM videos")}
        assert set(accepted) | set(ids) <= there
        cancel_all(server, accepted)
    begun = time.monotonic()
    until(lambda: server.finished(batch_id), 60, "the batch to finish")
    note(f"batch finished {time.monotonic() - begun:.1f} s later")
    tally = world.settled_tally(ids)
    assert tally.clean, tally
    assert "step_failed" not in server.said()
    assert "request_failed" not in server.said()


def lose_postgres(world: World, server: Member, number: signal.Signals) -> list[str]:
    """Hit PostgreSQL under a hail of creates, and return what was accepted meanwhile."""
    hammer = Hammer(server)
    with hammer.swinging():
        until(lambda: hammer.accepted, 10, "the first accepted create")
        before = world.postmaster()
        before.send_signal(number)
        with kept_away(world):
            until(lambda: hammer.refused, 20, "a refusal")
        back = until(lambda: running_again(world, before), 20, "PostgreSQL to be back")
        took = until(lambda: hammer.accepted_since(back), 20, "an accepted create") - back
    assert took < RECOVERY_SECONDS
    hammer.check_refusals()
    note(f"{number.name}: {len(hammer.accepted)} accepted, {len(hammer.refused)} refused, {took:.2f} s")
    return hammer.accepted


def running_again(world: World, before: psutil.Process) -> float:
    """Return the moment at which a new PostgreSQL answers, or 0.0."""
    try:
        return time.monotonic() if world.rows("SELECT 1") and world.postmaster() != before else 0.0
    except Exception:  # noqa: BLE001 - every way in which it does not answer means the same
        return 0.0


def test_an_idle_worker_is_as_quick_as_before_once_postgres_is_back(world: World) -> None:
    server = world.serve()
    first = server.create()
    until(lambda: server.ask("GET", f"/api/v1/videos/{first}").body["status"] == "completed", 20, "a film")
    before = world.postmaster()
    before.kill()
    back = until(lambda: running_again(world, before), 20, "PostgreSQL to be back")
    until(lambda: server.ask("GET", "/ready").status == 200, 10, "the API to be ready")
    second = server.create()
    until(lambda: server.ask("GET", f"/api/v1/videos/{second}").body["status"] == "completed", 20, "a film")
    took = time.monotonic() - back
    note(f"a film {took:.1f} s after PostgreSQL was back")
    assert took < RECOVERY_SECONDS
    # Woken, not looking round now and then: what it waits for costs it no seconds.
    begun = time.monotonic()
    third = server.create()
    until(lambda: server.ask("GET", f"/api/v1/videos/{third}").body["status"] == "completed", 20, "a film")
    note(f"the next film took {time.monotonic() - begun:.1f} s")
    assert time.monotonic() - begun < 5


def test_a_hundred_creates_are_there_after_everything_was_killed_at_the_last_answer(world: World) -> None:
    server = world.serve("--no-worker")
    ids = [server.create() for _ in range(100)]
    world.power_cut()
    server = world.serve("--no-worker")
    there = {row["id"] for row in world.rows("SELECT id FROM videos WHERE status = 'queued'")}
    assert there == set(ids)
    assert server.ask("GET", f"/api/v1/videos/{ids[-1]}").body["status"] == "pending"
