"""Render one film from request to file."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from filmgate.renderer.ambience import ambience
from filmgate.renderer.camera import Camera, Moment
from filmgate.renderer.encode import RATE, Encoder
from filmgate.renderer.grade import VIGNETTE, Grade
from filmgate.renderer.noise import Field, seeded
from filmgate.renderer.palette import hour_light, ramp
from filmgate.renderer.parallax import Parallax
from filmgate.renderer.prompt import Direction, direct
from filmgate.renderer.request import NoSpace, RenderError, RenderRequest
from filmgate.renderer.scenes import scene_class
from filmgate.renderer.stage import Painter, Stage, make_stage
from filmgate.renderer.weather import Weather

Progress = Callable[[int], None]

# Just below the largest size glibc adapts to, 32 MiB.
_KEPT = 31 << 20


class Film:
    """Hold one film ready to be painted frame by frame."""

    def __init__(self, request: RenderRequest) -> None:
        self.request = request
        self.direction: Direction = direct(request.prompt)
        kind = Parallax if request.image else scene_class(self.direction.scene)
        self.sound = kind.sound
        scale = kind.detail
        size = (max(16, round(request.width * scale)), max(16, round(request.height * scale)))
        self.stage: Stage = self._stage(size)
        self._camera = Camera(self.direction.moves, request.seconds, self._rng("camera"))
        self._scene: Painter = self._open_scene()
        self._weather = None if request.image else Weather(self.stage)
        # An image brings its own edges: darkened again, it would no longer be the image.
        vignette = 0.0 if request.image else VIGNETTE
        output = (request.width, request.height)
        self._grade = Grade(self.stage, output, self._rng("grain"), vignette=vignette)
        self._image = np.zeros((3, *size[::-1]), np.float32)
        # Films of different seeds start at different moments of the same world.
        self._start = float(self._rng("clock").random()) * 40

    def _rng(self, salt: str) -> np.random.Generator:
        return seeded(self.request.prompt, self.request.seed, salt)

    def _stage(self, size: tuple[int, int]) -> Stage:
        told = self.direction
        rng = self._rng("palette")
        chosen = hour_light(told.time, told.weather, told.tints, rng)
        table = ramp(told.tints, rng)
        return make_stage(size, told, chosen, table, self._rng("scene"), self.request.seconds)

    def _open_scene(self) -> Painter:
        if self.request.image:
            return Parallax(self.stage, Path(self.request.image))
        return scene_class(self.direction.scene)(self.stage)

    def paint(self, index: int) -> Field:
        """Paint one frame as scene light."""
        seconds = index / self.request.fps
        part = index / max(1, self.request.frames - 1)
        moment = Moment(self._start + seconds * self.direction.pace, part, self._camera.view(seconds))
        self._scene.paint(self._image, moment)
        if self._weather is not None:
            self._weather.paint(self._image, moment)
        return self._image

    def frames(self) -> Iterator[av.VideoFrame]:
        """Develop every frame in order."""
        for index in range(self.request.frames):
            yield self._grade.develop(self.paint(index))


def render(request: RenderRequest, output: Path, progress: Progress) -> None:
    """Render to output, calling progress with the frames done; raises RenderError."""
    part = output.with_name(output.name + ".part")
    try:
        _write(request, part, progress)
        part.replace(output)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace("The disk is full: free some space and render again.") from error
        raise RenderError(f"The film could not be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _keep_memory() -> None:
    """Teach the allocator to keep large blocks between frames.

    After glibc has freed one block of this size, it no longer hands every smaller array back to the
    kernel, which would have to clear the pages of each anew: up to a fifth of a film's time.
    """
    np.empty(_KEPT, np.uint8)


def _write(request: RenderRequest, path: Path, progress: Progress) -> None:
    _keep_memory()
    film = Film(request)
    with Encoder(path, request, _sound(film)) as encoder:
        for done, frame in enumerate(film.frames(), start=1):
            encoder.picture(frame)
            progress(done)
        encoder.finish()


def _sound(film: Film) -> Field | None:
    request = film.request
    if not request.audio:
        return None
    rng = seeded(request.prompt, request.seed, "sound")
    return ambience(film.sound, film.direction, round(request.frames / request.fps * RATE), rng)
