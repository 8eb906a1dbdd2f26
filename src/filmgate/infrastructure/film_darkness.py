"""Tell a film that shows nothing from one that is only dark; only ever imported by a child process.

A film is empty when every single frame of it is black to the last pixel. A night scene is not: one star in
one frame is enough.
"""

from typing import Final, cast

from av.video.frame import VideoFrame
from PIL import Image

from filmgate.infrastructure.media_film import Film, decoded

# Of 255. An encoded black frame lies between 0 and 3; what is brighter than this can be seen in the dark.
BRIGHTEST: Final = 12
# How much a film that shows nothing may still change, as the noise of its encoder.
VARIATION: Final = 8


def is_empty(film: Film) -> bool:
    """Look at every frame of a film until one of them shows something."""
    darkest = 255
    for _, frame in decoded(film, range(film.frames)):
        low, high = extremes(frame)
        darkest = min(darkest, low)
        if high > BRIGHTEST or high - darkest > VARIATION:
            return False
    return True


def extremes(frame: VideoFrame) -> tuple[int, int]:
    """Return the darkest and the brightest pixel of a frame in full size, 0 to 255."""
    plane = frame.reformat(format="gray").planes[0]
    size = (plane.width, plane.height)
    image = Image.frombuffer("L", size, bytes(plane), "raw", "L", plane.line_size, 1)
    return cast("tuple[int, int]", image.getextrema())
