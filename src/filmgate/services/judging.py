"""Judge whether a file that a provider delivered is the film that was asked for."""

from math import log

from filmgate.domain.errors import MediaUnreadable
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.media import Probe

# A film may be this much longer or shorter than asked: codecs round to frames, vendors to their own steps.
_TOLERANCE_SECONDS = 0.5
_TOLERANCE_SHARE = 0.1
_MOST_SHARE = 0.3
# Vendors round sizes to what their models make; half the pixels are another resolution than the one paid for.
_LEAST_AREA = 0.5
_TOLERANCE_SHAPE = 0.15


def check_film(probe: Probe, asked: VideoRequest) -> None:
    """Raise MediaUnreadable, saying why, where a film is not what was asked for.

    A film that stands still passes: a photograph can be what was asked for.
    """
    check_length(probe, asked.seconds)
    check_size(probe, asked)
    if probe.black:
        raise MediaUnreadable(f"it is black from start to end, all {probe.frames} frames of it")


def check_length(probe: Probe, seconds: float) -> None:
    """Refuse a film whose length does not fit what was asked."""
    tolerance = max(min(_TOLERANCE_SECONDS, seconds * _MOST_SHARE), seconds * _TOLERANCE_SHARE)
    if abs(probe.seconds - seconds) > tolerance:
        raise MediaUnreadable(f"it is {probe.seconds:.2f} s long where {seconds:g} s were asked")


def check_size(probe: Probe, asked: VideoRequest) -> None:
    """Refuse a film of another shape, or with half the pixels; one made from an image may have its shape."""
    shape = abs(log(probe.width / probe.height) - log(asked.width / asked.height))
    reshaped = asked.input_reference is None and shape > _TOLERANCE_SHAPE
    if reshaped or probe.width * probe.height < _LEAST_AREA * asked.width * asked.height:
        raise MediaUnreadable(f"it is {probe.width}x{probe.height} where {asked.size} was asked")
