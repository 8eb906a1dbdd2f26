"""List prompts that show the range of the built-in renderer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one prompt with the shape and length that suit it."""

    prompt: str
    aspect: str
    seconds: int


SAMPLE_PROMPTS: tuple[Sample, ...] = (
    Sample("A serene lake at sunset with mountains in the background", "16:9", 6),
    Sample("A bustling city street at night, rain on the asphalt", "16:9", 6),
    Sample("Green aurora over a frozen bay, slow pan", "16:9", 8),
    Sample("Ribbons of violet satin moving in a slow wind tunnel", "9:16", 5),
    Sample("Fog lifting out of a spruce forest at dawn, drone, barely moving", "16:9", 6),
    Sample("Wind combing ridges of sand at last light, dunes, dolly in", "1:1", 5),
    Sample("Cold northern sea at noon, handheld from a small boat", "16:9", 8),
    Sample("A nebula unfolding, magenta to gold, slow push in", "16:9", 6),
    Sample("First snow over the pines at blue hour, soft flakes", "9:16", 6),
    Sample("Ink blooming in cold water, macro, teal into bone", "1:1", 5),
    Sample("Synthwave drive towards a sliced sun, pink and cyan", "16:9", 4),
    Sample("Jellyfish drifting through the deep ocean, shafts of light", "9:16", 8),
)
