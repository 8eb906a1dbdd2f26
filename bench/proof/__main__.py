"""Prove it: `python -m bench.proof [--videos N] [--seed N] [--seeds K] [--quick] [--peers]`."""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.machine import describe
from bench.proof import peers, report
from bench.proof.run import Outcome, Plan, carry_out
from bench.proof.stage import NotProven
from filmgate.app import set_up_logging


def main(arguments: list[str] | None = None) -> int:
    """Run the proofs in turn, write down what they showed, and fail where a promise was broken."""
    parser = argparse.ArgumentParser(prog="proof", description=__doc__)
    parser.add_argument("--videos", type=int, default=1000, help="videos a run (1000)")
    parser.add_argument("--seed", type=int, default=None, help="what befalls whom; by chance if left out")
    parser.add_argument("--seeds", type=int, default=1, help="so many runs, each with the next seed")
    parser.add_argument("--quick", action="store_true", help="a short storm, and nothing written into docs")
    parser.add_argument("--peers", action="store_true", help="count what vendors' own clients pay, too")
    parser.add_argument("--only-peers", action="store_true", help="only that")
    parser.add_argument("--keep", action="store_true", help="keep the folder of each run")
    asked = parser.parse_args(arguments)
    set_up_logging("error", pretty=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    runs: list[dict[str, Any]] = []
    machine = describe()
    path = report.QUICK if asked.quick else report.JSON
    try:
        for number in range(0 if asked.only_peers else asked.seeds):
            runs.append(_run(_plan(asked.videos, seed + number, quick=asked.quick), keep=asked.keep))
            report.keep(path, runs, None, machine)
        beside = peers.measure(seed, _say) if asked.peers or asked.only_peers else None
    except NotProven as reason:
        _say(f"not carried out: {reason}")
        return 2
    report.keep(path, runs, beside, machine)
    print(report.show(json.loads(path.read_text("utf-8"))))
    if not asked.quick:
        report.write_page()
    broken = sum(len(run["violations"]) for run in runs)
    _say(f"{len(runs)} runs, {broken} violations")
    return 1 if broken else 0


def _plan(videos: int, seed: int, *, quick: bool) -> Plan:
    if quick:
        return Plan(videos, seed, ask_over=30, storm=60, calm=180)
    return Plan(videos, seed, ask_over=max(30.0, videos * 0.12), storm=max(60.0, videos * 0.3), calm=300)


def _run(plan: Plan, *, keep: bool) -> dict[str, Any]:
    _say(f"{plan.videos} videos, seed {plan.seed}")
    with _folder(keep=keep) as folder:
        outcome: Outcome = carry_out(plan, folder, _say)
    for violation in outcome.verdict.violations:
        _say(f"VIOLATION {violation}")
    _say(f"seed {plan.seed}: {outcome.verdict.figures}, {outcome.seconds:.0f} s, {outcome.complaints}")
    return outcome.as_json()


@contextmanager
def _folder(*, keep: bool) -> Generator[Path, None, None]:
    """Lend a folder that is gone afterwards, unless it is to be kept."""
    path = Path(tempfile.mkdtemp(prefix="filmgate-proof-"))
    try:
        yield path
    finally:
        if keep:
            _say(f"kept in {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)


_BEGUN = time.monotonic()


def _say(text: str) -> None:
    print(f"proof {time.monotonic() - _BEGUN:6.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
