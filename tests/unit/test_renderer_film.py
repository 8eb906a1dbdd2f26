"""Every scene paints a living picture, the same for the same seed."""

import numpy as np
import pytest

from filmgate.renderer.ambience import ambience
from filmgate.renderer.film import Film
from filmgate.renderer.noise import seeded
from filmgate.renderer.palette import LUMA, show
from filmgate.renderer.prompt import direct
from filmgate.renderer.request import RenderRequest
from filmgate.renderer.scenes import SCENES

PROMPT_OF = {
    "sea": "sea at sunset",
    "lake": "lake at dawn",
    "dunes": "dunes at noon",
    "mountains": "mountains at dusk",
    "forest": "forest in fog",
    "street": "street at night in the rain",
    "skyline": "skyline at night",
    "aurora": "aurora",
    "nebula": "nebula",
    "planet": "planet with rings",
    "rain": "rain on a window",
    "snow": "snowfall in winter",
    "silk": "silk",
    "ink": "ink",
    "tunnel": "tunnel",
    "grid": "synthwave",
    "meadow": "meadow with flowers",
    "fire": "campfire",
    "clouds": "above the clouds",
    "underwater": "jellyfish underwater",
}
VARIANTS = (
    "galaxy",
    "planet earth",
    "portal",
    "lava",
    "wildfire inferno",
    "swirls of paint",
    "smoke",
    "ocean storm",
)


def request(prompt: str, seed: int = 7, width: int = 160, height: int = 90) -> RenderRequest:
    return RenderRequest(prompt, 1.0, width, height, seed)


def luma(prompt: str, index: int, seed: int = 7) -> np.ndarray:
    shown = show(Film(request(prompt, seed)).paint(index))
    return np.tensordot(LUMA, shown, axes=1)


def test_every_scene_has_a_test_prompt() -> None:
    assert set(PROMPT_OF) == set(SCENES)
    assert all(direct(prompt).scene == scene for scene, prompt in PROMPT_OF.items())


@pytest.mark.parametrize("prompt", [*PROMPT_OF.values(), *VARIANTS])
def test_a_scene_is_neither_black_nor_flat_nor_still(prompt: str) -> None:
    film = Film(request(prompt))
    first = show(film.paint(0).copy())
    last = show(film.paint(23).copy())
    assert np.isfinite(first).all()
    assert np.tensordot(LUMA, first, axes=1).mean() > 0.015
    assert np.tensordot(LUMA, first, axes=1).std() > 0.02
    assert np.abs(first - last).mean() > 0.001


@pytest.mark.parametrize("size", [(90, 160), (128, 128), (16, 16), (320, 64)])
def test_other_shapes_paint(size: tuple[int, int]) -> None:
    for prompt in ("lake", "street", "rain window", "campfire", "meadow"):
        assert np.isfinite(Film(request(prompt, 3, *size)).paint(1)).all()


def test_the_same_seed_gives_the_same_picture() -> None:
    assert np.array_equal(luma("lake at sunset", 5), luma("lake at sunset", 5))


@pytest.mark.parametrize("prompt", ["lake at sunset", "silk", "street at night"])
def test_another_seed_gives_another_picture(prompt: str) -> None:
    assert np.abs(luma(prompt, 5, seed=1) - luma(prompt, 5, seed=2)).mean() > 0.02


@pytest.mark.parametrize("kind", ["wind", "surf", "rain", "hum", "pad", "fire", "deep", "night"])
def test_ambience_is_quiet_and_fades(kind: str) -> None:
    sound = ambience(kind, direct("a storm"), 48_000, seeded("x", 1))
    assert sound.shape == (2, 48_000)
    level = 20 * np.log10(np.sqrt(np.mean(sound[:, 16_000:32_000] ** 2)))
    assert -36 < level < -23
    assert np.abs(sound[:, :10]).max() < 0.001


def test_a_very_short_sound_works() -> None:
    assert ambience("wind", direct(""), 2_000, seeded("x", 1)).shape == (2, 2_000)
