"""Search the model of the submit protocol: "one video is never paid for twice".

Everything that may happen between *queued* and *accepted* is tried in every order: crashes at any step,
workers that stop and wake, leases that expire at any time, requests and answers lost or late, jobs made
though the answer was an error, lists that lag, callbacks, cancels, operators, restores of the database.

S1  a video has at most one job            S2  a job has at most one attempt
S3  what ended has no job forgotten        S4  what is accepted has its job
S5  what failed is not being made          P   what is parked could not be found out
L   from everywhere everything can settle
"""

import argparse
import sys
from time import process_time

from tests.model.checks import explore
from tests.model.configurations import DESIGNED, TODAY
from tests.model.mutations import MUTANTS, OF_TODAY


def main() -> int:
    """Search, print what was found, and return how many searches ended otherwise than they should."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--all", action="store_true", help="search all that the protocol was designed for")
    parser.add_argument("--trace", choices=MUTANTS, help="show the shortest way to break one mutant")
    asked = parser.parse_args()
    if asked.trace:
        return _trace(asked.trace)
    wrong = sum(_holds(number) for number in range(len(TODAY) + len(DESIGNED) * asked.all))
    return wrong + sum(_is_caught(name) for name in (MUTANTS if asked.all else OF_TODAY))


def _trace(name: str) -> int:
    found = explore(MUTANTS[name], liveness=False)
    _say(f"{name}: {found.broken}")
    for number, label in enumerate(found.trace, 1):
        _say(f"{number:3d}  {label}")
    return int(found.broken is None)


def _holds(number: int) -> bool:
    config, began = (TODAY + DESIGNED)[number], process_time()
    found = explore(config)
    verdict = "holds " if found.broken is None else "BROKEN"
    figures = f"{found.states:>9,} states {found.steps:>10,} steps {process_time() - began:6.1f} s"
    _say(f"{verdict} {config.name:48} {figures}  parked in {found.parked:,}  {found.broken or ''}".rstrip())
    for place, label in enumerate(found.trace, 1):
        _say(f"{place:10d}  {label}")
    return found.broken is not None


def _is_caught(name: str) -> bool:
    began = process_time()
    found = explore(MUTANTS[name], liveness=False)
    verdict = "MISSED" if found.broken is None else "caught"
    figures = f"{found.states:>9,} states {process_time() - began:6.1f} s"
    _say(f"{verdict} {name:24} {figures}  {found.broken or ''} in {len(found.trace)} steps")
    return found.broken is None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
