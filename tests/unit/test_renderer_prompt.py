"""Prompts become the scene, hour, weather, colours and camera they ask for."""

import subprocess
import sys

import pytest

from filmgate.renderer.palette import HOURS, TINTS
from filmgate.renderer.prompt import direct
from filmgate.renderer.samples import SAMPLE_PROMPTS
from filmgate.renderer.scenes import SCENES
from filmgate.renderer.words import COLOURS, TIMES
from filmgate.renderer.words import SCENES as SCENE_WORDS

SCENE_OF = {
    "A serene lake at sunset with mountains in the background": "lake",
    "A bustling city street": "street",
    "A bustling city street at night, rain on the asphalt": "street",
    "Cold northern sea at noon, handheld from a small boat": "sea",
    "Waves crashing on a rocky coast": "sea",
    "Dunes at sunset for a story, room for a title at the top": "dunes",
    "Wind combing ridges of sand at last light": "dunes",
    "A camel caravan crossing the Sahara": "dunes",
    "Alpenglow fading from the last peak, time-lapse": "mountains",
    "The Matterhorn at dawn": "mountains",
    "Fog lifting out of a spruce valley at dawn, drone": "forest",
    "Autumn forest layers in warm haze, slow crane up": "forest",
    "A deer walking through the woods": "forest",
    "Taxis in Tokyo traffic": "street",
    "The skyline of Manhattan at blue hour": "skyline",
    "City of glass towers, aerial": "skyline",
    "Aurora over a frozen bay": "aurora",
    "The northern lights above a cabin in the snow": "aurora",
    "A nebula unfolding like silk, violet to magenta": "nebula",
    "Astronaut floating among the stars": "nebula",
    "A spiral galaxy turning": "nebula",
    "Saturn and its rings": "planet",
    "Planet earth from orbit": "planet",
    "Rain on a window, lights behind it": "rain",
    "First snow, soft flakes, winter morning": "snow",
    "A blizzard in winter": "snow",
    "Ribbons of violet satin moving in a slow wind tunnel": "silk",
    "Vertical ribbon of green silk, product backdrop": "silk",
    "Ink blooming in cold water, macro, teal into bone": "ink",
    "Incense smoke curling upwards": "ink",
    "Mint portal, slow spin, soft glow": "tunnel",
    "Hyperspace tunnel of neon": "tunnel",
    "Synthwave drive, 80s": "grid",
    "A field of poppies in the breeze": "meadow",
    "Sunflowers under a summer sky": "meadow",
    "A campfire at night": "fire",
    "Lava flowing from an eruption": "fire",
    "Flying above the clouds": "clouds",
    "Coral reef with fish": "underwater",
    "Jellyfish in the deep ocean": "underwater",
    "Ein See bei Sonnenuntergang mit Bergen": "lake",
    "Une forêt dans la brume": "forest",
    "El océano de noche": "sea",
    "夕日の海": "sea",
    "山里的雪": "mountains",
    "ночной город": "skyline",
}


@pytest.mark.parametrize(("prompt", "scene"), SCENE_OF.items())
def test_a_prompt_finds_its_scene(prompt: str, scene: str) -> None:
    assert direct(prompt).scene == scene


@pytest.mark.parametrize(
    ("prompt", "time"),
    [
        ("a lake at sunset", "sunset"),
        ("a lake at dawn", "dawn"),
        ("a lake at golden hour", "golden"),
        ("golden leaves at midnight in a forest", "night"),
        ("dunes at blue hour", "dusk"),
        ("sea at noon", "noon"),
        ("夜の海", "night"),
        ("a street", "night"),
    ],
)
def test_a_prompt_finds_its_hour(prompt: str, time: str) -> None:
    assert direct(prompt).time == time


def test_weather_colours_camera_and_pace_are_read() -> None:
    told = direct("Stormy violet and gold sea in fog, drone shot, slow push in, handheld, time-lapse")
    assert {"storm", "fog"} <= told.weather
    assert told.tints[:2] == ("violet", "gold")
    assert set(told.moves) >= {"drone", "push", "handheld"}
    assert told.pace == 5.0


def test_hour_names_do_not_become_colours() -> None:
    assert direct("a lake at golden hour").tints == ()
    assert direct("dunes at blue hour").tints == ()


def test_left_turns_a_pan_left() -> None:
    assert direct("pan left over the sea").moves[0] == "pan_left"


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " ",
        "\x00",
        "\ud800 lone surrogate",
        "🜁🜂🜃",
        "x" * 32_000,
        "lake " * 6_400,
        "ลิงกินกล้วย",
        "ß" * 32_000,
    ],
)
def test_no_prompt_fails(prompt: str) -> None:
    told = direct(prompt)
    assert told.scene in SCENES
    assert told.time in HOURS


def test_unknown_words_spread_over_several_scenes() -> None:
    assert len({direct(f"qwrtz{number}").scene for number in range(60)}) >= 6


def test_the_tables_name_only_what_exists() -> None:
    assert set(SCENE_WORDS) == set(SCENES)
    assert set(TIMES) == set(HOURS)
    assert set(COLOURS) <= set(TINTS)


def test_the_first_six_samples_are_six_families() -> None:
    assert len(SAMPLE_PROMPTS) == 12
    assert len({direct(sample.prompt).scene for sample in SAMPLE_PROMPTS[:6]}) == 6
    assert {sample.aspect for sample in SAMPLE_PROMPTS} == {"16:9", "9:16", "1:1"}
    assert all(4 <= sample.seconds <= 8 for sample in SAMPLE_PROMPTS)


def test_importing_the_package_loads_neither_numpy_nor_av() -> None:
    code = "import sys, filmgate.renderer; sys.exit(bool({'numpy', 'av', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
