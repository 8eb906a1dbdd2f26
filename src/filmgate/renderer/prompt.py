"""Read a prompt and decide scene, hour, weather, colours and camera."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from filmgate.renderer.words import COLOURS, MOVES, PACES, SCENES, TIMES, WEATHER

_WORD = re.compile(r"[^\W_]+(?:['&][^\W_]+)*")
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_READ = 4_000

# What an unnamed hour defaults to: places made of light want the dark.
_DEFAULT_TIMES = {"street": "night", "skyline": "night", "aurora": "night", "fire": "night", "grid": "dusk"}
_FREE_TIMES = ("golden", "sunset", "noon", "dawn", "dusk")
_FALLBACKS = ("silk", "ink", "nebula", "sea", "mountains", "dunes", "clouds", "tunnel", "aurora", "forest")


@dataclass(frozen=True, slots=True)
class Direction:
    """Hold what the prompt asks of the film."""

    scene: str
    time: str
    weather: frozenset[str]
    tints: tuple[str, ...]
    moves: tuple[str, ...]
    pace: float
    words: frozenset[str]

    def mentions(self, *words: str) -> bool:
        """Tell whether the prompt used any of these words."""
        return not self.words.isdisjoint(words)


def direct(prompt: str) -> Direction:
    """Turn a prompt in any language into a direction; never fails."""
    text = unicodedata.normalize("NFKC", prompt[:_READ]).casefold()
    words = _words(text)
    known = frozenset(words)
    scene = _scene(text, words)
    weather = _weather(text, words)
    if scene == "rain":
        weather = weather | {"rain"}
    if scene == "snow":
        weather = weather | {"snow"}
    tints = _tints(text, words)
    moves = tuple(name for name, _ in _found(MOVES, text, words))
    if known & {"left"} and "pan_right" in moves:
        moves = tuple("pan_left" if name == "pan_right" else name for name in moves)
    paces = _found({str(pace): listed for pace, listed in PACES.items()}, text, words)
    # The table lists the plainest wish first: a time-lapse with a slow pan is a time-lapse.
    pace = next((float(name) for name in map(str, PACES) if name in dict(paces)), 1.0)
    return Direction(scene, _time(text, words, scene, weather), weather, tints, moves, pace, known)


def _words(text: str) -> list[str]:
    """Split into words, with each pair of neighbours also joined by a hyphen."""
    plain = _WORD.findall(text)
    pairs = [f"{first}-{second}" for first, second in pairwise(plain)]
    joined = [word for pair in zip(plain, [*pairs, ""], strict=False) for word in pair if word]
    stems = [word[:-2] for word in plain if word.endswith("'s")]
    return joined + stems


def _place(listed: Iterable[str], text: str, words: Mapping[str, int]) -> int | None:
    """Find where the first of the listed words stands in the prompt."""
    best: int | None = None
    for word in listed:
        at = words.get(word)
        if at is None and _SPACELESS.search(word):
            found = text.find(word)
            at = found if found >= 0 else None
        if at is not None and (best is None or at < best):
            best = at
    return best


def _positions(words: Iterable[str]) -> dict[str, int]:
    positions: dict[str, int] = {}
    for at, word in enumerate(words):
        positions.setdefault(word, at)
    return positions


def _found(tables: Mapping[str, str], text: str, words: list[str]) -> list[tuple[str, int]]:
    """List the names whose words occur, in the order of the prompt."""
    positions = _positions(words)
    hits = [(name, _place(listed.split(), text, positions)) for name, listed in tables.items()]
    return sorted(((name, at) for name, at in hits if at is not None), key=lambda hit: hit[1])


def _scene(text: str, words: list[str]) -> str:
    positions = _positions(words)
    scores: dict[str, float] = {}
    for scene, groups in SCENES.items():
        for weight, listed in groups:
            for word in listed.split():
                at = _place((word,), text, positions)
                if at is not None:
                    # The subject usually comes first; later words set the surroundings.
                    scores[scene] = scores.get(scene, 0.0) * 1.02 + weight / (1.0 + at / 24) ** 0.5
    if scores:
        return max(scores, key=lambda scene: scores[scene])
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return _FALLBACKS[digest[0] % len(_FALLBACKS)]


def _weather(text: str, words: list[str]) -> frozenset[str]:
    return frozenset(name for name, _ in _found(WEATHER, text, words))


def _tints(text: str, words: list[str]) -> tuple[str, ...]:
    golden_hour = {"golden-hour", "goldenhour"} & set(words)
    blue_hour = {"blue-hour"} & set(words)
    skip = {"gold"} if golden_hour else {"blue"} if blue_hour else set[str]()
    return tuple(name for name, _ in _found(COLOURS, text, words) if name not in skip)


def _time(text: str, words: list[str], scene: str, weather: frozenset[str]) -> str:
    hits = [name for name, _ in _found(TIMES, text, words)]
    if {"golden-hour", "goldenhour"} & set(words):
        return "golden"
    # "Golden" often names a colour, so any plain hour wins over it.
    hits.sort(key=lambda name: name == "golden")
    return hits[0] if hits else _unsaid_time(text, scene, weather)


def _unsaid_time(text: str, scene: str, weather: frozenset[str]) -> str:
    if scene in _DEFAULT_TIMES:
        return _DEFAULT_TIMES[scene]
    if weather & {"rain", "storm"}:
        return "dusk"
    if weather & {"fog", "snow"}:
        return "dawn"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return _FREE_TIMES[digest[1] % len(_FREE_TIMES)]
