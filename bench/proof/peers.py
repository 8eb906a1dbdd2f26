"""Count how many jobs the vendors' own clients pay for when the answer to one create is lost."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from bench.proof.asking import ask
from bench.proof.orders import VENDORS
from bench.proof.stage import NotProven, Stage, staged
from filmgate import __version__
from tools.bootstrap import CannotSetUp, find_uv

_PACKAGES = ("openai", "runwayml", "fal-client", "replicate", "litellm[router]")
_TRIAL = Path(__file__).with_name("peer_trial.py")
_TRIAL_SECONDS = 120
_INSTALL_SECONDS = 300
_TRIALS = 5
# Clients that never give up soon take long.
_TRIALS_ALWAYS = 2
_WATCHED_SECONDS = 40
# client -> the vendor of the twin that it speaks to
_CLIENTS = {
    "openai": "openai",
    "litellm": "openai",
    "litellm-router": "openai",
    "runwayml": "runway",
    "fal-client": "fal",
    "replicate": "replicate",
}
_WAYS = {"once": "[twin:lost-after-accept times=1]", "always": "[twin:lost-after-accept]"}


def measure(seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Install the clients, let each create through a twin, and read the bill."""
    with tempfile.TemporaryDirectory(prefix="filmgate-peers-", ignore_cleanup_errors=True) as folder:
        python = _installed(Path(folder) / "venv", say)
        stage = Stage(Path(folder) / "stage", seed, speed=20, workers=1, rules="")
        with staged(stage):
            rows = [_row(client, vendor, python, stage, say) for client, vendor in _CLIENTS.items()]
            rows += _ours(stage, say)
    return {"rows": rows, "trials": _TRIALS}


def _installed(venv: Path, say: Callable[[str], None]) -> Path:
    say("installing the vendors' own clients")
    try:
        uv = find_uv()
        for command in (
            [uv, "venv", "--quiet", "--python", sys.executable, str(venv)],
            [uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), *_PACKAGES],
        ):
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
            )
            if done.returncode:
                raise NotProven(f"the vendors' clients could not be installed: {done.stderr.strip()[-500:]}")
    except (CannotSetUp, subprocess.TimeoutExpired) as reason:
        raise NotProven(str(reason)) from reason
    return venv / "bin" / "python"


def _row(client: str, vendor: str, python: Path, stage: Stage, say: Callable[[str], None]) -> dict[str, Any]:
    counted = {}
    version = ""
    for way, word in _WAYS.items():
        prompts = [
            f"peer {client} {way} {number} {word}" for number in range(_TRIALS if way == "once" else 2)
        ]
        asked = {"client": client, "twin": stage.twin_url, "prompts": prompts}
        try:
            done = subprocess.run(
                [str(python), str(_TRIAL), json.dumps(asked)],
                capture_output=True, text=True, timeout=_TRIAL_SECONDS, check=False, cwd=stage.world.root,
                env={"PATH": "/usr/bin:/bin", "HOME": str(stage.world.root)},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            counted[way] = f"{_each(stage, prompts)}, still trying after {_TRIAL_SECONDS} s"
            continue
        said = json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}
        version = said.get("version", version)
        counted[way] = _each(stage, prompts) if said else f"failed: {done.stderr.strip()[-200:]}"
    say(f"{client} {version}: {counted}")
    return {"client": client, "version": version, "vendor": vendor, "trials": _TRIALS, **counted}


def _ours(stage: Stage, say: Callable[[str], None]) -> Generator[dict[str, Any], None, None]:
    for vendor in VENDORS:
        if vendor.name not in set(_CLIENTS.values()):
            continue
        asked: dict[str, list[str]] = {}
        for way, word in _WAYS.items():
            asked[way] = [f"peer ours {way} {vendor.name} {number} {word}" for number in range(_TRIALS)]
            for prompt in asked[way]:
                body = {"model": f"via-{vendor.name}", "prompt": prompt, "duration": vendor.seconds,
                        "resolution": vendor.size, "audio": False}  # fmt: skip
                status, answer = ask(stage.urls[0], "POST", "/api/v1/videos", body)
                if status != 202:
                    raise NotProven(f"filmgate refused a trial: {status} {answer}")
        time.sleep(_WATCHED_SECONDS if vendor is VENDORS[-1] else 8)
        counted = {way: _each(stage, prompts) for way, prompts in asked.items()}
        say(f"filmgate, {vendor.name}: {counted}")
        yield {
            "client": "**filmgate**",
            "version": __version__,
            "vendor": vendor.name,
            "trials": _TRIALS,
            **counted,
        }


def _each(stage: Stage, prompts: Sequence[str]) -> str:
    """Return how many jobs were made for each prompt."""
    entries = stage.twin("GET", "/_twin/ledger")["entries"]
    made = [sum(bool(e["created"]) and e["prompt"] == prompt for e in entries) for prompt in prompts]
    return f"{sum(made) / len(made):.2f}"
