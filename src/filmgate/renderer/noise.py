"""Make seeded random numbers and smooth noise."""

import hashlib
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

# Always float32 in memory; the stubs widen it wherever it meets a Python float.
Field = NDArray[np.floating]


def seeded(prompt: str, seed: int, salt: str = "") -> Generator:
    """Derive a generator from prompt, seed and purpose."""
    text = f"{seed}\0{salt}\0{prompt}".encode("utf-8", "surrogatepass")
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest(), "big"))


def texture(rng: Generator, size: int = 512, slope: float = 1.7, finest: float = 0.5) -> Field:
    """Make a tile of fractal noise, zero mean, unit deviation; higher slope is smoother."""
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    fy = np.fft.fftfreq(size)[:, None]
    fx = np.fft.rfftfreq(size)[None, :]
    radius = np.hypot(fx, fy)
    radius[0, 0] = 1.0
    weight = np.maximum(radius, 2.0 / size) ** -slope * np.exp(-((radius / finest) ** 2) * 3.0)
    weight[0, 0] = 0.0
    tile = np.fft.irfft2(spectrum * weight, s=(size, size))
    # One row and column more than the tile, so that reading needs no wrap at its edge.
    return np.pad(tile / tile.std(), ((0, 1), (0, 1)), mode="wrap").astype(np.float32)


def strip(rng: Generator, size: int = 4096, slope: float = 1.2, lowest: int = 4) -> Field:
    """Make a ring of fractal noise, zero mean, unit deviation."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    cycles = np.arange(spectrum.size, dtype=np.float64)
    weight = np.maximum(cycles, lowest) ** -slope
    weight[0] = 0.0
    ring = np.fft.irfft(spectrum * weight, n=size)
    return np.asarray(ring / ring.std(), np.float32)


Number = TypeVar("Number", bound=np.generic)


def pick(flat: NDArray[Number], index: NDArray[np.intp]) -> NDArray[Number]:
    """Read entries of a flat table; positions outside it give its first or last entry."""
    return flat.take(index, mode="clip")


def sample(tile: Field, x: Field, y: Field) -> Field:
    """Read a tile made by `texture` at texel coordinates, wrapping, bilinear."""
    width = tile.shape[0]
    mask = width - 2
    flat = tile.ravel()
    x_floor, y_floor = np.floor(x), np.floor(y)
    column, row = x_floor.astype(np.int32), y_floor.astype(np.int32)
    column &= mask
    row &= mask
    fx = np.subtract(x, x_floor, out=x_floor)
    fy = np.subtract(y, y_floor, out=y_floor)
    place = (row * np.int32(width) + column).astype(np.intp)
    top = pick(flat, place)
    low = pick(flat, place + 1)
    low -= top
    low *= fx
    top += low
    place += width
    low = pick(flat, place)
    edge = pick(flat, place + 1)
    edge -= low
    edge *= fx
    low += edge
    low -= top
    low *= fy
    top += low
    return top


def between(coarse: Field, rows: int) -> Field:
    """Spread every second row of a smooth field over `rows` rows, the others halfway between."""
    full = np.empty((rows, coarse.shape[1]), np.float32)
    full[::2] = coarse
    odd = rows // 2
    full[1::2] = coarse[:odd]
    inner = full[1 : 2 * coarse.shape[0] - 2 : 2]
    inner += coarse[1:]
    inner *= np.float32(0.5)
    return full


def frac(value: Field) -> Field:
    """Return the part after the point; much faster than a modulo."""
    return value - np.floor(value)


def ring_at(ring: Field, position: Field) -> Field:
    """Read a ring of noise at fractional positions, wrapping."""
    size = ring.size
    base = np.floor(position)
    part = (position - base).astype(np.float32)
    index = base.astype(np.int64) % size
    near = ring.take(index, mode="clip")
    return near + (ring.take((index + 1) % size, mode="clip") - near) * part


def smoothstep(low: float, high: float, value: Field) -> Field:
    """Ease from 0 at low to 1 at high."""
    t = np.clip((value - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
