"""Processes are killed and frozen in the middle of their work, and each film is made once all the same."""

import random
import signal
import time

from tests.chaos.processes import LONG_FILM, Member, World, note, until

COUNT = 12
TAKEOVER_SECONDS = 30


def test_a_batch_survives_kills_at_random_moments_and_makes_each_film_once(world: World) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    server = world.serve()
    batch_id, ids = server.create_batch(COUNT)
    for everything in (False, True, False):
        moment = chance.uniform(0.2, 3.0)
        note(f"seed {seed}: killed after {moment:.2f} s with {server.counts(batch_id)}")
        time.sleep(moment)
        # First the process and its group, whose children then leave by themselves; then all at a stroke.
        world.power_cut() if everything else server.kill()
        server = world.serve()
    until(lambda: server.finished(batch_id), 90, "the batch to finish")
    tally = world.settled_tally(ids)
    assert tally.videos == {"completed": COUNT}
    assert tally.clean, tally
    assert tally.attempts["succeeded"] == COUNT
    assert tally.attempts.total() - tally.attempts["not_created"] == COUNT


def test_children_of_a_killed_server_leave_by_themselves(world: World) -> None:
    server = world.serve()
    server.create(LONG_FILM)
    until(world.drawing, 30, "a film half drawn")
    assert len(world.processes()) > 3
    server.kill()
    until(lambda: not world.processes(), 15, "renderer and PostgreSQL to be gone")


def test_a_worker_takes_over_from_a_killed_one_and_from_a_frozen_one_that_wakes_up_too_late(
    world: World,
) -> None:
    api = world.serve("--no-worker")
    frozen = world.work()
    one = api.create(LONG_FILM / 2)
    late = until(lambda: runner_of(world, one), 20, "the first worker to draw")
    frozen.send(signal.SIGSTOP)
    since_frozen = time.monotonic()
    killed = world.work()
    other = api.create(LONG_FILM / 4)
    dead = until(lambda: runner_of(world, other), 20, "the second worker to draw")
    world.work()
    killed.kill()
    since_killed = time.monotonic()
    until(lambda: runner_of(world, one) not in {"", late}, TAKEOVER_SECONDS, "the frozen one's film to go on")
    note(f"taken over {time.monotonic() - since_frozen:.1f} s after the freeze")
    # It wakes up in the middle of the other's drawing, believing that the film is still its own.
    frozen.send(signal.SIGCONT)
    rest = TAKEOVER_SECONDS - (time.monotonic() - since_killed)
    until(
        lambda: tries_of(world, other) != 1 or completed(api, other), rest, "the killed one's film to go on"
    )
    note(f"taken over {time.monotonic() - since_killed:.1f} s after the kill")
    assert late != dead
    until(lambda: completed(api, one) and completed(api, other), 90, "both films")
    tally = world.settled_tally([one, other])
    assert tally.clean, tally
    assert tally.attempts == {"succeeded": 2}
    assert world.value("SELECT count(*) FROM pgqueuer WHERE status = 'failed'") == 0
    assert frozen.process.poll() is None


def test_a_worker_takes_postgres_over_when_its_owner_is_killed_and_finishes_the_batch(world: World) -> None:
    api = world.serve("--no-worker")
    worker = world.work()
    batch_id, ids = api.create_batch(6)
    until(world.rendering, 20, "a film being drawn")
    begun = time.monotonic()
    api.kill()
    api = world.serve("--no-worker")
    note(f"an API again {time.monotonic() - begun:.1f} s after the kill")
    assert world.postmaster().ppid() == worker.pid
    until(lambda: api.finished(batch_id), 60, "the batch to finish")
    note(f"batch finished {time.monotonic() - begun:.1f} s after the kill")
    tally = world.settled_tally(ids)
    assert tally.clean, tally
    # A job whose sending the lost connection cut short was never created; it is ordered again.
    assert tally.attempts["succeeded"] == 6
    assert set(tally.attempts) <= {"succeeded", "not_created"}
    # Nothing is owed to the one that went: both still end as they should.
    assert [world.stop(member, 20) for member in (api, worker)] == [0, 0]


def runner_of(world: World, video_id: str) -> str:
    """Return which worker draws a film."""
    rows = world.rows("SELECT runner FROM renders WHERE id = $1 AND state = 'processing'", video_id)
    return rows[0]["runner"] if rows and rows[0]["runner"] else ""


def tries_of(world: World, video_id: str) -> int:
    """Return how often a film was begun, 0 where it is home already."""
    rows = world.rows("SELECT tries FROM renders WHERE id = $1", video_id)
    return rows[0]["tries"] if rows else 0


def completed(api: Member, video_id: str) -> bool:
    status = api.ask("GET", f"/api/v1/videos/{video_id}").body.get("status")
    assert status in {"pending", "processing", "completed"}, status
    return status == "completed"
