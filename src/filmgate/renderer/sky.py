"""Paint the sky: gradient, sun or moon, clouds, stars."""

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, smoothstep, texture
from filmgate.renderer.palette import table
from filmgate.renderer.points import Stars
from filmgate.renderer.scale import patch
from filmgate.renderer.stage import Stage

# Gradient, halo and clouds are soft: a third of the size shows all there is of them.
_COARSE = 3


class Sky:
    """Hold a sky that meets the ground at a horizon given in v."""

    def __init__(self, stage: Stage, horizon: float, clouds: float | None = None, sun: bool = True) -> None:
        light = stage.light
        weather = stage.direction.weather
        rng = stage.rng
        self._stage = stage
        self.horizon = horizon
        heavy = bool(weather & {"rain", "storm", "clouds", "snow", "fog"})
        self.cover = clouds if clouds is not None else 0.78 if heavy else 0.1 if "clear" in weather else 0.46
        overcast = bool(weather & {"rain", "storm"})
        self.sun = sun and not overcast
        third = stage.side * (0.2 + 0.3 * float(rng.random()))
        self.sun_u = third if rng.random() < 0.5 else -third
        self.sun_v = horizon - light.height * (1.0 if stage.side > stage.bottom else 1.5)
        self.gradient = table(
            (light.horizon, light.low, light.low * 0.4 + light.upper * 0.6, light.upper, light.zenith)
        )
        self._top = max(0.3, (horizon + stage.bottom) * 0.95)
        self._stars = Stars(stage, light.stars) if light.stars > 0 else None
        self._soft = stage.coarse(_COARSE)
        self._tile = texture(rng, 512, 1.65, 0.4)
        self._shift = rng.random(4) * 512
        self._plane()

    def _plane(self) -> None:
        """Lay the coarse pixels above the horizon on the underside of a cloud deck."""
        soft = self._soft
        rows = int(np.clip(np.ceil(soft.row(self.horizon + 0.02)), 4, soft.height))
        v = soft.v[:rows]
        depth = 1.0 / (np.maximum(self.horizon - v, 0.0) + 0.11)
        self._rows = rows
        self._cloud_x = soft.u * depth * np.float32(46)
        self._cloud_y = depth * np.float32(100)
        self._thin = smoothstep(-0.02, 0.12, self.horizon - v)
        away_u, away_v = soft.u - self.sun_u, v - self.sun_v
        near = away_u * away_u + away_v * away_v
        self._near_sun = np.exp(-near * 9).astype(np.float32)

    def move_sun(self, u: float, over: float) -> None:
        """Put the sun or moon at another place along the horizon, its disc above v `over`."""
        self.sun_u = u
        self.sun_v = min(self.sun_v, over - 0.012)
        self._plane()

    def colour_at(self, height: Field) -> Field:
        """Look up the gradient by height above the horizon in units, shape (3, ...)."""
        place = np.clip((np.maximum(height, 0.0) / self._top) ** np.float32(0.62), 0, 1)
        return self.gradient[:, (place * (self.gradient.shape[1] - 1)).astype(np.intp)]

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint the whole frame as sky; what lies below the horizon repeats its edge."""
        stage, soft = self._stage, self._soft
        back = np.empty((3, soft.height, soft.width), np.float32)
        back[:] = self.colour_at(self.horizon + moment.view.y * 0.3 - soft.v)
        if self.sun:
            self._paint_halo(back, moment)
        veil = self._paint_clouds(back, moment) if self.cover > 0.02 else None
        for channel in range(3):
            image[channel] = stage.enlarge(back[channel])
        if self._stars is not None:
            drift = -moment.view.x * 0.06 - moment.time * 0.0012
            self._stars.paint(image, moment.time, drift, stage.row(self.horizon), veil)
        if self.sun:
            self._paint_disc(image, moment, veil)

    def sun_place(self, moment: Moment) -> tuple[float, float]:
        """Return where the sun or moon stands in u and v."""
        return self.sun_u - moment.view.x * 0.06, self.sun_v + moment.view.y * 0.3

    def _paint_halo(self, back: Field, moment: Moment) -> None:
        light, soft = self._stage.light, self._soft
        u, v = self.sun_place(moment)
        strong = 0.3 if light.moon else 0.75
        away = np.sqrt((soft.u - np.float32(u)) ** 2 + (soft.v - np.float32(v)) ** 2)
        halo = np.exp(away * np.float32(-9.5)) * np.float32(strong)
        halo += np.exp(away * np.float32(-34)) * np.float32(strong * 1.3)
        for channel in range(3):
            back[channel] += halo * light.glow[channel]

    def _paint_disc(self, image: Field, moment: Moment, veil: Field | None) -> None:
        stage, light = self._stage, self._stage.light
        u, v = self.sun_place(moment)
        radius = 0.03 if light.moon else 0.042
        left, right = (
            int(np.clip(stage.column(u + side * radius) + side * 2, 0, stage.width)) for side in (-1, 1)
        )
        top, low = (
            int(np.clip(stage.row(v + side * radius) + side * 2, 0, stage.height)) for side in (-1, 1)
        )
        if right <= left or low <= top:
            return
        near = np.sqrt(
            (stage.u[:, left:right] - np.float32(u)) ** 2 + (stage.v[top:low] - np.float32(v)) ** 2
        )
        disc = np.clip((np.float32(radius) - near) * np.float32(stage.unit / 1.6) + 0.5, 0, 1)
        if veil is not None:
            disc *= 1 - patch(veil, (stage.height, stage.width), (top, low, left, right))
        for channel in range(3):
            image[channel, top:low, left:right] += disc * (
                light.sun[channel] * np.float32(0.75 if light.moon else 1.6)
            )

    def _paint_clouds(self, back: Field, moment: Moment) -> Field:
        """Paint the clouds and return how much they hide, at the size of the soft stage."""
        light, rows = self._stage.light, self._rows
        soft = self._soft
        wind = moment.time * 1.9
        s = self._shift
        x = self._cloud_x + np.float32(s[0] + wind + moment.view.x * 30)
        y = self._cloud_y + np.float32(s[1] + moment.view.ahead * 14)
        body = sample(self._tile, x, y)
        fine = sample(self._tile, x * 3.1 + np.float32(s[2] + wind * 0.9), y * 3.1 + np.float32(s[3]))
        shadow = sample(self._tile, x + np.float32(5), y - np.float32(9))
        mass = body + fine * np.float32(0.33)
        edge = 1.15 - 1.9 * self.cover
        cover = smoothstep(edge, edge + 1.35, mass) * self._thin
        lit = np.clip(
            0.62 + (body - shadow) * np.float32(0.55) - cover * np.float32(0.28) + fine * 0.06, 0.05, 1.2
        )
        lit += self._near_sun * np.float32(0.35 if self.sun else 0.0) * (1 - cover)
        cover *= np.float32(0.93)
        bright = light.horizon * 0.55 + light.glow * 0.35 + light.sun * (0.03 if light.moon else 0.22)
        dark = light.upper * 0.5 + light.haze * 0.28 + light.zenith * 0.12
        if light.moon:
            bright, dark = bright * 0.5, dark * 0.75
        for channel in range(3):
            area = back[channel, :rows]
            area += (dark[channel] + (bright[channel] - dark[channel]) * lit - area) * cover
        veil = np.zeros((soft.height, soft.width), np.float32)
        veil[:rows] = cover
        return veil
