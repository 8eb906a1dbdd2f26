"""PostgreSQL stops answering without being gone: nobody waits for ever, and nothing is lost or made twice."""

import time

from tests.chaos.hammer import Hammer, Insister
from tests.chaos.processes import World, note, until

FROZEN_SECONDS = 10
# Less than four, and what a busy machine adds.
ANSWER_SECONDS = 8


def test_creates_are_refused_within_seconds_while_postgres_is_frozen_and_go_on_afterwards(
    world: World,
) -> None:
    server = world.serve()
    batch_id, ids = server.create_batch(4)
    until(world.rendering, 30, "a renderer at work")
    hammer, insister = Hammer(server, pause=0.05), Insister(server)
    with hammer.swinging(), insister.insisting():
        until(lambda: hammer.accepted and insister.accepted, 30, "the first accepted creates")
        with world.frozen_postgres():
            since = time.monotonic()
            time.sleep(FROZEN_SECONDS)
            during = [answer for when, answer in hammer.answers if when > since + ANSWER_SECONDS]
        thawed = time.monotonic()
        until(lambda: hammer.accepted_since(thawed), 30, "an accepted create")
        took = time.monotonic() - thawed
    note(
        f"{len(hammer.accepted)} accepted, {len(hammer.refused)} refused, {max(hammer.seconds):.2f} s at most"
        f", back after {took:.2f} s; {len(insister.accepted)} keyed creates sent {insister.sent} times"
    )
    assert max(hammer.seconds) < ANSWER_SECONDS
    assert during, "creates were answered while PostgreSQL was frozen"
    assert {answer.status for answer in during} == {503}
    unknown = hammer.check_refusals()
    assert insister.sent > len(insister.accepted), "a keyed create was sent again"
    until(lambda: server.ask("GET", "/ready").status == 200, 30, "the API to be ready")
    assert_once(world, hammer, insister, len(unknown), ids)
    for name in (*hammer.accepted, *insister.accepted.values()):
        assert server.ask("DELETE", f"/api/v1/videos/{name}").status in {200, 409}
    until(lambda: server.finished(batch_id), 60, "the batch to finish")
    tally = world.settled_tally(ids)
    assert set(tally.videos) == {"completed"}
    assert tally.duplicates == []
    assert "step_failed" not in server.said()
    assert "request_failed" not in server.said()


def assert_once(world: World, hammer: Hammer, insister: Insister, unknown: int, ids: list[str]) -> None:
    """Whatever was accepted is there, and beyond it only what nobody could tell."""
    rows = world.rows("SELECT id, metadata->>'name' AS name FROM videos")
    keyed = {row["name"]: row["id"] for row in rows if row["name"]}
    assert keyed == insister.accepted
    assert len(rows) == len({row["id"] for row in rows})
    plain = {row["id"] for row in rows if not row["name"]}
    wanted = set(hammer.accepted) | set(ids)
    assert wanted <= plain
    assert len(plain) <= len(wanted) + unknown


def test_a_short_freeze_costs_nothing_but_time(world: World) -> None:
    server = world.serve("--no-worker")
    hammer = Hammer(server, threads=1, pause=0.05)
    with hammer.swinging():
        until(lambda: hammer.accepted, 30, "the first accepted create")
        with world.frozen_postgres():
            time.sleep(0.7)
        thawed = time.monotonic()
        until(lambda: hammer.accepted_since(thawed), 30, "an accepted create")
    assert {answer.status for _, answer in hammer.answers} == {202}
    there = {row["id"] for row in world.rows("SELECT id FROM videos")}
    assert there == set(hammer.accepted)
