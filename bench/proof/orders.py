"""Say which vendors there are, how each is set up at the twin, and what is asked of it."""

import random
import re
from dataclasses import dataclass

from filmgate.settings.environment import VENDOR_KEYS

_NUMBER = re.compile(r"\bfilm-(\d+)\b")
SLOTS = 100


@dataclass(frozen=True, slots=True)
class Vendor:
    """One lane: where the twin speaks for it, the model, and the least that can be asked of that."""

    name: str
    path: str
    model: str
    size: str
    seconds: int
    own: bool = False
    callbacks: bool = False
    row: str = ""

    @property
    def target(self) -> str:
        """Return the target as routes name it."""
        return f"{self.name}/{self.model}"

    def table(self, twin: str) -> str:
        """Return its part of filmgate.toml."""
        lines = [f"[providers.{self.name}]", f'base_url = "{twin}{self.path}"']
        if self.own:
            lines += [f'wire = "{self.name}"', 'key_env = "PROOF_KEY"']
        if self.row:
            lines += [f'[providers.{self.name}.models."{self.model}"]', f'sizes = ["{self.size}"]', self.row]
        return "\n".join([*lines, f"[lanes.{self.name}]", f"max_in_flight = {SLOTS}", ""])


_ROW = 'min_seconds = 4\nmax_seconds = 8\nstep = 4\nprice = "0.05"'
VENDORS = (
    Vendor("fal", "/fal", "fal-ai/veo3.1", "1280x720", 4, callbacks=True),
    Vendor("gemini", "/gemini", "gemini-omni-1.2-flash", "640x360", 3, callbacks=True),
    Vendor("runway", "/runway", "gen4.5", "1280x720", 2),
    Vendor("ark", "/ark", "dreamina-seedance-2-0-mini-260615", "864x496", 4, callbacks=True),
    Vendor(
        "replicate", "/replicate", "wan-video/wan-2.5-t2v", "1280x720", 4, callbacks=True,
        row=f"{_ROW}\nseed = true",
    ),
    Vendor("vllm", "/vllm/v1", "Wan-AI/Wan2.2-T2V-A14B-Diffusers", "480x832", 1, own=True),
    Vendor("sglang", "/sglang/v1", "wan-of-sglang", "480x832", 1, own=True),
    Vendor("litellm", "/litellm/v1", "sora-2", "1280x720", 4, own=True, row=_ROW),
    Vendor("openai", "/openai/v1", "sora-2", "1280x720", 4, own=True, row=_ROW),
)  # fmt: skip
# A name with several targets: what one refuses for reasons of its own, the next one makes.
CHAIN = "whoever-can"
_CHAIN_TARGETS = ("replicate", "fal", "ark")
_KEY = "sk-of-the-proof"
KEYS = dict.fromkeys((*VENDOR_KEYS, "PROOF_KEY"), _KEY)


def settings(twin: str) -> str:
    """Return the filmgate.toml that leads every vendor to the twin."""
    named = {vendor.name: vendor for vendor in VENDORS}
    routes = [f'"via-{vendor.name}" = ["{vendor.target}"]' for vendor in VENDORS]
    chain = ", ".join(f'"{named[name].target}"' for name in _CHAIN_TARGETS)
    tables = [vendor.table(twin) for vendor in VENDORS]
    own = [f'[providers.{one.name}.models."{one.model}"]' for one in VENDORS if one.own and not one.row]
    return "\n".join([*tables, *own, "[routes]", *routes, f'"{CHAIN}" = [{chain}]', ""])


def order(number: int, seed: int) -> dict[str, object]:
    """Return the order of one video; its number stands in the prompt, and so in the vendor's bill."""
    chance = random.Random(f"{seed} order {number}")
    vendor = VENDORS[number % len(VENDORS)]
    model, size, seconds = f"via-{vendor.name}", vendor.size, vendor.seconds
    if chance.random() < 0.08:
        model, size, seconds = CHAIN, "1280x720", 4
    prompt = f"film-{number} of proof {seed}: rain over a harbour"
    return {"model": model, "prompt": prompt, "duration": seconds, "resolution": size, "audio": False}


def number_of(prompt: str) -> int | None:
    """Return the number of the video that a prompt belongs to."""
    found = _NUMBER.search(prompt)
    return None if found is None else int(found[1])
