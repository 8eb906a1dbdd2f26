"""Measure everything, or what was asked for: `python -m bench [--only NAME ...] [--quick] [--rounds N]`."""

import argparse
import sys
from collections.abc import Callable

from bench import batches, engine, pictures, polling, report, starting, throughput, waiting
from bench.ground import BUILD, ROOT, CannotMeasure
from bench.machine import Cores, describe, share_out

PARTS: dict[str, Callable[..., report.Result]] = {
    "throughput": throughput.measure,
    "batches": batches.measure,
    "engine": engine.measure,
    "waiting": waiting.measure,
    "starting": starting.measure,
    "pictures": pictures.measure,
    "polling": polling.measure,
}
_PAGE = ROOT / "docs" / "benchmarks.md"


def main(arguments: list[str] | None = None) -> int:
    """Run the parts in turn and write down what came of them."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part only")
    parser.add_argument("--quick", action="store_true", help="short windows and few repeats: a smoke test")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each thing is repeated")
    asked = parser.parse_args(arguments)
    machine, cores = describe(), share_out()
    results: dict[str, report.Result] = {}
    failed = False
    for name in asked.only or list(PARTS):
        print(f"bench: {name}", file=sys.stderr, flush=True)
        try:
            results[name] = _measure(name, cores, asked)
        except CannotMeasure as reason:
            failed = True
            print(f"bench: {name} was not measured: {reason}", file=sys.stderr, flush=True)
    whole = not asked.quick
    kept = report.keep(BUILD / ("bench.json" if whole else "bench-quick.json"), results, machine)
    print(report.as_markdown(kept, results))
    if whole and results:
        report.renew(_PAGE, report.as_markdown(kept, PARTS))
    return 1 if failed else 0


def _measure(name: str, cores: Cores, asked: argparse.Namespace) -> report.Result:
    rounds = asked.rounds or (2 if asked.quick else 7)
    return PARTS[name](cores, rounds=rounds, quick=asked.quick)


if __name__ == "__main__":
    sys.exit(main())
