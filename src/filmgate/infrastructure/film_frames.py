"""Take single frames out of films as pictures; only ever imported by a child process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from av.video.frame import VideoFrame
from PIL import Image, ImageOps, ImageStat

from filmgate.domain.errors import MediaUnreadable
from filmgate.infrastructure.media_film import Film, decoded

# brighter than the noise of an encoded black frame, darker than a lone lamp in a night scene
_BLACK: Final = 24
_SAMPLES: Final = 8
_POSTER: Final = 1 / 3
_FORMATS: Final = ("PNG", "JPEG", "WEBP")

Size = tuple[int, int]


def upright(frame: VideoFrame) -> Image.Image:
    """Return a frame as it is to be seen, turned as the film says."""
    plane = frame.reformat(format="rgb24").planes[0]
    size = (frame.width, frame.height)
    image = Image.frombuffer("RGB", size, bytes(plane), "raw", "RGB", plane.line_size, 1)
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def chosen_frame(film: Film, place: str) -> Image.Image:
    """Return the ``first``, the ``last`` or a ``typical`` frame; for a black one the next that is not."""
    image: Image.Image | None = None
    for _, frame in decoded(film, _candidates(film, place)):
        candidate = upright(frame)
        image = image or candidate
        if place == "last" or not _is_black(candidate):
            return candidate
    if image is None:
        raise MediaUnreadable("it has no frame that can be decoded")
    return image


def _candidates(film: Film, place: str) -> Sequence[int]:
    if place == "last":
        return [film.frames - 1]
    start = 0 if place == "first" else film.at(_POSTER)
    return [start, *(index for index in film.spread(_SAMPLES) if index > start)]


def _is_black(image: Image.Image) -> bool:
    glance = image.convert("L").resize((64, 64), Image.Resampling.BOX)
    return ImageStat.Stat(glance).extrema[0][1] <= _BLACK


def fitted(image: Image.Image, size: Size | None) -> Image.Image:
    """Scale an image to fill a size and cut off what stands over, evenly on both sides."""
    if size is None or image.size == size:
        return image
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def beside(paths: Sequence[Path], size: Size) -> Image.Image:
    """Lay pictures side by side, each filling an equal share of the width."""
    canvas = Image.new("RGB", size)
    edges = [round(size[0] * place / len(paths)) for place in range(len(paths) + 1)]
    for path, left, right in zip(paths, edges, edges[1:], strict=False):
        canvas.paste(fitted(_picture(path), (right - left, size[1])), (left, 0))
    return canvas


def _picture(path: Path) -> Image.Image:
    with path.open("rb") as file:
        try:
            with Image.open(file, formats=_FORMATS) as picture:
                return ImageOps.exif_transpose(picture).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise MediaUnreadable(f"a picture cannot be read: {error}") from error
