"""Kill everything in the middle of a batch, again and again, and count what that cost.

Run as ``python -m bench.kills --rounds 20``. Each round has a new data folder and kills it once, a random
moment after a random number of films is done: odd rounds kill the process group of ``filmgate serve``, even
rounds PostgreSQL and all children too.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.processes import Tally, World, until

_FINISH_SECONDS = 240
_UNDER_WAY = """
    SELECT a.state || coalesce('/' || r.state, '') AS at FROM attempts a
    LEFT JOIN renders r ON r.id = a.provider_job_id JOIN videos v ON v.id = a.video_id
    WHERE v.status = 'in_progress'
"""


@dataclass(frozen=True)
class Round:
    """What one round showed."""

    number: int
    everything: bool
    moment: float
    done: int
    under_way: Counter[str]
    ready: float
    seconds: float
    tally: Tally

    def __str__(self) -> str:
        attempts = ", ".join(f"{count} {state}" for state, count in sorted(self.tally.attempts.items()))
        under_way = " ".join(f"{state}:{count}" for state, count in sorted(self.under_way.items()))
        return (
            f"| {self.number} | {'everything' if self.everything else 'group'} | {self.moment:.2f} "
            f"| {self.done} | {under_way} | {self.ready:.1f} | {self.seconds:.1f} | {attempts} "
            f"| {len(self.tally.duplicates)} | {'yes' if self.tally.clean else self.complaints()} |"
        )

    def complaints(self) -> str:
        """Say what is not as it should be."""
        return "; ".join([str(dict(self.tally.videos)), *self.tally.duplicates, *self.tally.steps_left])


HEAD = (
    "| round | killed | moment s | done | under way after restart | ready s | finished s | attempts "
    "| duplicates | clean |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def play(number: int, size: int, chance: random.Random, folder: Path) -> Round:
    """Play one round: a batch, a kill, a restart, and the count."""
    world = World(folder)
    enough, more = chance.randrange(size), chance.uniform(0.0, 0.6)
    everything = number % 2 == 0
    try:
        server = world.serve()
        begun = time.monotonic()
        batch_id, ids = server.create_batch(size)
        until(lambda: server.counts(batch_id)["completed"] >= enough, _FINISH_SECONDS, "the moment")
        time.sleep(more)
        moment = time.monotonic() - begun
        if everything:
            world.power_cut()
        else:
            server.kill()
        restarted = time.monotonic()
        server = world.serve()
        ready = time.monotonic() - restarted
        under_way = Counter(row["at"] for row in world.rows(_UNDER_WAY))
        done = server.counts(batch_id)["completed"]
        until(lambda: server.finished(batch_id), _FINISH_SECONDS, f"round {number} in {folder}")
        seconds = time.monotonic() - restarted
        tally = world.settled_tally(ids)
        world.stop(server)
        return Round(number, everything, moment, done, under_way, ready, seconds, tally)
    finally:
        left = world.close()
        if left:
            print("still running:", *left, sep="\n  ")


def main() -> int:
    """Play the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--size", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    print(f"seed {asked.seed}, {asked.rounds} rounds, {asked.size} videos each\n\n{HEAD}", flush=True)
    clean = 0
    for number in range(1, asked.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="filmgate-kills-", ignore_cleanup_errors=True) as folder:
            shown = play(number, asked.size, chance, Path(folder))
        print(shown, flush=True)
        clean += shown.tally.clean
    print(f"\n{clean} of {asked.rounds} rounds clean")
    return 0 if clean == asked.rounds else 1


if __name__ == "__main__":
    sys.exit(main())
