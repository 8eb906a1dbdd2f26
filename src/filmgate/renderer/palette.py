"""Hold the colours of each hour and blend the prompt's colour words into them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.random import Generator

from filmgate.renderer.noise import Field

# The tone curve is sqrt(1 - exp(-light)); `light` is its inverse, so a colour written here as
# hex appears as that hex on screen, and anything added to it rolls off like film.
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def light(code: str) -> Field:
    """Turn a hex colour into scene light, shape (3,)."""
    shown = np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)
    return np.asarray(-np.log1p(-(np.minimum(shown, 0.985) ** 2)), np.float32)


def snowy(colour: Field, amount: float = 0.65) -> Field:
    """Take the tint out of light on snow, leaving a cool white as bright as before."""
    cool = np.array([0.86, 0.98, 1.24], np.float32) * np.float32(colour @ LUMA)
    return colour + (cool - colour) * np.float32(amount)


def show(value: Field) -> Field:
    """Turn scene light into displayed values between 0 and 1."""
    return np.sqrt(1.0 - np.exp(-np.maximum(value, 0.0)))


@dataclass(frozen=True, slots=True)
class Light:
    """Hold one hour's colours as scene light."""

    zenith: Field
    upper: Field
    low: Field
    horizon: Field
    sun: Field
    glow: Field
    haze: Field
    shade: Field
    ground: Field
    height: float
    stars: float
    moon: bool


def _hour(codes: str, height: float, stars: float = 0.0, moon: bool = False) -> Light:
    zenith, upper, low, horizon, sun, glow, haze, shade, ground = (light(code) for code in codes.split())
    return Light(zenith, upper, low, horizon, sun, glow, haze, shade, ground, height, stars, moon)


HOURS: dict[str, tuple[Light, ...]] = {
    "dawn": (
        _hour("#5d84b8 #a7b7d3 #f4c9bb #ffe8cc #fff3da #ffc49a #dfc3c0 #28324a #7d7f78", 0.10),
        _hour("#6b79a8 #b9a5c0 #f2b5ae #ffdcc0 #fff0d8 #ffb08c #d6b4bd #2a2a45 #80767a", 0.09),
    ),
    "noon": (
        _hour("#1d5fae #4b93d6 #a3cfee #dceef6 #ffffff #fff4d6 #b4d0e0 #1b3a40 #8a9a78", 0.27),
        _hour("#2a74b8 #5aa6d8 #b4dcea #e8f4f2 #ffffff #fff2cf #c0d8de #21403c #939c74", 0.25),
    ),
    "golden": (
        _hour("#5f86b4 #b9b096 #fbc983 #ffeec0 #fff6d8 #ffb84f #eec28a #33241c #a8794a", 0.13),
        _hour("#6a8aa8 #d0b288 #ffc478 #ffe7b0 #fff3cc #ffa94a #d9a878 #2e2220 #9f7048", 0.11),
    ),
    "sunset": (
        _hour("#27386b #77578f #ef8560 #ffcf94 #fff0c4 #ff8f4a #a86f7a #1b182d #8c5a4c", 0.075),
        _hour("#2c2a63 #8a4f8c #f5807a #ffc890 #fff0d2 #ff8a5a #8a5f8e #1a1530 #855068", 0.065),
        _hour("#1f4266 #5f7390 #e89a62 #ffd89a #fff2c8 #ffa14e #a07c78 #16202c #86664c", 0.08),
    ),
    "dusk": (
        _hour(
            "#0b1640 #20357a #5f69ae #c99ab2 #f3eefc #c98aa0 #535f92 #0a0f22 #3a4468", 0.17, 0.35, moon=True
        ),
        _hour(
            "#0a1c44 #1d4278 #5a7ab0 #e0a890 #f3f0f8 #d8967a #4f6790 #0a1222 #384a66", 0.17, 0.3, moon=True
        ),
    ),
    "night": (
        _hour(
            "#040819 #0a1533 #132752 #294a7a #eef3ff #6a8fd0 #1f355c #03060f #1a2a48", 0.21, 1.0, moon=True
        ),
        _hour(
            "#060718 #100f36 #1d2252 #3b4378 #f4f1ff #8584cc #2a2f5c #050512 #20244a", 0.20, 1.0, moon=True
        ),
    ),
}

TINTS: dict[str, str] = {
    "red": "#d8262c", "crimson": "#b3122f", "orange": "#f27a1a", "amber": "#ffad1f", "gold": "#e8b13a",
    "yellow": "#f4d33c", "lime": "#a5d92b", "green": "#2fa44f", "emerald": "#12a36a", "mint": "#7fe8bd",
    "teal": "#12908e", "turquoise": "#26c6c9", "cyan": "#27c8ea", "blue": "#2763d8", "navy": "#16307a",
    "indigo": "#4133b8", "violet": "#7b3fd0", "purple": "#8a35b8", "magenta": "#d02ba8", "pink": "#f277ab",
    "rose": "#e8718a", "coral": "#ff7b62", "copper": "#b8693b", "brown": "#8a5a35", "bone": "#e9ddc5",
    "white": "#eeeeee", "black": "#23262b", "silver": "#b9c2cc", "monochrome": "#9a9a9a",
}  # fmt: skip
_NEUTRAL = frozenset({"white", "black", "silver", "monochrome"})

RAMPS: tuple[str, ...] = (
    "#05080f #0d3b4a #1f8a86 #9fd8c4 #f2efdf",
    "#0b0520 #3a1470 #8f3fc4 #f08bc0 #ffe6d8",
    "#0a0612 #5a1030 #d2403a #f7a04b #fff0c4",
    "#03060f #10306e #2f78d0 #8ec9f0 #f4f7ff",
    "#08060a #40201c #a5673a #e8c07c #fff6e0",
    "#060a08 #12402c #3f8f55 #b8d88a #f7f6dc",
)


def tinted(colour: Field, tint: str, amount: float) -> Field:
    """Pull a colour towards a tint while its brightness stays."""
    if tint in _NEUTRAL:
        grey = np.full(3, float(colour @ LUMA), np.float32)
        level = {"white": 1.25, "black": 0.55}.get(tint, 1.0)
        strength = 1.0 if tint == "monochrome" else amount
        return np.asarray((colour + (grey - colour) * strength) * level**amount, np.float32)
    target = light(TINTS[tint])
    target = target * (float(colour @ LUMA) / float(target @ LUMA))
    return np.asarray(colour + (target - colour) * amount, np.float32)


def _overcast(hour: Light, amount: float) -> Light:
    flat = hour.upper * 0.35 + hour.horizon * 0.3 + hour.haze * 0.35
    grey = np.full(3, float(flat @ LUMA), np.float32)
    veil = (flat * 0.45 + grey * 0.55) * 0.8
    mixed = {
        name: np.asarray(getattr(hour, name) * (1 - amount) + veil * amount * level, np.float32)
        for name, level in (("zenith", 0.36), ("upper", 0.58), ("low", 0.95), ("horizon", 1.4), ("haze", 0.9))
    }
    return replace(hour, **mixed, glow=np.asarray(hour.glow * (1 - amount * 0.85), np.float32), stars=0.0)


def hour_light(time: str, weather: frozenset[str], tints: Sequence[str], rng: Generator) -> Light:
    """Choose the light for an hour, weather and colour words."""
    options = HOURS[time]
    chosen = options[int(rng.integers(len(options)))]
    if weather & {"storm", "rain"}:
        chosen = _overcast(chosen, 0.8 if "storm" in weather else 0.6)
    elif weather & {"fog", "snow"}:
        chosen = _overcast(chosen, 0.4)
    for place, tint in enumerate(tints[:2]):
        names = [
            field.name for field in fields(chosen) if isinstance(getattr(chosen, field.name), np.ndarray)
        ]
        if place:
            names = ["horizon", "glow", "low"]
        changes = {name: tinted(getattr(chosen, name), tint, 0.62 if place == 0 else 0.55) for name in names}
        chosen = replace(chosen, **changes)
    return chosen


def ramp(tints: Sequence[str], rng: Generator, size: int = 1024) -> Field:
    """Make a table from dark to bright, shape (3, size), of the tints or of a chosen scheme."""
    if tints:
        stops = _tint_stops(tints)
    else:
        codes = RAMPS[int(rng.integers(len(RAMPS)))].split()
        stops = [light(code) for code in codes]
    return table(stops, size)


def _tint_stops(tints: Sequence[str]) -> list[Field]:
    first = light(TINTS[tints[0]])
    last = light(TINTS[tints[-1]])
    if tints[0] in ("black", "navy") and len(tints) > 1:
        first = light(TINTS[tints[1]])
    bright = last * 0.5 + light("#f6f0e6") * 0.5
    return [first * 0.015 + light("#040509"), first * 0.22, first * 0.9, first * 0.3 + last * 0.8, bright]


def table(stops: Sequence[Field], size: int = 1024) -> Field:
    """Interpolate stops in displayed values into a table of scene light, shape (3, size)."""
    places = np.linspace(0.0, 1.0, len(stops))
    at = np.linspace(0.0, 1.0, size)
    shown = np.stack([show(stop) for stop in stops])
    rows = [np.interp(at, places, shown[:, channel]) for channel in range(3)]
    return np.asarray(-np.log1p(-(np.minimum(np.stack(rows), 0.992) ** 2)), np.float32)
