"""Make .venv from the lock on a machine that has only Python and pip; standard library only.

The order is uv, then .venv, then the packages of the lock, then this project.
A warm start only compares one stamp.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Generator
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ROOT = Path(__file__).resolve().parent.parent
DEV = ROOT / ".dev"
VENV = ROOT / ".venv"
STAMP = VENV / "filmgate-setup.json"
LOCK = ROOT / "requirements.lock"
PINNED_UV = ROOT / "requirements-uv.txt"
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
EXE = ".exe" if sys.platform == "win32" else ""
PYTHON = BIN / f"python{EXE}"

UV_AT_LEAST = (0, 13)
"""An older uv on PATH is left alone, and the pinned one is fetched."""

NO_PIP = """\
this Python ({python}) has no pip, and no uv {version} or newer is on PATH; one of the two is needed \
to fetch the packages. `apt-get install python3-pip` mends it on Debian and Ubuntu, \
`dnf install python3-pip` on Fedora, `python3 -m ensurepip --user` elsewhere. \
Then run the same command again."""

STEP_FAILED = """\
`{command} ...` failed; its own words are above. What was fetched is kept: mend the cause and run the same \
command again. Behind a package mirror set PIP_INDEX_URL, behind a proxy HTTPS_PROXY."""


class CannotSetUp(Exception):
    """The set-up stopped; the message says why and what mends it."""


def say(text: str) -> None:
    """Tell the person at the terminal something that is not the command's own output."""
    print(text, file=sys.stderr, flush=True)


def set_up() -> None:
    """Make .venv hold exactly the lock and this project, unless it does already."""
    wanted = fingerprint()
    if is_set_up(wanted):
        return
    with only_one():
        if is_set_up(wanted):
            return
        started = time.monotonic()
        say("dev.py: setting up .venv (the first time this fetches about 220 MB)")
        STAMP.unlink(missing_ok=True)
        uv = find_uv()
        if not venv_is_of_this_python():
            step([uv, "venv", "--quiet", "--clear", "--python", base_python(), str(VENV)])
        into = ["--python", str(PYTHON)]
        quiet = [] if sys.stderr.isatty() else ["--quiet"]
        step([uv, "pip", "sync", *quiet, *into, "--no-build", "--require-hashes", str(LOCK)])
        step(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                *into,
                "--no-deps",
                "--no-build-isolation",
                "--editable",
                str(ROOT),
            ]
        )
        STAMP.write_text(wanted, "utf-8")
        say(f"dev.py: .venv is ready after {time.monotonic() - started:.1f} s")


def fingerprint() -> str:
    """Describe what .venv is made from; a different text means that it has to be brought up to date."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    built_from = [stated["build-system"], stated["project"], stated["tool"]["hatch"]]
    made_from = {
        "checkout": str(ROOT),
        "python": [sys.base_prefix, *sys.version_info[:2]],
        "lock": hashlib.sha256(LOCK.read_bytes()).hexdigest(),
        "project": hashlib.sha256(json.dumps(built_from).encode()).hexdigest(),
    }
    return json.dumps(made_from)


def is_set_up(wanted: str) -> bool:
    """Tell whether .venv was completed from exactly what is asked for."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text("utf-8") == wanted


def venv_is_of_this_python() -> bool:
    """Tell whether .venv exists, works, and was made by the Python that runs this file."""
    config = VENV / "pyvenv.cfg"
    if not (PYTHON.exists() and config.exists()):
        return False
    said = dict(line.split(" = ", 1) for line in config.read_text("utf-8").splitlines() if " = " in line)
    version = said.get("version_info", "").split(".")[:2]
    return said.get("home") == str(Path(base_python()).parent) and version == [
        *map(str, sys.version_info[:2])
    ]


def base_python() -> str:
    """Return the interpreter outside any virtual environment, the one that may have pip."""
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


@contextlib.contextmanager
def only_one() -> Generator[None]:
    """Let one set-up of this checkout run at a time."""
    DEV.mkdir(exist_ok=True)
    with (DEV / "lock").open("a", encoding="utf-8") as handle:
        os.set_inheritable(
            handle.fileno(), True
        )  # the lock outlives a killed dev.py as long as its child works on
        if not try_lock(handle):
            say("dev.py: another dev.py is setting this checkout up; waiting for it")
            while not try_lock(handle):
                time.sleep(0.1)
        yield


def try_lock(handle: IO[str]) -> bool:
    """Take the lock on an open file if it is free; closing the file gives it back."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def find_uv() -> str:
    """Return a uv that is new enough, fetching the pinned one with pip if there is none."""
    on_path = shutil.which("uv")
    if on_path and version_of(on_path) >= UV_AT_LEAST:
        return on_path
    home = DEV / "uv"
    pinned = re.findall(r"^uv==(\S+)", PINNED_UV.read_text("utf-8"), re.MULTILINE)[0]
    if not (home / f"uv-{pinned}.dist-info").exists():
        fetch_uv(home)
    return str(
        next(path for path in (home / "bin" / f"uv{EXE}", home / "Scripts" / f"uv{EXE}") if path.exists())
    )


def version_of(uv: str) -> tuple[int, ...]:
    """Return the first two numbers of a uv's version, or nothing if it does not run."""
    said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def fetch_uv(home: Path) -> None:
    """Install the pinned uv into a folder of its own, which needs neither root nor venv."""
    pip = [base_python(), "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        raise CannotSetUp(NO_PIP.format(python=base_python(), version=".".join(map(str, UV_AT_LEAST))))
    fresh = DEV / "uv.new"
    shutil.rmtree(fresh, ignore_errors=True)
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", str(fresh)]
    step([*pip, "install", *options, "--requirement", str(PINNED_UV)])
    shutil.rmtree(home, ignore_errors=True)
    fresh.replace(home)


def step(command: list[str]) -> None:
    """Run one command of the set-up, showing its own words on standard error; its failure ends the set-up."""
    if run(command, stdout=sys.stderr, env=environment() | mirror()):
        name = " ".join([Path(command[0]).name, *command[1:4]])
        raise CannotSetUp(STEP_FAILED.format(command=name))


@functools.cache
def mirror() -> dict[str, str]:
    """Return the package mirror that pip is told to use, if any: uv does not read pip's configuration."""
    if os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL"):
        return {}
    asked = [base_python(), "-m", "pip", "config", "get", "global.index-url"]
    configured = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    index = os.environ.get("PIP_INDEX_URL") or configured
    return {"UV_DEFAULT_INDEX": index} if index else {}


def environment() -> dict[str, str]:
    """Return the environment that every child gets."""
    env = dict(os.environ)
    # Behind a proxy that inspects TLS only the system's certificates know the issuer; uv's own do not.
    env.setdefault("UV_SYSTEM_CERTS", "1")
    # A personal pip configuration may ask for these, and both refuse `--target`.
    env.update(
        PIP_USER="0",
        PIP_REQUIRE_VIRTUALENV="0",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_ROOT_USER_ACTION="ignore",
    )
    if sys.platform != "win32" and not os.access(env.get("HOME") or "/nonexistent", os.W_OK):
        home = DEV / "home"
        home.mkdir(parents=True, exist_ok=True)
        env["HOME"] = str(home)
    return env


def run(command: list[str], stdout: IO[str] | None = None, env: dict[str, str] | None = None) -> int:
    """Run a command in the checkout and return its exit code; Ctrl-C first lets it clean up after itself."""
    interrupted = False
    with subprocess.Popen(
        command, cwd=ROOT, env=env or environment(), stdout=stdout, close_fds=False
    ) as child:
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return code if code >= 0 else 128 - code


def become(command: list[str]) -> int:
    """Turn this process into the command, so that signals and exit codes are the command's own."""
    if sys.platform != "win32":
        os.chdir(ROOT)
        os.execve(command[0], command, environment())  # noqa: S606 - no shell is wanted
    return run(command)


def tool(name: str, *args: str) -> list[str]:
    """Return the command line of a program of .venv."""
    return [str(BIN / f"{name}{EXE}"), *args]
