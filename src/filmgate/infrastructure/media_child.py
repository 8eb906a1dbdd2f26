"""Look into videos and make pictures of them: JSON lines in, JSON lines out.

Started by `media.media_pool`. Decoders of strangers' files crash, hang and eat memory;
here they do so in a process that can be killed.
"""

import errno
import json
import math
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, NotRequired, TypedDict, cast

from av.video.frame import VideoFrame
from PIL import Image, ImageChops, ImageStat

from filmgate.domain.errors import MediaUnreadable
from filmgate.infrastructure.film_darkness import is_empty
from filmgate.infrastructure.film_frames import beside, chosen_frame, fitted
from filmgate.infrastructure.film_stitching import join
from filmgate.infrastructure.media_film import MAX_DIMENSION, Film, decoded, inspect

# up to here every frame is decoded (25 s of 1080p); above, only what leads to the samples
_WHOLE_PIXELS: Final = 1_300_000_000
_SAMPLES: Final = 12
_COLUMNS: Final = 4
_MAX_TILES: Final = 100
_GLANCE: Final = 64
# brighter than the noise of an encoded black frame, darker than a lone lamp in a night scene
_BLACK: Final = 24
# of 255: what encoding alone changes from frame to frame of a picture that stands still
_STILL: Final = 8
_THUMBNAIL_WIDTH: Final = 640
_TILE_WIDTH: Final = 256
_POSTER: Final = 1 / 3
_PARENT_POLL: Final = 0.05

Image.MAX_IMAGE_PIXELS = MAX_DIMENSION * MAX_DIMENSION

Answer = dict[str, object]


class Request(TypedDict):
    """Name a task and its files."""

    task: str
    path: str
    max_bytes: int
    thumbnail: NotRequired[str]
    spritesheet: NotRequired[str]
    last_frame: NotRequired[str]
    frame: NotRequired[str]
    place: NotRequired[str]
    size: NotRequired[tuple[int, int] | None]
    after: NotRequired[str]
    joined: NotRequired[str]
    pictures: NotRequired[list[str]]
    width: NotRequired[int]
    frames: NotRequired[int]
    tile_width: NotRequired[int]


@dataclass(frozen=True, slots=True)
class Shot:
    """Keep a sampled frame, small, with its brightness."""

    image: Image.Image
    luma: float
    black: bool


def picture(frame: VideoFrame, width: int, height: int) -> Image.Image:
    """Convert a frame to an image of this size."""
    plane = frame.reformat(width, height, "rgb24", interpolation="AREA").planes[0]
    return Image.frombuffer("RGB", (width, height), bytes(plane), "raw", "RGB", plane.line_size, 1)


def shot(frame: VideoFrame, width: int) -> Shot:
    """Scale a frame down to `width`, never up, and measure how bright it is."""
    width = min(width, frame.width)
    height = max(round(frame.height * width / frame.width), 1)
    image = picture(frame, width, height)
    glance = image.convert("L").resize((_GLANCE, _GLANCE), Image.Resampling.BOX)
    brightest = cast("tuple[int, int]", glance.getextrema())[1]
    return Shot(image, ImageStat.Stat(glance).mean[0], brightest <= _BLACK)


def sheet(images: Sequence[Image.Image], tile_width: int) -> Image.Image:
    """Lay images out in rows of four."""
    width = min(tile_width, images[0].width)
    height = max(round(images[0].height * width / images[0].width), 1)
    rows = math.ceil(len(images) / _COLUMNS)
    canvas = Image.new("RGB", (width * min(len(images), _COLUMNS), height * rows))
    for place, image in enumerate(images):
        row, column = divmod(place, _COLUMNS)
        tile = image.resize((width, height), Image.Resampling.LANCZOS)
        canvas.paste(tile, (column * width, row * height))
    return canvas


def save(image: Image.Image, out: str, kind: str) -> None:
    """Write an image file; encoded in memory first, so that a full disk says so."""
    buffer = BytesIO()
    image.save(buffer, kind, quality=80)
    path = Path(out)
    try:
        path.write_bytes(buffer.getbuffer())
    except OSError:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def probe(film: Film, _: Request) -> Answer:
    """Decode a film and describe it."""
    return _probed(film, _shots(film, _GLANCE))


def thumbnail(film: Film, request: Request) -> Answer:
    """Write the first frame from a third on that is not black."""
    indexes = [film.at(_POSTER), *(index for index in film.spread(_SAMPLES) if index > film.at(_POSTER))]
    taken: list[Shot] = []
    for _, frame in decoded(film, indexes):
        taken.append(shot(frame, request.get("width", _THUMBNAIL_WIDTH)))
        if not taken[-1].black:
            break
    save(_poster(taken).image, request.get("thumbnail", ""), "WEBP")
    return {}


def spritesheet(film: Film, request: Request) -> Answer:
    """Write evenly spaced frames side by side."""
    indexes = film.spread(min(max(request.get("frames", _SAMPLES), 1), _MAX_TILES))
    width = request.get("tile_width", _TILE_WIDTH)
    taken = {index: shot(frame, width).image for index, frame in decoded(film, indexes)}
    save(sheet([taken[index] for index in indexes], width), request.get("spritesheet", ""), "WEBP")
    return {}


def last_frame(film: Film, request: Request) -> Answer:
    """Write the last frame in full size."""
    for _, frame in decoded(film, [film.frames - 1]):
        save(picture(frame, frame.width, frame.height), request.get("last_frame", ""), "PNG")
    return {}


def frame(film: Film, request: Request) -> Answer:
    """Write one frame as it is to be seen, filling a size where one is named."""
    image = chosen_frame(film, request.get("place", "first"))
    size = request.get("size")
    save(fitted(image, None if size is None else (size[0], size[1])), request.get("frame", ""), "PNG")
    return {"shown": image.size}


def stitch(film: Film, request: Request) -> Answer:
    """Write another film after this one; say why frames had to be encoded anew, where they had to."""
    after = inspect(Path(request.get("after", "")), request["max_bytes"])
    return {"obstacle": join(film, after, Path(request.get("joined", "")))}


def compose(request: Request) -> Answer:
    """Write pictures of ours side by side."""
    wide, high = request.get("size") or (_THUMBNAIL_WIDTH, _THUMBNAIL_WIDTH)
    paths = [Path(path) for path in request.get("pictures", [])]
    save(beside(paths, (wide, high)), request.get("frame", ""), "PNG")
    return {}


def develop(film: Film, request: Request) -> Answer:
    """Do everything a finished video needs while decoding it once."""
    shots = _shots(film, _THUMBNAIL_WIDTH)
    poster = film.at(_POSTER)
    nearest = sorted(shots, key=lambda index: abs(index - poster))
    save(_poster(shots[index] for index in nearest).image, request.get("thumbnail", ""), "WEBP")
    tiles = [shots[index].image for index in film.spread(_SAMPLES)]
    save(sheet(tiles, _TILE_WIDTH), request.get("spritesheet", ""), "WEBP")
    return _probed(film, shots)


def _shots(film: Film, width: int) -> dict[int, Shot]:
    whole = film.frames * film.width * film.height <= _WHOLE_PIXELS
    indexes = [0, film.at(_POSTER), film.at(0.5), *film.spread(_SAMPLES), film.frames - 1]
    return {index: shot(frame, width) for index, frame in decoded(film, indexes, whole=whole)}


def _poster(shots: Iterable[Shot]) -> Shot:
    candidates = list(shots)
    return next((candidate for candidate in candidates if not candidate.black), candidates[0])


def _probed(film: Film, shots: dict[int, Shot]) -> Answer:
    description = {
        "seconds": round(film.seconds, 6),
        "width": film.width,
        "height": film.height,
        "fps": round(film.fps, 6),
        "frames": film.frames,
        "video_codec": film.video_codec,
        "audio_codec": film.audio_codec,
        "container": film.container,
        "has_audio": film.audio_codec is not None,
        "luma": round(sum(each.luma for each in shots.values()) / len(shots), 3),
        # what the samples say is only a suspicion: one frame between them may show something
        "black": all(each.black for each in shots.values()) and is_empty(film),
        "still": _is_still(list(shots.values())),
    }
    return {"probe": description}


def _is_still(shots: Sequence[Shot]) -> bool:
    first = shots[0].image
    return all(_most_different(first, each.image) <= _STILL for each in shots[1:])


def _most_different(one: Image.Image, other: Image.Image) -> int:
    bands = cast("tuple[tuple[int, int], ...]", ImageChops.difference(one, other).getextrema())
    return max(high for _, high in bands)


_TASKS: Final[dict[str, Callable[[Film, Request], Answer]]] = {
    "probe": probe,
    "thumbnail": thumbnail,
    "spritesheet": spritesheet,
    "last_frame": last_frame,
    "develop": develop,
    "frame": frame,
    "stitch": stitch,
}


def answered(request: Request) -> Answer:
    """Do what a request asks and return its final message; bugs are not caught here."""
    try:
        if request["task"] == "compose":
            return {"done": True} | compose(request)
        film = inspect(Path(request["path"]), request["max_bytes"])
        return {"done": True} | _TASKS[request["task"]](film, request)
    except MediaUnreadable as error:
        return {"error": str(error), "kind": "unreadable"}
    except MemoryError:
        return {"error": "it needs more memory to decode than allowed", "kind": "unreadable"}
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        return {"error": error.strerror or str(error), "kind": "full" if full else "storage"}


def main() -> None:
    """Answer one request per line until stdin ends."""
    # whatever a library prints must not end up among the answers
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    with suppress(BrokenPipeError):
        for line in sys.stdin.buffer:
            answer = answered(cast("Request", json.loads(line)))
            rest = json.dumps(answer).encode() + b"\n"
            while rest:
                rest = rest[os.write(answers, rest) :]


def _leave_with_parent(parent: int) -> None:
    # a busy child would notice the end of its stdin only when its film is done
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)
    poll.poll()
    # a closed stdin alone is a parent that says goodbye and still waits for an answer
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL)
    os._exit(1)


if __name__ == "__main__":
    main()
