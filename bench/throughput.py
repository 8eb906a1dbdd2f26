"""Measure committed creates and status reads per second, side by side with Fastify and pg."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench.ground import PEERS, Postgres, Server, fastify, filmgate, fingerprint_sql, folder
from bench.load import CONNECTIONS, Window, press
from bench.machine import Cores, load, median, spread
from bench.report import Result, Target, table

RATIO = 1.5
_IDS = 5000


def measure(cores: Cores, *, rounds: int, quick: bool) -> Result:
    """Take turns: creates of one, creates of the other, reads of one, reads of the other; and again."""
    seconds = 2 if quick else 4
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        postgres = stack.enter_context(Postgres(home / "postgres"))
        schema = (PEERS / "fastify" / "schema.sql").read_text("utf-8") + fingerprint_sql()
        ours = stack.enter_context(filmgate(cores, home, postgres.create("filmgate_bench")))
        peer = stack.enter_context(fastify(cores, home, postgres.create("fastify_bench", schema)))
        windows = _take_turns(postgres, (ours, peer), home, rounds, seconds)
    return _result(windows, cores, seconds)


def _take_turns(
    postgres: Postgres, servers: Sequence[Server], home: Path, rounds: int, seconds: int
) -> dict[str, dict[str, list[Window]]]:
    for server in servers:
        press(server, postgres, "create", 2)
    ids = {server.name: _ids_of(postgres, server, home) for server in servers}
    for server in servers:
        press(server, postgres, "read", 1, ids[server.name])
    windows: dict[str, dict[str, list[Window]]] = {
        kind: {server.name: [] for server in servers} for kind in ("create", "read")
    }
    for number in range(rounds):
        # Who goes first changes, so that neither always meets the warmer machine.
        order = servers if number % 2 == 0 else tuple(reversed(servers))
        for kind in ("create", "read"):
            for server in order:
                window = press(server, postgres, kind, seconds, ids[server.name])
                windows[kind][server.name].append(window)
        # What one wrote must not be cleared away on the other's time.
        postgres.run("CHECKPOINT", "postgres")
        for database in ("filmgate_bench", "fastify_bench"):
            postgres.run("VACUUM (ANALYZE) videos", database)
    return windows


def _ids_of(postgres: Postgres, server: Server, home: Path) -> Path:
    database = f"{server.name.lower()}_bench"
    ids = postgres.column(f"SELECT id FROM videos ORDER BY id LIMIT {_IDS}", database)
    path = home / f"{server.name}.ids"
    path.write_text("\n".join(str(name) for name in ids) + "\n", "utf-8")
    return path


def _result(windows: dict[str, dict[str, list[Window]]], cores: Cores, seconds: int) -> Result:
    rows: list[list[str]] = []
    targets: list[Target] = []
    for kind, of_server in windows.items():
        ours, peer = of_server["filmgate"], of_server["Fastify"]
        for name, chosen in of_server.items():
            low, high = spread([window.per_second for window in chosen])
            rows.append(
                [
                    f"{kind}s, {name}",
                    f"{_middle(chosen, 'per_second'):,.0f}",
                    f"{low:,.0f}–{high:,.0f}",
                    f"**{_middle(chosen, 'server_us'):.0f}**",
                    f"{_middle(chosen, 'postgres_us'):.0f}",
                    f"{_middle(chosen, 'p50_us') / 1000:.1f} / {_middle(chosen, 'p99_us') / 1000:.1f}",
                ]
            )
        rate = median([a.per_second / b.per_second for a, b in zip(ours, peer, strict=True)])
        core = median([b.server_us / a.server_us for a, b in zip(ours, peer, strict=True)])
        store = median([b.postgres_us / a.postgres_us for a, b in zip(ours, peer, strict=True)])
        rows.append(
            [f"**ratio of {kind}s**", f"**{rate:.2f}×**", "", f"**{core:.2f}×**", f"{store:.2f}×", ""]
        )
        targets += [
            Target(f"{kind}s per second, against Fastify", rate, RATIO, "×", more_is_better=True),
            Target(
                f"{kind}s per CPU second of the API, against Fastify", core, RATIO, "×", more_is_better=True
            ),
        ]
    where = (
        "the server pinned to one core, PostgreSQL and wrk to the other"
        if cores.apart
        else "everything on the one core there is, so only the CPU columns mean anything"
    )
    rounds = len(windows["create"]["filmgate"])
    text = (
        f"{CONNECTIONS} connections, one committed row per create, key checked and body validated, one log "
        f"line per request; {where}; medians of {rounds} windows of {seconds} s each, taken in turns; ratios "
        "are medians of the ratios of neighbouring windows. The peer commits each create by itself; filmgate "
        "commits those that arrive together in one statement.\n\n"
        + table(
            ["", "per second", "from–to", "server CPU, µs each", "PostgreSQL CPU, µs each", "p50 / p99, ms"],
            rows,
        )
    )
    raw = {kind: {name: [asdict(w) for w in ws] for name, ws in of.items()} for kind, of in windows.items()}
    return Result("Creates and reads", text, {"windows": raw, "load": load()}, targets)


def _middle(windows: Sequence[Window], name: str) -> float:
    return median([getattr(window, name) for window in windows])
