"""Ink in water, smoke, marbled paint."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, smoothstep, texture
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.stage import Stage


class Ink:
    """Plumes folded by a slow current."""

    detail: ClassVar[float] = 0.6
    sound: ClassVar[str] = "deep"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        rng = stage.rng
        self._tile = texture(rng, 512, 1.75, 0.3)
        self._fine = texture(rng, 512, 1.35, 0.5)
        self._shift = rng.random(10) * 512
        told = stage.direction
        self._smoke = told.mentions("smoke", "incense", "steam", "rauch", "fumée", "fog")
        self._marble = told.mentions(
            "marble", "marbled", "swirl", "swirls", "swirling", "psychedelic", "trippy", "paint"
        )
        self._paper = (
            not self._smoke
            and not self._marble
            and told.mentions("bone", "white", "paper", "watercolor", "water")
        )

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, view, s = self._stage, moment.view, self._shift
        soft = stage
        time = moment.time
        zoom = np.float32(150 / view.zoom)
        u = soft.u * zoom + np.float32(view.x * 120)
        v = soft.v * zoom - np.float32(view.y * 120) + np.float32(time * (5.5 if self._smoke else -2.0))
        first = sample(self._tile, u + np.float32(s[0] + time * 1.6), v + np.float32(s[1]))
        second = sample(self._tile, u + np.float32(s[2]), v + np.float32(s[3] - time * 2.1))
        bend = np.float32(20.0)
        third = sample(
            self._tile, u + first * bend + np.float32(s[4]), v + second * bend + np.float32(s[5] + time * 1.2)
        )
        fourth = sample(
            self._fine,
            (u + third * 34 + first * 10) * 0.55 + np.float32(s[6]),
            (v + second * 34) * 0.55 + np.float32(s[7]),
        )
        self._tone(image, third, fourth, second)

    def _tone(self, image: Field, plume: Field, wisp: Field, broad: Field) -> None:
        stage, ramp = self._stage, self._stage.ramp
        size = ramp.shape[1] - 1
        if self._marble:
            bands = 0.5 + 0.5 * np.sin(plume * np.float32(4.2) + wisp * np.float32(1.1) + broad)
            tone = bands * 0.82 + 0.06 + wisp * np.float32(0.04)
        else:
            mass = plume * np.float32(0.8) + wisp * np.float32(0.38) + broad * np.float32(0.35)
            tone = smoothstep(-1.7 if self._smoke else -1.35, 1.9, mass)
        edge = np.empty_like(plume)
        edge[:, 2:] = plume[:, 2:] - plume[:, :-2] + (wisp[:, 2:] - wisp[:, :-2]) * np.float32(0.3)
        edge[:, :2] = edge[:, 2:4]
        tone = np.clip(tone + edge * np.float32(stage.unit / 4200), 0.0, 1.0)
        if self._paper:
            self._on_paper(image, tone)
            return
        index = (tone * size).astype(np.intp)
        for channel in range(3):
            image[channel] = ramp[channel].take(index, mode="clip")

    def _on_paper(self, image: Field, tone: Field) -> None:
        """Let the ink darken pale water instead of glowing in the dark."""
        ramp = self._stage.ramp
        size = ramp.shape[1] - 1
        paper = paint_light("#efe6d4")
        dense = smoothstep(0.28, 0.8, tone)
        index = ((0.78 - dense * 0.62) * size).astype(np.intp)
        cover = smoothstep(0.2, 0.55, tone)
        for channel in range(3):
            ink = ramp[channel].take(index, mode="clip")
            image[channel] = paper[channel] * 0.92 + (ink - paper[channel] * 0.92) * cover
