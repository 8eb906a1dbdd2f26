"""Mountain ranges under a moving sky."""

from typing import ClassVar

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field
from filmgate.renderer.ridges import fade
from filmgate.renderer.sky import Sky
from filmgate.renderer.stage import Stage
from filmgate.renderer.terrain import Massif, Shape, Trees, saddle


class Mountains:
    """Four ranges one behind the other, spruces in front."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "wind"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        tall = 1.0 if stage.side > stage.bottom else 1.25
        horizon = stage.bottom * 0.42
        self._sky = Sky(stage, horizon * 0.72)
        side = 1.0 if self._sky.sun_u > 0 else -1.0
        told = stage.direction
        snow = 0.3 + 0.3 * float(stage.rng.random())
        if told.mentions(
            "snow", "snowy", "winter", "alpenglow", "alps", "himalaya", "everest", "glacier", "dents"
        ):
            snow = 0.8
        shapes = (
            Shape(0.27 * tall, 0.14, 0.52, snow, -0.02),
            Shape(0.31 * tall, 0.24, 0.22, snow, 0.0),
            Shape(0.17 * tall, 0.42, 0.3, snow * 0.3, 0.0, 0.7),
            Shape(0.1 * tall, 0.66, 0.12, 0.0, 0.06, 0.35),
        )
        self._ranges = [Massif(stage, shape, horizon, side) for shape in shapes]
        self._sky.move_sun(*saddle(stage, self._ranges[:2], side))
        self._feet = [horizon + 0.03, horizon + 0.05, horizon + 0.1, stage.bottom + 0.05]
        self._trees = [
            Trees(stage, 0.045, 0.8, stage.bottom * 0.86),
            Trees(stage, 0.11, 1.15, stage.bottom * 1.08, 3.2),
        ]

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, light = self._stage, self._stage.light
        self._sky.paint(image, moment)
        for place, (rank, foot) in enumerate(zip(self._ranges, self._feet, strict=True)):
            # What the next range hides need not be painted.
            hidden = self._ranges[place + 1].crest(moment.view).max() if place < 3 else stage.height
            floor = max(foot, (float(hidden) - stage.row(0.0)) / stage.unit + 0.01)
            rank.paint(image, moment.view, floor, (0.75, 0.7, 0.75, 0.5)[place])
        far = light.shade * 0.75 + light.haze * 0.2
        self._trees[0].paint(
            image, moment.view, fade(stage, far, light.haze * 0.6, stage.bottom * 0.7, stage.bottom * 1.3)
        )
        near = fade(stage, light.shade * 0.75, light.shade * 0.4, stage.bottom * 0.6, stage.bottom)
        self._trees[1].paint(image, moment.view, near)
