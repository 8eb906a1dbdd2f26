"""Ten thousand videos wait in a lane of five, and nobody else notices."""

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres
from tests.chaos import processes
from tests.chaos.processes import KEY, Member, World, note, until
from tests.e2e.latency import Line, Pairs, side_by_side

WAITING = 10_000
SLOTS = 5
WORKERS = 3
PAIRS = 50
MODEL = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"
_ORDER = {"model": "film", "duration": 1, "resolution": "480x832", "audio": False}
# By their prompts the twin's book tells them apart.
BUSY, CALM = ({**_ORDER, "prompt": prompt} for prompt in ("rain", "snow"))
# Medians differ by far less; see `python3 dev.py bench --only waiting`.
MOST_RATIO = 2.0
_SETTINGS = """
[providers.vllm]
wire = "vllm"
base_url = "{twin}/vllm/v1"
[providers.vllm.models."{model}"]
[lanes.vllm]
max_in_flight = {slots}
[routes]
film = ["vllm/{model}"]
"""


@dataclass(frozen=True)
class Stage:
    """Two gateways on two databases of one PostgreSQL, alike but for how many videos wait."""

    busy: World
    calm: World
    twin: str
    api: Member
    calm_api: Member
    other_key: str

    def ledger(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.twin}/_twin/ledger?prompt=rain", timeout=60) as answer:
            return json.load(answer)


@pytest.fixture
def stage(tmp_path: Path) -> Generator[Stage, None, None]:
    with ExitStack() as stack:
        busy = stack.enter_context(processes.world(tmp_path / "busy"))
        calm = stack.enter_context(processes.world(tmp_path / "calm"))
        runner = stack.enter_context(asyncio.Runner())
        postgres = EmbeddedPostgres(busy.root / "postgres")
        dsn = runner.run(postgres.start())
        try:
            for world in (busy, calm):
                world.database_url = runner.run(made(dsn, world.root.name))
            yield staged(busy, calm)
        finally:
            for member in (*busy.members, *calm.members):
                member.kill()
            runner.run(postgres.stop())


async def made(dsn: str, name: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return f"{dsn.rsplit('/', 1)[0]}/{name}"


def staged(busy: World, calm: World) -> Stage:
    """Start everything, as much of it at once as can be."""
    twin = busy.launch("twin", "--port", "0", "--seed", "5", "--speed", "20")
    address = busy.wait_for(twin, r"Bill +(http://[^/]+)/")
    for world in (busy, calm):
        text = _SETTINGS.format(twin=address, model=MODEL, slots=SLOTS)
        (world.root / "filmgate.toml").write_text(text)
    apis = [world.start("serve", "--port", "0", "--no-worker") for world in (busy, calm)]
    urls = [busy.wait_for(api, r"  API +(http://\S+)/api/v1") for api in apis]
    keys = busy.launch("keys", "create", "somebody-else", "--data", str(busy.data))
    workers = [world.start("worker") for world in (busy, calm) for _ in range(WORKERS)]
    for worker in workers:
        busy.wait_for(worker, "(worker ready)")
    assert keys.process.wait(30) == 0
    found = re.search(r"^fg_\S+$", keys.said(), re.MULTILINE)
    assert found is not None, keys.said()
    api, calm_api = (Member(one.process, one.log, at) for one, at in zip(apis, urls, strict=True))
    return Stage(busy, calm, address, api, calm_api, found[0])


def test_ten_thousand_waiting_videos_slow_nobody_down_and_hold_nobody_up(stage: Stage) -> None:
    began = time.monotonic()
    for api, orders in ((stage.calm_api, [CALM] * 4 * SLOTS), (stage.api, [BUSY] * WAITING)):
        accepted = api.ask("POST", "/api/v1/videos/batch", {"videos": orders}, timeout=60)
        assert accepted.status == 202, accepted
    note(f"{WAITING} accepted after {time.monotonic() - began:.1f} s")
    taken = "SELECT count(*) FROM attempts WHERE state = 'accepted'"
    for world in (stage.busy, stage.calm):
        until(lambda world=world: world.value(taken) == SLOTS, 90, "the lane to be full")
    assert_as_quick_as_without(stage)
    assert_next(stage)
    assert_never_more_than_the_slots(stage)


def assert_as_quick_as_without(stage: Stage) -> None:
    creates, reads = Pairs(), Pairs()
    calm, busy = Line(stage.calm_api.url, KEY), Line(stage.api.url, KEY)
    side_by_side(calm, busy, (CALM, BUSY), 5, creates=Pairs(), reads=Pairs())
    side_by_side(calm, busy, (CALM, BUSY), PAIRS, creates=creates, reads=reads)
    calm.close()
    busy.close()
    note(f"creates: {creates}; reads: {reads}")
    assert stage.busy.value("SELECT count(*) FROM videos WHERE admitted_at IS NULL") > WAITING - 1000
    assert creates.ratio < MOST_RATIO
    assert reads.ratio < MOST_RATIO


def assert_next(stage: Stage) -> None:
    """The one video of another key has at most one before it, of all that waited when it came."""
    line = Line(stage.api.url, stage.other_key)
    _, video = line.timed("POST", "/api/v1/videos", BUSY, 202)
    line.close()
    answered = datetime.now(UTC)
    sql = "SELECT admitted_at FROM videos WHERE id = $1"
    admitted = until(lambda: stage.busy.value(sql, video["jobId"]), 60, "the single video to be let through")
    before = stage.busy.value(
        "SELECT count(*) FROM videos WHERE admitted_at > $1 AND admitted_at < $2", answered, admitted
    )
    note(f"let through after {before} others, {(admitted - answered).total_seconds():.2f} s later")
    assert before <= 1


def assert_never_more_than_the_slots(stage: Stage) -> None:
    """By the twin's own book: each job takes room from its request to its end."""
    until(lambda: len(stage.ledger()["entries"]) > 2 * SLOTS, 60, "two turns of the lane")
    bill = stage.ledger()
    moments: list[tuple[float, int]] = []
    for entry in bill["entries"]:
        moments.append((entry["at"], 1))
        if entry["ended_at"] is not None:
            moments.append((entry["ended_at"], -1))
    under_way = most = 0
    for _, change in sorted(moments):
        under_way += change
        most = max(most, under_way)
    assert most == SLOTS
    assert bill["summary"]["duplicates_by_reference"] == []
    senders = stage.busy.value("SELECT count(DISTINCT sent_by) FROM attempts")
    note(f"{len(bill['entries'])} sent by {senders} workers, at most {most} under way")
    assert senders > 1
