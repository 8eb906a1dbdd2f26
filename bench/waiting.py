"""Measure whether ten thousand waiting videos slow anybody down, against a gateway where none wait."""

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

from bench.ground import KEY, CannotMeasure, Postgres, filmgate, folder, request
from bench.machine import Cores, load, median, spread
from bench.report import Result, Target, table
from tests.e2e.latency import Line, Pairs, p95, side_by_side

WAITING = 10_000
SLOTS = 5
RATIO = 1.2
_PAIRS = 200
_ORDER = {"model": "procedural-1", "prompt": "rain", "duration": 1, "resolution": "360x360", "audio": False}
_SETTINGS = f"[lanes.embedded]\nmax_in_flight = {SLOTS}\n"
_EMPTY, _FULL = "waiting_none", "waiting_many"


def measure(cores: Cores, *, rounds: int, quick: bool) -> Result:
    """Send the same requests to both, in turns, one at a time."""
    pairs = 40 if quick else _PAIRS
    creates: list[Pairs] = []
    reads: list[Pairs] = []
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        postgres = stack.enter_context(Postgres(home / "postgres"))
        urls = [stack.enter_context(_gateway(cores, postgres, name)) for name in (_EMPTY, _FULL)]
        _fill(urls[1], postgres)
        lines = [Line(url, KEY) for url in urls]
        for line in lines:
            stack.callback(line.close)
        _measure_once(lines, 20)
        for _ in range(rounds):
            created, read = _measure_once(lines, pairs)
            creates.append(created)
            reads.append(read)
            _settle(postgres)
    return _result(creates, reads, pairs)


@contextmanager
def _gateway(cores: Cores, postgres: Postgres, database: str) -> Generator[str, None, None]:
    with folder() as home:
        (home / "filmgate.toml").write_text(_SETTINGS, "utf-8")
        with filmgate(cores, home, postgres.create(database)) as server:
            yield server.url


def _fill(url: str, postgres: Postgres) -> None:
    """Have so many accepted that the lane is full and the rest wait."""
    for count in (SLOTS, WAITING):
        rows = json.dumps({"videos": [_ORDER] * count}).encode()
        status, answer = request(f"{url}/api/v1/videos/batch", rows)
        if status != 202:
            raise CannotMeasure(f"{count} videos were not accepted: {answer[:300]!r}")
        if count == SLOTS:
            # No worker takes them, so they are let through by hand.
            postgres.run("UPDATE videos SET admitted_at = now()", _FULL)
    postgres.run("VACUUM (ANALYZE) videos", _FULL)


def _measure_once(lines: list[Line], pairs: int) -> tuple[Pairs, Pairs]:
    creates, reads = Pairs(), Pairs()
    side_by_side(lines[0], lines[1], (_ORDER, _ORDER), pairs, creates=creates, reads=reads)
    return creates, reads


def _settle(postgres: Postgres) -> None:
    """Take away what was created, so that as many wait in the next round as in this one."""
    for database in (_EMPTY, _FULL):
        postgres.run("DELETE FROM videos WHERE batch_id IS NULL", database)
        postgres.run("VACUUM (ANALYZE) videos", database)
    postgres.run("CHECKPOINT", "postgres")


def _result(creates: list[Pairs], reads: list[Pairs], pairs: int) -> Result:
    rows: list[list[str]] = []
    targets: list[Target] = []
    for kind, of in (("create", creates), ("status read", reads)):
        ratios = [pair.ratio for pair in of]
        low, high = spread(ratios)
        rows.append(
            [
                f"{kind}s",
                _figures([value for pair in of for value in pair.one]),
                _figures([value for pair in of for value in pair.other]),
                f"**{median(ratios):.2f}×**",
                f"{low:.2f}–{high:.2f}",
            ]
        )
        what = f"{kind}s with {WAITING:,} videos waiting, against none"
        targets.append(Target(what, median(ratios), RATIO, "×"))
    text = (
        f"Two gateways on two databases of one PostgreSQL, alike but for {WAITING:,} videos that wait in a "
        f"lane of {SLOTS} at the second one. One request at a time on a connection that stays open, at both "
        f"in turns; {len(creates)} rounds of {pairs} creates and as many reads each. The ratio is the median "
        "of the rounds' ratios of medians.\n\n"
        + table(["", "none wait, p50 / p95, ms", f"{WAITING:,} wait", "ratio", "from–to"], rows)
    )
    raw = {"creates": [asdict(pair) for pair in creates], "reads": [asdict(pair) for pair in reads]}
    return Result("Ten thousand waiting", text, {**raw, "load": load()}, targets)


def _figures(values: list[float]) -> str:
    return f"{median(values):.2f} / {p95(values):.2f}"
