"""Flames, embers and lava."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, smoothstep, texture
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.palette import table, tinted
from filmgate.renderer.points import Bloom, splat
from filmgate.renderer.stage import Stage


class Fire:
    """A fire in the dark, or a lake of lava."""

    detail: ClassVar[float] = 0.55
    sound: ClassVar[str] = "fire"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._bloom = Bloom(stage, 0.5, 0.4)
        rng = stage.rng
        told = stage.direction
        self._lava = told.mentions("lava", "magma", "eruption", "volcano", "hell")
        self._wide = told.mentions("inferno", "wildfire", "wall", "hell", "dragon", "forge", "burning")
        self._tile = texture(rng, 512, 1.55, 0.4)
        self._fine = texture(rng, 512, 1.3, 0.5)
        self._shift = rng.random(8) * 512
        codes = ("#000000", "#1c0503", "#7a1505", "#e2480c", "#ffa92e", "#ffe9a8", "#fffbe8")
        stops = [paint_light(code) for code in codes]
        tints = [
            tint for tint in told.tints if tint not in ("red", "orange", "gold", "amber", "yellow", "black")
        ]
        if tints:
            stops = [tinted(stop, tints[0], 0.75) for stop in stops]
        self._ramp = table(stops, 1024)
        self._soft = stage.coarse(3)
        count = 150
        self._sparks = rng.random((4, count)).astype(np.float32)

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        if self._lava:
            self._flow(image, moment)
        else:
            self._flames(image, moment)
        self._embers(image, moment)
        self._bloom.paint(image)

    def _flames(self, image: Field, moment: Moment) -> None:
        stage, view, s, time = self._stage, moment.view, self._shift, moment.time
        bottom = stage.bottom
        zoom = np.float32(1 / view.zoom)
        self._hearth(image, moment)
        # A camp fire burns in the middle only; the rest of the frame has no flames to work out.
        reach = stage.side if self._wide else 0.42 * view.zoom
        left = int(np.clip(stage.column(-reach - view.x * 0.6), 0, stage.width))
        right = int(np.clip(stage.column(reach - view.x * 0.6), left, stage.width))
        u = (stage.u[:, left:right] + np.float32(view.x * 0.6)) * zoom
        up = (np.float32(bottom * 0.86) - stage.v + np.float32(view.y * 0.5)) * zoom
        rise = np.float32(time * 118)
        sway = sample(
            self._tile, u * 60 + np.float32(s[0]), up * 70 - np.float32(time * 40) + np.float32(s[1])
        )
        bent = u + sway * np.float32(0.035) * np.clip(up * 3.5, 0, 1.6)
        broad = sample(self._tile, bent * 190 + np.float32(s[2]), up * 105 - rise + np.float32(s[3]))
        tongue = sample(self._tile, bent * 420 + np.float32(s[4]), up * 190 - rise * 1.7 + np.float32(s[5]))
        lick = sample(self._fine, bent * 560 + broad * 8, up * 240 - rise * 2.1 + np.float32(s[6]))
        tall = np.float32(bottom * 1.25)
        if self._wide:
            body = 1.05 - np.maximum(up, 0) / tall * 1.35 + np.clip(-up, 0, 1) * 0.4
        else:
            narrow = (
                np.float32(0.2)
                * np.clip(1.05 - up / tall, 0.1, 1.2)
                * (0.75 + 0.25 * smoothstep(-0.05, 0.16, up))
            )
            body = 1.0 - (bent / narrow) ** 2 * np.float32(0.85) - np.maximum(up, 0) / tall * 0.85
            body *= smoothstep(-0.1, 0.02, up)
        ragged = broad * 0.23 + tongue * 0.2 + lick * 0.08
        heat = body * np.float32(0.95) + ragged * np.clip(0.35 + up * 2.6, 0.3, 1.3) + np.float32(0.04)
        heat = np.clip(heat, 0, 1.15)
        heat = heat * heat * (3 - 2 * np.minimum(heat, 1.2)) * 0.9
        index = (np.clip(heat, 0, 1) * 1023).astype(np.intp)
        for channel in range(3):
            image[channel, :, left:right] += self._ramp[channel].take(index, mode="clip") * np.float32(1.05)

    def _hearth(self, image: Field, moment: Moment) -> None:
        """Paint the night around the fire and the logs it burns on."""
        stage, view, soft, time = self._stage, moment.view, self._soft, moment.time
        zoom = np.float32(1 / view.zoom)
        flicker = np.float32(0.85 + 0.09 * np.sin(time * 9.1) + 0.06 * np.sin(time * 15.7 + 1))
        u = (soft.u + np.float32(view.x * 0.6)) * zoom
        up = (np.float32(stage.bottom * 0.86) - soft.v + np.float32(view.y * 0.5)) * zoom
        near = np.exp(-(u * u * 5.5 + (up - 0.12) ** 2 * 4.5)) * np.float32(0.05) * flicker
        ground = 1 - smoothstep(-0.03, 0.03, up)
        grain = sample(self._fine, u * 300, up * 900)
        floor = ground * np.exp(-(u * u * 9 + np.minimum(up, 0) ** 2 * 30))
        floor = floor * np.clip(0.32 + grain * 0.08, 0, 1) * flicker
        near, floor = stage.enlarge(near), stage.enlarge(floor)
        night = stage.light.zenith * 0.25 + np.float32(0.0008)
        for channel in range(3):
            image[channel] = near * self._ramp[channel, 560] + floor * self._ramp[channel, 430]
            image[channel] += night[channel]
        if not self._wide:
            self._logs(image, moment, flicker)

    def _logs(self, image: Field, moment: Moment, flicker: np.float32) -> None:
        stage, view = self._stage, moment.view
        zoom = np.float32(1 / view.zoom)
        top = int(
            np.clip(stage.row(stage.bottom * 0.86 + (view.y * 0.5 - 0.11) * view.zoom), 0, stage.height)
        )
        u = (stage.u + np.float32(view.x * 0.6)) * zoom
        up = (np.float32(stage.bottom * 0.86) - stage.v[top:] + np.float32(view.y * 0.5)) * zoom
        for slant, lift in ((0.32, 0.0), (-0.36, 0.012), (0.04, -0.018)):
            along = u * np.float32(np.cos(slant)) + up * np.float32(np.sin(slant))
            away = (up - np.float32(lift)) * np.float32(np.cos(slant)) - u * np.float32(np.sin(slant))
            log = 1 - smoothstep(0.016, 0.022, np.abs(away))
            log = log * (1 - smoothstep(0.15, 0.165, np.abs(along)))
            crack = np.clip(sample(self._fine, along * 500, away * 900 + np.float32(lift * 9000)) - 0.4, 0, 2)
            round_ = np.clip(away / 0.022, -1, 1)
            glow = crack * 0.5 * flicker + np.clip(round_ * 0.5 + 0.2, 0, 1) * 0.22
            for channel in range(3):
                tone = self._ramp[channel, 160] * 0.25 + glow * self._ramp[channel, 520] * 0.6
                area = image[channel, top:]
                area += (tone - area) * log

    def _flow(self, image: Field, moment: Moment) -> None:
        stage, view, s, time = self._stage, moment.view, self._shift, moment.time
        lifted = np.maximum(stage.v + np.float32(stage.bottom * 1.35), np.float32(0.06))
        depth = np.float32(0.55) / lifted
        x = (stage.u + np.float32(view.x * 0.6)) * depth * np.float32(170 / view.zoom)
        y = depth * np.float32(210) + np.float32(time * 3.0 + view.ahead * 20)
        bend = sample(self._tile, x * 0.6 + np.float32(s[0]), y * 0.6 + np.float32(s[1] + time * 1.4))
        plate = sample(
            self._tile, x + bend * 13 + np.float32(s[2] + time * 1.8), y + bend * 13 + np.float32(s[3])
        )
        fine = sample(
            self._fine, x * 1.8 + bend * 16 + np.float32(s[4] + time * 2.2), y * 1.8 + np.float32(s[5])
        )
        crack = np.exp(-np.abs(plate + fine * 0.16) * 6.5)
        pool = smoothstep(0.7, 2.0, bend + plate * 0.35)
        pulse = 0.88 + 0.12 * np.sin(time * 0.9 + bend * 3)
        heat = np.clip(np.maximum(crack * 0.88, pool * 0.85) * pulse + crack * pool * 0.2, 0, 1)
        crust = np.clip(0.12 + 0.05 * fine + 0.04 * plate, 0.02, 0.4)
        index = (np.clip(heat, 0, 0.97) * 1023).astype(np.intp)
        far = np.exp(-lifted * 2.6) * np.float32(0.5)
        for channel in range(3):
            image[channel] = self._ramp[channel].take(index, mode="clip") + crust * np.float32(
                (0.09, 0.075, 0.08)[channel]
            )
            image[channel] += far * self._ramp[channel, 520]

    def _embers(self, image: Field, moment: Moment) -> None:
        stage, time = self._stage, moment.time
        x0, speed, size, phase = self._sparks
        life = np.mod(time * (0.1 + 0.22 * speed) + phase, 1.0)
        spread = stage.side * (1.0 if self._wide or self._lava else 0.22)
        sway = np.sin(life * 9 + phase * 40) * 0.03 + np.sin(life * 23 + x0 * 50) * 0.008
        u = (x0 * 2 - 1) * spread * (0.6 + life * 1.4) + sway
        v = stage.bottom * (0.85 - 1.75 * life * (0.55 + 0.6 * size))
        power = (
            (1 - life) ** 1.3
            * np.clip(life * 9, 0, 1)
            * (0.5 + 0.5 * np.sin(time * 8 * speed + phase * 30) ** 2)
        )
        tone = self._ramp[:, 700][:, None] * power[None] * np.float32(1.5)
        radius = (0.0009 + 0.0014 * size**3) * np.float32(stage.unit)
        column = stage.column(-moment.view.x * 0.5) + u * stage.unit
        row = stage.row(0.0) + v * stage.unit
        splat(
            image,
            column.astype(np.float32),
            row.astype(np.float32),
            np.maximum(radius, 0.5).astype(np.float32),
            tone.astype(np.float32),
        )
