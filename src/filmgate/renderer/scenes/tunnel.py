"""Tunnels, portals and neon corridors."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, frac, sample, smoothstep, texture
from filmgate.renderer.points import Bloom
from filmgate.renderer.stage import Stage


class Tunnel:
    """Fly down a tube of light; a portal is the same tube seen from outside."""

    detail: ClassVar[float] = 0.55
    sound: ClassVar[str] = "deep"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._bloom = Bloom(stage, 0.55, 0.35)
        rng = stage.rng
        self._tile = texture(rng, 512, 1.5, 0.4)
        self._portal = stage.direction.mentions(
            "portal", "gateway", "vortex", "wormhole", "portail", "портал"
        )
        self._sides = int(rng.choice([3, 4, 5, 6, 8]))
        self._bulge = float(rng.random()) * 0.5 + 0.12
        self._phase = rng.random(6) * 6.28
        self._spin = 1.0 if rng.random() < 0.5 else -1.0

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, view, time = self._stage, moment.view, moment.time
        p = self._phase
        wander = np.float32(0.05)
        u = (
            stage.u / np.float32(view.zoom)
            + wander * np.float32(np.sin(time * 0.43 + p[0]))
            + np.float32(view.x * 0.5)
        )
        v = (
            stage.v / np.float32(view.zoom)
            + wander * np.float32(np.cos(time * 0.37 + p[1]))
            - np.float32(view.y * 0.5)
        )
        radius = np.sqrt(u * u + v * v) + np.float32(1e-3)
        angle = np.arctan2(v, u)
        turn = np.float32(time * 0.22 * self._spin + view.roll)
        # The cross-section breathes between a circle and a soft polygon.
        bulge = np.float32(self._bulge * (0.75 + 0.25 * np.sin(time * 0.5 + p[2])))
        shaped = radius * (1 + bulge * np.cos((angle + turn) * self._sides) * np.minimum(radius * 3.2, 1))
        if self._portal:
            self._ring(image, shaped, angle + turn, time)
        else:
            self._tube(image, shaped, angle + turn, time)
        self._bloom.paint(image)

    def _tube(self, image: Field, radius: Field, angle: Field, time: float) -> None:
        ramp = self._stage.ramp
        depth = np.float32(0.32) / radius
        along = depth + np.float32(time * 1.15)
        sector = angle * np.float32(self._sides / np.pi) + depth * np.float32(0.22 * self._spin)
        rings = np.abs(frac(along) - 0.5) * 2
        beams = np.abs(frac(sector) - 0.5) * 2
        thin = 0.05 + depth * np.float32(0.018)
        line = np.exp(-(((1 - rings) / (thin * 1.6)) ** 2))
        beam = np.exp(-(((1 - beams) / (thin * 1.1)) ** 2))
        halo = np.exp(-(1 - rings) * 5) * 0.2 + np.exp(-(1 - beams) * 6) * 0.13
        wall = sample(self._tile, angle * np.float32(512 / (2 * np.pi)), along * 60)
        pulse = 0.65 + 0.35 * np.sin(np.floor(along) * np.float32(2.4) + np.float32(self._phase[3]))
        fog = np.exp(-depth * np.float32(0.42))
        hue = np.clip(0.5 + 0.22 * np.sin(along * 0.7 + np.float32(self._phase[4])) + wall * 0.06, 0.2, 0.95)
        index = (hue * (ramp.shape[1] - 1)).astype(np.intp)
        shine = (line * pulse * 1.5 + beam * 0.8 + halo + np.clip(0.03 + wall * 0.03, 0, 1)) * fog
        core = np.exp(-radius * 9) * 1.1 + np.exp(-radius * 30) * 2.2
        for channel in range(3):
            image[channel] = ramp[channel].take(index, mode="clip") * shine
            image[channel] += core * (ramp[channel, -1] * 0.5 + ramp[channel, -300] * 0.5)
            image[channel] += ramp[channel, 90]

    def _ring(self, image: Field, radius: Field, angle: Field, time: float) -> None:
        ramp = self._stage.ramp
        size = ramp.shape[1] - 1
        swirl = np.log(radius) * np.float32(2.4 * self._spin)
        turned = (angle + swirl) * np.float32(512 / (2 * np.pi))
        inward = np.log(radius) * 70
        smoke = sample(self._tile, turned + np.float32(time * 14), inward + np.float32(time * 40))
        wisp = sample(self._tile, turned * 2 + np.float32(time * 9), inward * 2.1 + np.float32(time * 62))
        edge = np.float32(0.235) + smoke * np.float32(0.016)
        away = (radius - edge) * 9
        outside = np.exp(-np.maximum(away, 0) * np.float32(1.15)) * (away > 0)
        inside = np.exp(np.minimum(away, 0) * np.float32(3.6)) * (away <= 0)
        rim = np.exp(-(((radius - edge) * 60) ** 2))
        flame = np.clip(0.55 + 0.38 * smoke + 0.3 * wisp, 0, 2)
        depth = smoothstep(0.0, 0.3, radius)
        tone = np.clip(outside * flame * 0.72 + inside * (0.25 + 0.4 * flame) * depth + rim * 0.35, 0, 1)
        index = (tone * size).astype(np.intp)
        hearts = np.exp(-radius * 26) * 1.4
        for channel in range(3):
            image[channel] = ramp[channel].take(index, mode="clip")
            image[channel] += rim * (0.55 + 0.25 * flame) * ramp[channel, -1] * 0.8
            image[channel] += hearts * ramp[channel, -200]
