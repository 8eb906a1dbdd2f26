"""Count how many jobs the vendors' own clients pay for when the answer to one create is lost."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from bench.proof.asking import ask
from bench.proof.orders import VENDORS, Vendor
from bench.proof.stage import NotProven, Stage, staged
from filmgate import __version__
from tools.bootstrap import CannotSetUp, find_uv

# LiteLLM wants an older openai, so it lives apart.
_PACKAGES = {
    "clients": ("openai", "runwayml", "fal-client", "replicate"),
    "litellm": ("litellm[router]",),
}
_TRIAL = Path(__file__).with_name("peer_trial.py")
_TRIAL_SECONDS = 120
_INSTALL_SECONDS = 300
_TRIALS = 5
# Clients that never give up soon take long.
_TRIALS_ALWAYS = 2
_WATCHED_SECONDS = 60
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
        say("installing the vendors' own clients")
        pythons = {name: _installed(Path(folder) / name, _PACKAGES[name]) for name in _PACKAGES}
        root = Path(folder) / "stage"
        root.mkdir()
        stage = Stage(root, seed, speed=20, workers=1, rules="")
        with staged(stage):
            rows = [
                _row(client, vendor, pythons[_place(client)], stage, say)
                for client, vendor in _CLIENTS.items()
            ]
            rows += _ours(stage, say)
    return {"rows": rows, "trials": _TRIALS}


def _place(client: str) -> str:
    return "litellm" if client.startswith("litellm") else "clients"


def _installed(venv: Path, packages: Sequence[str]) -> Path:
    try:
        uv = find_uv()
        for command in (
            [uv, "venv", "--quiet", "--python", sys.executable, str(venv)],
            [uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), *packages],
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
    version, got = "", "0"
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
        if way == "once":
            got = f"{said.get('ends', []).count('answered')} of {len(prompts)}"
        counted[way] = _each(stage, prompts) if said else f"failed: {done.stderr.strip()[-200:]}"
    say(f"{client} {version}: {counted}")
    return {"client": client, "version": version, "vendor": vendor, "got": got, **counted}


def _ours(stage: Stage, say: Callable[[str], None]) -> Generator[dict[str, Any], None, None]:
    """Ask filmgate for the same, and read the bill when it has had time to look for what was lost."""
    vendors = [vendor for vendor in VENDORS if vendor.name in set(_CLIENTS.values())]
    ids: dict[tuple[str, str], list[str]] = {}
    prompts: dict[tuple[str, str], list[str]] = {}
    for vendor, (way, word) in product(vendors, _WAYS.items()):
        texts = [f"peer ours {way} {vendor.name} {number} {word}" for number in range(_TRIALS)]
        prompts[vendor.name, way] = texts
        ids[vendor.name, way] = [_create(stage, vendor, text) for text in texts]
    time.sleep(_WATCHED_SECONDS)
    for vendor in vendors:
        counted = {way: _each(stage, prompts[vendor.name, way]) for way in _WAYS}
        films = [ask(stage.urls[0], "GET", f"/api/v1/videos/{name}")[1] for name in ids[vendor.name, "once"]]
        got = f"{sum(film.get('status') == 'completed' for film in films)} of {len(films)}"
        say(f"filmgate, {vendor.name}: {counted}, {got}")
        row = {"client": "**filmgate**", "version": __version__, "vendor": vendor.name, "got": got}
        yield row | counted


def _create(stage: Stage, vendor: Vendor, prompt: str) -> str:
    body = {
        "model": f"via-{vendor.name}",
        "prompt": prompt,
        "duration": vendor.seconds,
        "resolution": vendor.size,
        "audio": False,
    }
    status, answer = ask(stage.urls[0], "POST", "/api/v1/videos", body)
    if status != 202:
        raise NotProven(f"filmgate refused a trial: {status} {answer}")
    return str(answer["jobId"])


def _each(stage: Stage, prompts: Sequence[str]) -> str:
    """Return how many jobs were made for each prompt."""
    entries = stage.twin("GET", "/_twin/ledger")["entries"]
    made = [sum(bool(e["created"]) and e["prompt"] == prompt for e in entries) for prompt in prompts]
    return f"{sum(made) / len(made):.2f}"
