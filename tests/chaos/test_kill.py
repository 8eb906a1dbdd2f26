"""Processes are killed and frozen in the middle of their work, and each film is made once all the same."""

import random
import signal
import time

from tests.chaos.processes import LONG_FILM, Member, World, note, until

TAKEOVER_SECONDS = 30
LEASE_SECONDS = 10


def test_a_batch_survives_kills_at_random_moments_and_makes_each_film_once(world: World) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    server = world.serve()
    batch_id, ids = server.create_batch(16)
    for everything in (False, True, False):
        moment = chance.uniform(0.2, 3.0)
        note(f"seed {seed}: killed after {moment:.2f} s with {server.counts(batch_id)}")
        time.sleep(moment)
        # First the process and its group, whose children then leave by themselves; then all at a stroke.
        world.power_cut() if everything else server.kill()
        server = world.serve()
    until(lambda: server.finished(batch_id), 90, "the batch to finish")
    tally = world.settled_tally(ids)
    assert tally.videos == {"completed": 16}
    assert tally.clean, tally
    assert tally.attempts["succeeded"] == 16
    assert tally.attempts.total() - tally.attempts["not_created"] == 16


def test_children_of_a_killed_server_leave_by_themselves(world: World) -> None:
    server = world.serve()
    server.create(LONG_FILM)
    until(world.drawing, 30, "a film half drawn")
    assert len(world.processes()) > 3
    server.kill()
    until(lambda: not world.processes(), 15, "renderer and PostgreSQL to be gone")


def test_another_worker_takes_over_what_a_killed_one_was_drawing(world: World) -> None:
    api, first, second = start_shared(world)
    video_id = api.create(LONG_FILM / 4)
    runner = until(lambda: runner_of(world, video_id), 20, "a worker to draw it")
    killed = first if is_runner(world, first, runner) else second
    killed.kill()
    begun = time.monotonic()
    until(lambda: runner_of(world, video_id) not in {"", runner}, TAKEOVER_SECONDS, "the other worker")
    note(f"taken over {time.monotonic() - begun:.1f} s after the kill")
    until(lambda: completed(api, video_id), 90, "the film")
    tally = world.settled_tally([video_id])
    assert tally.clean, tally
    assert tally.attempts.total() == 1


def test_a_worker_that_wakes_up_after_its_work_was_taken_over_changes_nothing(world: World) -> None:
    api, first, second = start_shared(world)
    video_id = api.create(LONG_FILM)
    runner = until(lambda: runner_of(world, video_id), 20, "a worker to draw it")
    frozen = first if is_runner(world, first, runner) else second
    frozen.send(signal.SIGSTOP)
    begun = time.monotonic()
    until(lambda: runner_of(world, video_id) not in {"", runner}, TAKEOVER_SECONDS, "the other worker")
    note(f"taken over {time.monotonic() - begun:.1f} s after the freeze")
    assert time.monotonic() - begun > LEASE_SECONDS / 2
    # It wakes up in the middle of the other's drawing, believing that the film is still its own.
    frozen.send(signal.SIGCONT)
    until(lambda: completed(api, video_id), 90, "the film")
    tally = world.settled_tally([video_id])
    assert tally.clean, tally
    assert tally.attempts.total() == 1
    assert api.ask("GET", f"/api/v1/videos/{video_id}").body["error"] is None
    assert world.value("SELECT count(*) FROM pgqueuer WHERE status = 'failed'") == 0


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
    assert tally.attempts == {"succeeded": 6}
    # Nothing is owed to the one that went: both still end as they should.
    assert [world.stop(member, 20) for member in (api, worker)] == [0, 0]


def start_shared(world: World) -> tuple[Member, Member, Member]:
    """Start an API, which owns PostgreSQL, and two workers on the same data folder."""
    api = world.serve("--no-worker")
    workers = [world.work(), world.work()]
    return api, workers[0], workers[1]


def runner_of(world: World, video_id: str) -> str:
    """Return which worker draws a film."""
    rows = world.rows("SELECT runner FROM renders WHERE id = $1 AND state = 'processing'", video_id)
    return rows[0]["runner"] if rows and rows[0]["runner"] else ""


def is_runner(world: World, member: Member, runner: str) -> bool:
    return world.value("SELECT pid FROM workers WHERE id = $1", runner) == member.pid


def completed(api: Member, video_id: str) -> bool:
    status = api.ask("GET", f"/api/v1/videos/{video_id}").body.get("status")
    assert status in {"pending", "processing", "completed"}, status
    return status == "completed"
