"""Kill, freeze and cut, by a seed, while the work goes on."""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress

import asyncpg

from bench.proof.stage import Role, Stage

_FROZEN_SECONDS = 15.0
_CUT_SECONDS = 1.0
_CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5
"""
_WEIGHTS = {
    "worker killed": 40,
    "gateway killed": 20,
    "worker frozen 15 s": 10,
    "gateway frozen 15 s": 4,
    "all workers killed at once": 4,
    "PostgreSQL killed": 8,
    "half of the database connections cut": 8,
    "vendors' port closes connections 1 s": 6,
}
# Each of these happens at least once in every storm.
_FIRST = ("worker killed", "PostgreSQL killed", "worker frozen 15 s", "gateway killed")


class Storm:
    """Harm one thing after the other until told to stop."""

    def __init__(self, stage: Stage, seed: int, every: tuple[float, float]) -> None:
        self._stage = stage
        self._chance = random.Random(f"{seed} storm")
        self._every = every
        self._over = threading.Event()
        self._frozen: dict[str, tuple[Role, float]] = {}
        self._thread = threading.Thread(target=self._rage, daemon=True)
        self.happened: Counter[str] = Counter()
        self.failures: list[str] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and thaw what is frozen."""
        self._over.set()
        self._thread.join(60)
        for role, _ in self._frozen.values():
            _signal(role, signal.SIGCONT)
        self._frozen.clear()

    def _rage(self) -> None:
        planned = list(_FIRST)
        while not self._over.wait(self._chance.uniform(*self._every)):
            self._thaw()
            self._revive()
            what = planned.pop(0) if planned else self._drawn()
            try:
                self._do(what)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.failures.append(f"{what}: {type(error).__name__} {error}")
            else:
                self.happened[what] += 1

    def _revive(self) -> None:
        """Start again what has ended by itself: forgiven only where the database was away as it began."""
        for name, was_ready in self._stage.revive():
            if was_ready:
                self.failures.append(f"{name} ended by itself")
            else:
                self.happened["a start failed for want of the database"] += 1

    def _drawn(self) -> str:
        return self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]

    def _do(self, what: str) -> None:
        stage = self._stage
        match what:
            case "worker killed":
                self._kill(self._chance.choice(stage.workers))
            case "gateway killed":
                self._kill(self._chance.choice(stage.gateways))
            case "all workers killed at once":
                for role in stage.workers:
                    self._kill(role)
            case "worker frozen 15 s":
                self._freeze(self._chance.choice(stage.workers))
            case "gateway frozen 15 s":
                self._freeze(stage.gateways[1])
            case "PostgreSQL killed":
                stage.crash_postgres()
            case "half of the database connections cut":
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    stage.world.rows(_CUT)
            case _:
                stage.twin("POST", "/_twin/faults", {"fault": "close-on-accept", "seconds": _CUT_SECONDS})

    def _kill(self, role: Role) -> None:
        self._frozen.pop(role.name, None)
        self._stage.kill(role)

    def _freeze(self, role: Role) -> None:
        self._frozen[role.name] = (role, time.monotonic() + _FROZEN_SECONDS)
        _signal(role, signal.SIGSTOP)

    def _thaw(self) -> None:
        for name, (role, until) in list(self._frozen.items()):
            if time.monotonic() >= until:
                _signal(role, signal.SIGCONT)
                del self._frozen[name]


def _signal(role: Role, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(role.running.pid, number)
