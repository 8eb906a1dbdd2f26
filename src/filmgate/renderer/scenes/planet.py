"""A planet turning in the light of its star."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, smoothstep, texture
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.scenes.nebula import StarFlight
from filmgate.renderer.stage import Stage

# The rings lie within these distances, in radii of the planet.
_INNER, _OUTER = 1.27, 2.21
_GROOVES = 8192


class Planet:
    """Clouded world, gas giant or ringed planet, with a glowing limb."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "deep"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        rng = stage.rng
        told = stage.direction
        self._gas = told.mentions("jupiter", "saturn", "neptune", "gas", "rings", "ring", "giant")
        self._ringed = told.mentions("saturn", "rings", "ring", "ringed")
        self._earth = told.mentions("earth", "globe", "terra", "地球")
        if not (self._gas or self._earth):
            self._gas = rng.random() < 0.35
            self._ringed = rng.random() < 0.4
        self._land = texture(rng, 512, 1.75, 0.45)
        self._cloud = texture(rng, 512, 1.6, 0.45)
        self._shift = rng.random(6) * 512
        self._stars = StarFlight(stage, 480)
        self._soft = stage.coarse(2)
        self._side = 1.0 if rng.random() < 0.5 else -1.0
        self._tilt = float(rng.random() * 0.5 - 0.25)
        self._groove, self._dense = self._ring_profile()
        self._colours()

    def _ring_profile(self) -> tuple[Field, Field]:
        """Return brightness and density of the rings from _INNER to _OUTER planet radii."""
        ring = np.linspace(_INNER, _OUTER, _GROOVES, dtype=np.float32)[None, :]
        grooves = sample(self._cloud, ring * 260, np.full_like(ring, 7))
        grooves += 0.5 * sample(self._cloud, ring * 700, np.full_like(ring, 31))
        inside = smoothstep(1.28, 1.36, ring) * (1 - smoothstep(2.1, 2.2, ring))
        gap = 1 - 0.85 * np.exp(-(((ring - 1.78) / 0.035) ** 2))
        dense = np.clip(0.55 + grooves * 0.17, 0.05, 0.95) * inside * gap
        return np.asarray(grooves[0] * 0.04, np.float32), np.asarray(dense[0], np.float32)

    def _colours(self) -> None:
        ramp = self._stage.ramp
        size = ramp.shape[1] - 1
        tinted = bool(self._stage.direction.tints) or not self._earth
        pick = [ramp[:, int(size * part)] for part in (0.25, 0.45, 0.62, 0.85)]
        if tinted:
            self._sea, self._ground, self._high, self._air = pick[0], pick[1], pick[2], pick[2]
        else:
            codes = ("#0a2a5c", "#2f5a3a", "#a58c5c", "#6fb4ff")
            self._sea, self._ground, self._high, self._air = (paint_light(code) for code in codes)

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, view = self._stage, moment.view
        image[:] = np.array([0.0004, 0.0006, 0.0014], np.float32)[:, None, None]
        self._stars.paint(image, moment, 0.003)
        radius = np.float32(0.27 * view.zoom if self._ringed else 0.33 * view.zoom)
        centre_u = np.float32(self._side * 0.07 - view.x * 0.6)
        centre_v = np.float32(0.02 + view.y * 0.6)
        sun = np.float32(self._side * -0.72), np.float32(-0.3), np.float32(0.5)
        self._globe(image, (float(centre_u), float(centre_v), float(radius)), sun, moment)
        self._halo(image, (centre_u, centre_v, radius), sun)
        if self._ringed:
            reach = float(radius) * 1.25
            top = int(np.clip(stage.row(float(centre_v) - reach), 0, stage.height))
            low = int(np.clip(stage.row(float(centre_v) + reach) + 2, top, stage.height))
            x, y = (stage.u - centre_u) / radius, (stage.v[top:low] - centre_v) / radius
            cover = np.clip((1 - np.sqrt(x * x + y * y)) * radius * np.float32(stage.unit) + 0.5, 0, 1)
            self._rings(image[:, top:low], (x, y), cover, sun)

    def _globe(
        self, image: Field, place: tuple[float, float, float], sun: tuple[np.float32, ...], moment: Moment
    ) -> None:
        """Paint the ball itself, only where it is."""
        stage = self._stage
        u, v, radius = place
        left, right = (
            int(np.clip(stage.column(u + side * radius) + side * 2, 0, stage.width)) for side in (-1, 1)
        )
        top, low = (
            int(np.clip(stage.row(v + side * radius) + side * 2, 0, stage.height)) for side in (-1, 1)
        )
        if right <= left or low <= top:
            return
        x = (stage.u[:, left:right] - np.float32(u)) * np.float32(1 / radius)
        y = (stage.v[top:low] - np.float32(v)) * np.float32(1 / radius)
        distance = np.sqrt(x * x + y * y)
        z = np.sqrt(np.maximum(1 - distance * distance, 0))
        day = smoothstep(-0.12, 0.75, x * sun[0] + y * sun[1] + z * sun[2])
        cover = np.clip((1 - distance) * np.float32(radius * stage.unit) + 0.5, 0, 1)
        surface = self._surface(x, y, z, moment)
        rim = np.clip(1 - z, 0, 1)
        limb = rim * rim * rim * day * np.float32(0.85)
        day = day * np.float32(1.25) + np.float32(0.004)
        for channel in range(3):
            area = image[channel, top:low, left:right]
            area += (surface[channel] * day + limb * self._air[channel] - area) * cover

    def _surface(self, x: Field, y: Field, z: Field, moment: Moment) -> tuple[Field, ...]:
        s = self._shift
        cos, sin = np.float32(np.cos(self._tilt)), np.float32(np.sin(self._tilt))
        px, py = x * cos - y * sin, x * sin + y * cos
        py = np.clip(py, -1, 1)
        longitude = np.arctan2(px, np.maximum(z, 1e-3)) * np.float32(512 / (2 * np.pi)) + np.float32(
            moment.time * 2.6
        )
        latitude = np.arcsin(py) * np.float32(512 / (2 * np.pi))
        if self._gas:
            swirl = sample(self._cloud, longitude * 0.9 + np.float32(s[0]), latitude * 3.2 + np.float32(s[1]))
            fine = sample(
                self._cloud,
                longitude * 2 + swirl * 9 + np.float32(moment.time * 1.5),
                latitude * 9 + np.float32(s[2]),
            )
            bands = (
                np.sin(latitude * 0.145 + swirl * np.float32(0.55)) * 0.6
                + np.sin(latitude * 0.33 + fine * 0.35) * 0.4
            )
            part = np.clip(0.5 + bands * 0.42 + fine * 0.06, 0, 1)
            ramp = self._stage.ramp
            index = ((0.3 + part * 0.58) * (ramp.shape[1] - 1)).astype(np.intp)
            return tuple(ramp[channel].take(index, mode="clip") for channel in range(3))
        land = sample(self._land, longitude * 0.8 + np.float32(s[0]), latitude * 0.8 + np.float32(s[1]))
        land += 0.35 * sample(self._cloud, longitude * 2.4 + np.float32(s[2]), latitude * 2.4)
        shore = smoothstep(0.05, 0.25, land)
        high = smoothstep(0.5, 1.6, land)
        sky = sample(
            self._cloud,
            longitude * 1.1 + np.float32(s[3] + moment.time * 1.1),
            latitude * 1.5 + np.float32(s[4]),
        )
        sky += 0.6 * sample(self._land, longitude * 2 + sky * 14 + np.float32(s[5]), latitude * 2.6)
        white = smoothstep(0.1, 1.5, sky)
        ice = smoothstep(0.8, 0.95, np.abs(py) + land * 0.04)
        layers: list[Field] = []
        for channel in range(3):
            tone = self._sea[channel] + (self._ground[channel] - self._sea[channel]) * shore
            tone = tone + (self._high[channel] - tone) * high * shore
            tone = tone + (np.float32(1.1) - tone) * np.maximum(white * 0.9, ice * 0.85)
            layers.append(tone)
        return tuple(layers)

    def _halo(self, image: Field, place: tuple[np.float32, ...], sun: tuple[np.float32, ...]) -> None:
        """Glow outside the limb on the lit side."""
        soft = self._soft
        x, y = (soft.u - place[0]) / place[2], (soft.v - place[1]) / place[2]
        distance = np.sqrt(x * x + y * y)
        toward = np.clip(
            (x * sun[0] + y * sun[1]) / np.maximum(distance, 0.05) * np.float32(0.6) + np.float32(0.42), 0, 1
        )
        out = np.abs(distance - 1)
        halo = (np.exp(out * -26) * np.float32(0.6) + np.exp(out * -6) * np.float32(0.1)) * toward
        halo = self._stage.enlarge(halo * smoothstep(0.9, 1.01, distance))
        for channel in range(3):
            image[channel] += halo * self._air[channel]

    def _rings(
        self, image: Field, place: tuple[Field, Field], cover: Field, sun: tuple[np.float32, ...]
    ) -> None:
        x, y = place
        cos, sin = np.float32(np.cos(0.32 * self._side)), np.float32(np.sin(0.32 * self._side))
        across, along = x * cos - y * sin, (x * sin + y * cos) * np.float32(4.2)
        ring = across * across
        ring += along * along
        np.sqrt(ring, out=ring)
        ring -= np.float32(_INNER)
        ring *= np.float32(_GROOVES / (_OUTER - _INNER))
        index = ring.astype(np.intp)
        behind = (along < 0) * cover
        # The planet's shadow falls on the far part of its rings.
        aside = (y * sun[0] - x * sun[1]) * np.float32(1 / 0.9)
        aside *= aside
        dark = np.exp(-aside * aside * aside)
        dark *= np.clip((x * sun[0] + y * sun[1]) * np.float32(-5), 0, 1)
        visible = self._dense.take(index, mode="clip")
        visible *= 1 - behind
        light = self._groove.take(index, mode="clip")
        dark *= np.float32(-0.9)
        dark += 1
        tone = self._stage.ramp[:, int(self._stage.ramp.shape[1] * 0.78)] * np.float32(0.75)
        for channel in range(3):
            body = light + tone[channel]
            body *= dark
            body -= image[channel]
            body *= visible
            image[channel] += body
