"""Run the project from a checkout: `python3 dev.py VERB`. It needs Python 3.11 or newer and pip."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - older Pythons get this far, to be told so
    sys.stderr.write(
        "dev.py: this is Python {}.{}, and filmgate needs 3.11 or newer. Install a newer Python beside it "
        "(most systems package one) and run the same command with it, as in `python3.12 dev.py`.\n".format(
            *sys.version_info[:2]
        )
    )
    sys.exit(2)

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tools import bootstrap, checks
from tools.bootstrap import LOCK, ROOT, become, run, say, tool

SYSTEM_PACKAGES: dict[str, tuple[str, str]] = {}
"""Program that tests use -> (the Debian package that has it, what is skipped without it)."""

GATED_LAYERS = ("domain", "repositories", "services")
GATED_COVERAGE = 90

CHECKS: dict[str, list[str] | Callable[[Path], list[str]]] = {
    "lint": tool("ruff", "check", "--quiet", "--output-format=concise"),
    "format": tool("ruff", "format", "--check", "--output-format=concise"),
    "types": tool("basedpyright"),
    "layers": tool("lint-imports", "--no-logo"),
    "length": checks.too_long,
    "lock": checks.old_lock,
    "words": checks.forbidden_words,
}


WIDE = {"COLUMNS": "160"}
"""Keeps a tool that takes its output for an 80-column terminal from breaking lines."""


def demo(args: list[str]) -> int:
    """Start the gateway with sample films and open its page."""
    return become(tool("python", "-m", "filmgate", "demo", *args))


def test(args: list[str]) -> int:
    """Run the checks, all tests and the coverage gate; with arguments only pytest, with those."""
    skipped = install_system_packages()
    if args:
        return become(tool("python", "-m", "pytest", *args))
    outcomes = {"checks": check([])}
    # loadfile: the tests of a file share one worker, and so the servers that they start together.
    options = ["-n", "3", "--dist", "loadfile", "--cov", "--cov-report="]
    outcomes["tests"] = run(tool("python", "-m", "pytest", *options))
    layers = ",".join(f"src/filmgate/{layer}/*" for layer in GATED_LAYERS)
    gate = [f"--include={layers}", f"--fail-under={GATED_COVERAGE}", "--skip-covered", "--show-missing"]
    outcomes["coverage"] = run(tool("python", "-m", "coverage", "report", *gate))
    failed = [name for name, code in outcomes.items() if code]
    for line in skipped:
        print(f"Skipped: {line}")
    gated = f"coverage of {', '.join(GATED_LAYERS)} is at least {GATED_COVERAGE} %"
    print(
        f"Failed: {', '.join(failed)}." if failed else f"Passed: all checks, all tests; {gated}.", flush=True
    )
    return next((code for code in outcomes.values() if code), 0)


def check(args: list[str]) -> int:
    """Check lint, format, types, layers, length, lock and words; `--fix` mends what it can first."""
    if "--fix" in args:
        run(tool("ruff", "check", "--fix", "--quiet"))
        run(tool("ruff", "format", "--quiet"))
    failed = [name for name, check_of_name in CHECKS.items() if not passes(name, check_of_name)]
    for line in checks.nearly_too_long(ROOT):
        print(f"note  {line}; the limit is {checks.LONGEST_FILE}")
    print(
        f"Checks failed: {', '.join(failed)}." if failed else f"All {len(CHECKS)} checks passed.", flush=True
    )
    return 1 if failed else 0


def passes(name: str, check_of_name: list[str] | Callable[[Path], list[str]]) -> bool:
    """Run one check and print its outcome, and its findings if it has any."""
    started = time.monotonic()
    if callable(check_of_name):
        findings = check_of_name(ROOT)
        passed = not findings
    else:
        done = subprocess.run(
            check_of_name,
            cwd=ROOT,
            env=bootstrap.environment() | WIDE,
            capture_output=True,
            text=True,
            check=False,
        )
        findings = [done.stdout.rstrip(), done.stderr.rstrip()]
        passed = done.returncode == 0
    print(f"{'ok' if passed else 'FAIL':<6}{name:<8}{time.monotonic() - started:5.1f} s", flush=True)
    if not passed:
        print("\n".join(line for line in findings if line), flush=True)
    return passed


def shots(args: list[str]) -> int:
    """Take the pictures of the README anew from the running page."""
    if not (ROOT / "docs" / "shots.py").exists():
        print("nothing to shoot yet: the page is not built")
        return 0
    return become(tool("python", str(ROOT / "docs" / "shots.py"), *args))


def bench(args: list[str]) -> int:
    """Measure speed; the arguments go to `python -m bench`."""
    return become(tool("python", "-m", "bench", *args))


def proof(args: list[str]) -> int:
    """Kill, freeze and deceive a running gateway, and hold its books against the vendors' bills."""
    return become(tool("python", "-m", "bench.proof", *args))


def lock(args: list[str]) -> int:
    """Write requirements.lock from pyproject.toml; `--upgrade` takes newer versions."""
    made = LOCK.with_suffix(".new")
    shutil.copyfile(LOCK, made)  # uv keeps the versions it finds there as long as they fit
    options = ["--universal", "--python-version=3.11", "--group=dev", "--generate-hashes", "--quiet"]
    silent = ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-index-annotation"]
    try:
        with bootstrap.only_one():
            uv = bootstrap.find_uv()
            bootstrap.step(
                [uv, "pip", "compile", "pyproject.toml", *options, *silent, *args, f"--output-file={made}"]
            )
        LOCK.write_text(f"{checks.first_line_of_lock(ROOT)}\n{made.read_text('utf-8')}", "utf-8")
    finally:
        made.unlink()
    return 0


def install_system_packages() -> list[str]:
    """Install the Debian packages that tests use, if that is possible, and return what has to be skipped."""
    missing = {program: entry for program, entry in SYSTEM_PACKAGES.items() if not shutil.which(program)}
    packages = sorted({package for package, _ in missing.values()})
    if packages and shutil.which("apt-get") and os.geteuid() == 0:
        say(f"dev.py: installing {', '.join(packages)} with apt-get")
        os.environ.setdefault("DEBIAN_FRONTEND", "noninteractive")
        run(["apt-get", "-qq", "update"], stdout=sys.stderr)
        run(["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages], stdout=sys.stderr)
    skipped = [
        f"{what}: {program} is missing (`apt-get install {package}` as root brings it)"
        for program, (package, what) in missing.items()
        if not shutil.which(program)
    ]
    for line in skipped:
        say(f"dev.py: will skip {line}")
    return skipped


VERBS = {verb.__name__: verb for verb in (demo, test, check, shots, bench, proof, lock)}


def main(args: list[str]) -> int:
    """Run one verb and return its exit code."""
    if not args or args[0] in {"-h", "--help", "help"}:
        print("Usage: python3 dev.py VERB [ARGUMENT ...]\n")
        for name, verb in VERBS.items():
            print(f"  {name:<8}{verb.__doc__}")
        print("\nThe first run makes .venv from requirements.lock; nothing outside this folder is changed.")
        return 0
    verb = VERBS.get(args[0])
    if verb is None:
        say(f"dev.py: there is no verb {args[0]!r}; there are {', '.join(VERBS)}")
        return 2
    try:
        if verb is not lock:
            bootstrap.set_up()
        return verb(args[1:])
    except bootstrap.CannotSetUp as reason:
        say(f"dev.py: {reason}")
        return 2
    except PermissionError as refusal:
        say(f"dev.py: may not write {refusal.filename}; run it as this checkout's owner, or in your own copy")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
