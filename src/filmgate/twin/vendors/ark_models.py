"""Say what each Seedance model takes; a parameter that a model does not take is refused, not ignored."""

from dataclasses import dataclass, field
from typing import Final

from filmgate.twin.vendors.wire import shape

_RATIOS: Final = ("16:9", "9:16", "4:3", "3:4", "1:1", "21:9", "adaptive")
_COMMON: Final = frozenset(
    {
        "model",
        "content",
        "resolution",
        "ratio",
        "duration",
        "seed",
        "watermark",
        "callback_url",
        "return_last_frame",
        "execution_expires_after",
        "safety_identifier",
    }
)
_FIRST: Final = _COMMON | {"service_tier", "camera_fixed", "frames"}
_SECOND: Final = _COMMON | {"generate_audio", "priority"}
_HD: Final = ("480p", "720p", "1080p")


@dataclass(frozen=True, slots=True)
class Seedance:
    """Describe one model; a token costs this many micro-USD."""

    seconds: tuple[int, int]
    resolutions: tuple[str, ...]
    micro_per_token: float
    parameters: frozenset[str]
    ratios: tuple[str, ...] = field(default=_RATIOS)


MODELS: Final = {
    "seedance-2-5-260628": Seedance((4, 30), _HD, 10.0, _SECOND | {"output_format"}),
    "seedance-2-0-260128": Seedance((4, 15), (*_HD, "4k"), 6.57, _SECOND),
    "seedance-2-0-fast-260128": Seedance((4, 15), ("480p", "720p"), 5.28, _SECOND),
    "seedance-2-0-mini-260615": Seedance((4, 15), ("480p", "720p"), 3.29, _SECOND),
    "seedance-1-5-pro-251215": Seedance((4, 12), _HD, 2.4, _FIRST | {"generate_audio", "draft"}),
    "seedance-1-0-pro-250528": Seedance((2, 12), _HD, 2.5, _FIRST),
    "seedance-1-0-pro-fast-251015": Seedance((2, 12), _HD, 1.0, _FIRST),
}


def size_of(resolution: str, ratio: str) -> tuple[int, int]:
    """Return width and height; an adaptive ratio is the usual one here."""
    return shape(resolution, "16:9" if ratio == "adaptive" else ratio)
