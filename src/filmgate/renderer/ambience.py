"""Synthesise a quiet stereo ambience that suits the scene."""

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from filmgate.renderer.encode import RATE
from filmgate.renderer.noise import Field
from filmgate.renderer.prompt import Direction

_LEVEL = 10 ** (-28 / 20)
Shape = Callable[[Field], Field]


def ambience(kind: str, direction: Direction, samples: int, rng: Generator) -> Field:
    """Make sound of shape (2, samples), about -28 dBFS, faded at both ends."""
    voices: dict[str, Callable[[int, Generator], Field]] = {
        "wind": _wind,
        "surf": _surf,
        "rain": _rain,
        "hum": _hum,
        "pad": _pad,
        "fire": _fire,
        "deep": _deep,
        "night": _night,
    }
    mix = voices[kind](samples, rng)
    if direction.weather & {"rain", "storm"} and kind != "rain":
        mix = mix * 0.6 + _rain(samples, rng) * 0.7
    if "wind" in direction.weather and kind != "wind":
        mix = mix * 0.7 + _wind(samples, rng) * 0.6
    loud = math.sqrt(float(np.mean(mix * mix))) or 1.0
    mix = np.clip(mix * (_LEVEL / loud), -0.5, 0.5)
    fade = min(samples // 3, round(0.6 * RATE))
    if fade:
        ramp = (np.sin(np.linspace(0.0, np.pi / 2, fade)) ** 2).astype(np.float32)
        mix[:, :fade] *= ramp
        mix[:, -fade:] *= ramp[::-1]
    return mix.astype(np.float32)


def _spectrum(rng: Generator, size: int) -> NDArray[np.complex64]:
    """Make the spectrum of white noise."""
    return rng.standard_normal(2 * size, np.float32).view(np.complex64)


def _noise(samples: int, rng: Generator, shape: Shape) -> Field:
    """Make stereo noise whose spectrum is shaped by a function of frequency in hertz."""
    size = 1 << max(10, (samples - 1).bit_length())
    pitch = np.fft.rfftfreq(size, 1 / RATE).astype(np.float32)
    weight = shape(np.maximum(pitch, 1.0))
    sides: list[Field] = []
    shared = _spectrum(rng, pitch.size)
    for _ in range(2):
        own = _spectrum(rng, pitch.size)
        own *= np.float32(0.8)
        own += shared * np.float32(0.6)
        own *= weight
        wave = np.fft.irfft(own, n=size)[:samples]
        sides.append((wave / (wave.std() or 1.0)).astype(np.float32))
    return np.stack(sides)


def _band(low: float, high: float, slope: float = 0.5) -> Shape:
    def shape(pitch: Field) -> Field:
        return np.asarray(
            pitch**-slope / (1 + (low / pitch) ** 4) / (1 + (pitch / high) ** 4) * (pitch > 20), np.float32
        )

    return shape


def _sway(samples: int, rng: Generator, period: float, depth: float) -> Field:
    """Make a slow swell between 1 - depth and 1."""
    time = np.arange(samples, dtype=np.float32) / RATE
    wave = np.zeros(samples, np.float32)
    for part in (1.0, 0.61, 0.37):
        wave += np.sin(2 * np.pi * time / (period * part) + rng.random() * 6.28).astype(np.float32) * part
    return 1 - depth * (0.5 - 0.25 * wave)


def _wind(samples: int, rng: Generator) -> Field:
    body = _noise(samples, rng, _band(80, 420, 0.7)) * _sway(samples, rng, 7.0, 0.7)
    whistle = _noise(samples, rng, _band(500, 900, 0.2)) * _sway(samples, rng, 5.0, 0.95)
    return body + whistle * 0.18


def _surf(samples: int, rng: Generator) -> Field:
    deep = _noise(samples, rng, _band(60, 500, 0.8)) * _sway(samples, rng, 8.0, 0.7)
    swell = np.clip(_sway(samples, rng, 6.5, 1.0), 0, 1.4) ** 3
    return deep + _noise(samples, rng, _band(700, 5200, 0.6)) * swell * 0.5


def _rain(samples: int, rng: Generator) -> Field:
    hiss = _noise(samples, rng, _band(900, 9000, 0.35)) * _sway(samples, rng, 9.0, 0.2)
    return hiss + _noise(samples, rng, _band(120, 700, 0.6)) * 0.4


def _tones(samples: int, rng: Generator, pitches: tuple[float, ...], period: float) -> Field:
    time = np.arange(samples, dtype=np.float64) / RATE
    mix = np.zeros((2, samples), np.float32)
    for place, pitch in enumerate(pitches):
        swell = _sway(samples, rng, period * (1 + 0.23 * place), 0.8)
        for side in range(2):
            bent = pitch * (1 + (side - 0.5) * 0.0016)
            phase = rng.random() * 2 * np.pi
            tone = np.sin(2 * np.pi * bent * time + phase) + 0.25 * np.sin(4 * np.pi * bent * time + phase)
            mix[side] += tone.astype(np.float32) * swell / (1 + place * 0.35)
    return mix


def _pad(samples: int, rng: Generator) -> Field:
    root = (98.0, 110.0, 123.47, 130.81)[int(rng.integers(4))]
    chord = (root, root * 1.5, root * 2, root * 2.5198, root * 3)
    return _tones(samples, rng, chord, 6.0) + _noise(samples, rng, _band(200, 1200, 0.8)) * 0.12


def _hum(samples: int, rng: Generator) -> Field:
    city = _noise(samples, rng, _band(50, 300, 0.9)) * _sway(samples, rng, 5.0, 0.45)
    wash = _noise(samples, rng, _band(350, 2200, 0.8)) * _sway(samples, rng, 3.5, 0.8)
    return city + wash * 0.25 + _tones(samples, rng, (55.0, 82.5), 8.0) * 0.08


def _fire(samples: int, rng: Generator) -> Field:
    bed = _noise(samples, rng, _band(60, 500, 0.8)) * _sway(samples, rng, 2.5, 0.5)
    crackle = np.zeros((2, samples), np.float32)
    pop = np.exp(-np.arange(900, dtype=np.float32) / 120) * rng.standard_normal(900).astype(np.float32)
    for _ in range(max(1, round(samples / RATE * 9))):
        at = int(rng.integers(0, max(1, samples - 900)))
        side = float(rng.random())
        size = min(900, samples - at)
        loud = float(rng.random()) ** 3 * 2.2
        crackle[0, at : at + size] += pop[:size] * loud * side
        crackle[1, at : at + size] += pop[:size] * loud * (1 - side)
    return bed + crackle


def _deep(samples: int, rng: Generator) -> Field:
    return (
        _noise(samples, rng, _band(40, 240, 0.8)) * _sway(samples, rng, 6.0, 0.5) + _pad(samples, rng) * 0.25
    )


def _night(samples: int, rng: Generator) -> Field:
    return _wind(samples, rng) * 0.5 + _pad(samples, rng) * 0.5
