"""Fit what was asked to what one model can do, field by field."""

import random
import re
from collections.abc import Sequence
from math import log

from filmgate.domain.errors import FieldProblem
from filmgate.domain.routing import Capability
from filmgate.domain.video import VideoRequest
from filmgate.domain.webhook import webhook_fault
from filmgate.services.asked import AskedVideo

DEFAULT_SECONDS = 5.0
DEFAULT_SIZE = (1280, 720)
MAX_SEED = 2**53 - 1
SORA_SECONDS = frozenset({4.0, 8.0, 12.0, 16.0, 20.0})
SORA_SIZES = frozenset({(720, 1280), (1280, 720), (1024, 1792), (1792, 1024), (1080, 1920), (1920, 1080)})
_PIXELS = re.compile(r"^(\d{2,5})[xX×](\d{2,5})$")
_LINES = re.compile(r"^(\d{3,4})p$")
_ASPECT = re.compile(r"^(\d{1,3}):(\d{1,3})$")
# Unicode's categories Cc and Cs, without line breaks and tabs.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Desk:
    """Go through one request field by field, noting problems and adjustments."""

    def __init__(self, asked: AskedVideo, capability: Capability, row: int | None) -> None:
        self._asked = asked
        self._can = capability
        self._row = row
        self.problems: list[FieldProblem] = []
        self.adjustments: list[str] = []

    def request(self) -> VideoRequest:
        """Return what is to be generated; it is right only where no problem was noted."""
        width, height = self.size()
        seconds = self.seconds()
        request = VideoRequest(
            prompt=self.prompt(),
            seconds=seconds,
            width=width,
            height=height,
            seed=self.seed(),
            audio=self.audio(),
            negative_prompt=self.negative_prompt(),
            input_reference=self._asked.input_reference,
        )
        self.check_reference()
        self.check_webhook()
        return request

    def _problem(
        self,
        field: str,
        message: str,
        suggestion: str | None = None,
        allowed: Sequence[str] | None = None,
        code: str = "invalid_value",
    ) -> None:
        self.problems.append(
            FieldProblem(
                field, message, code, suggestion, None if allowed is None else tuple(allowed), self._row
            )
        )

    def _leave_out(self, field: str, what: str) -> None:
        """Drop something the target cannot do, unless the client wants all or nothing."""
        if self._asked.strict:
            self._problem(
                field,
                f"{self._can.model} takes no {what}.",
                f"Leave {field} out, or set strict to false to have it left out for you.",
                code="unsupported",
            )
        else:
            self.adjustments.append(f"{field} left out: {self._can.model} takes no {what}")

    def prompt(self) -> str:
        """Return the prompt without surrounding space."""
        prompt = self._asked.prompt.strip()
        if not prompt:
            self._problem("prompt", "The prompt is empty.", "Describe the video in words.", code="required")
        elif len(prompt) > self._can.max_prompt:
            self._problem(
                "prompt",
                f"The prompt has {len(prompt):,} characters; {self._can.model} takes "
                f"{self._can.max_prompt:,} at most.",
                "Shorten the prompt.",
                code="too_long",
            )
        else:
            self._refuse_control("prompt", "prompt", prompt)
        return prompt

    def _refuse_control(self, field: str, noun: str, text: str) -> None:
        """Refuse characters that nobody can read and no database keeps."""
        control = None if text.isprintable() else _CONTROL.search(text)
        if control is not None:
            self._problem(
                field,
                f"The {noun} holds the control character U+{ord(control[0]):04X}.",
                "Remove it; line breaks and tabs are fine.",
            )

    def seconds(self) -> float:
        """Return the length in seconds."""
        can, wanted = self._can, self._asked.duration
        if wanted is None:
            return nearest_seconds(can, DEFAULT_SECONDS)
        nearest = nearest_seconds(can, wanted)
        if self._may_map and wanted in SORA_SECONDS:
            self._map("duration", f"{nearest:g}", f"{wanted:g}")
        elif not abs(nearest - wanted) < 1e-9:
            steps = f" in steps of {can.step:g} s" if can.step is not None else ""
            self._problem(
                "duration",
                f"{can.model} makes films of {can.min_seconds:g} to {can.max_seconds:g} s{steps}; "
                f"{wanted:g} s was asked.",
                f"The nearest it can do is {nearest:g}.",
                (f"{can.min_seconds:g}-{can.max_seconds:g}",),
            )
        return nearest

    def size(self) -> tuple[int, int]:
        """Return the frame size in pixels."""
        aspect = self._aspect()
        wanted = self._pixels(aspect)
        if wanted is None:
            return self._default_size(aspect)
        if aspect is not None and not _same_aspect(wanted, aspect):
            self._problem(
                "aspect_ratio",
                f"{self._asked.aspect_ratio} does not fit the resolution {wanted[0]}x{wanted[1]}.",
                "Leave aspect_ratio out, or ask for "
                f"{_written(nearest_size(self._can.sizes, wanted, aspect))}.",
            )
        elif self._may_map and wanted in SORA_SIZES:
            nearest = wanted if wanted in self._can.sizes else nearest_size(self._can.sizes, wanted, None)
            self._map("resolution", _written(nearest), _written(wanted))
            return nearest
        elif wanted not in self._can.sizes:
            self._problem(
                "resolution",
                f"{self._can.model} does not make {wanted[0]}x{wanted[1]}.",
                f"The nearest it can do is {_written(nearest_size(self._can.sizes, wanted, None))}.",
                [_written(size) for size in self._can.sizes],
            )
        return wanted

    @property
    def _may_map(self) -> bool:
        return self._asked.sora and not self._asked.strict

    def _map(self, field: str, made: str, wanted: str) -> None:
        if made != wanted:
            text = f"{field} {made} instead of {wanted}: the nearest that {self._can.model} makes"
            self.adjustments.append(text)

    def _aspect(self) -> tuple[int, int] | None:
        text = self._asked.aspect_ratio
        if text is None:
            return None
        match = _ASPECT.match(text)
        aspect = (int(match[1]), int(match[2])) if match else (0, 0)
        possible = sorted({_aspect_name(size) for size in self._can.sizes})
        if 0 in aspect:
            self._problem("aspect_ratio", f'"{text[:40]}" is no aspect ratio.', "Write it as 16:9.", possible)
            return None
        if not any(_same_aspect(size, aspect) for size in self._can.sizes):
            near = min(
                self._can.sizes, key=lambda size: abs(log(size[0] / size[1]) - log(aspect[0] / aspect[1]))
            )
            self._problem(
                "aspect_ratio",
                f"{self._can.model} does not make {text}.",
                f"The nearest it can do is {_aspect_name(near)}.",
                possible,
            )
            return None
        return aspect

    def _pixels(self, aspect: tuple[int, int] | None) -> tuple[int, int] | None:
        text = self._asked.resolution
        if text is None:
            return None
        if match := _PIXELS.match(text):
            return int(match[1]), int(match[2])
        if match := _LINES.match(text):
            return _of_height(int(match[1]), aspect or (16, 9))
        self._problem(
            "resolution",
            f'"{text[:40]}" is no resolution.',
            "Write it as 1280x720, or as 720p with an aspect_ratio.",
            [_written(size) for size in self._can.sizes],
        )
        return None

    def _default_size(self, aspect: tuple[int, int] | None) -> tuple[int, int]:
        fitting = [size for size in self._can.sizes if aspect is None or _same_aspect(size, aspect)]
        return nearest_size(fitting or self._can.sizes, DEFAULT_SIZE, aspect)

    def seed(self) -> int:
        """Return the seed asked for, or a fresh one."""
        seed = self._asked.seed
        if seed is None:
            return random.getrandbits(31)
        if not 0 <= seed <= MAX_SEED:
            self._problem(
                "seed", f"The seed {seed} is not from 0 to {MAX_SEED}.", "Leave it out for a random one."
            )
        return seed

    def audio(self) -> bool:
        """Return whether the film is to have sound."""
        if self._asked.audio and not self._can.audio:
            self._leave_out("audio", "sound")
        if self._asked.audio is False and self._can.always_sound:
            self._keep_sound()
            return True
        return self._can.audio if self._asked.audio is None else self._asked.audio and self._can.audio

    def _keep_sound(self) -> None:
        if self._asked.strict:
            self._problem(
                "audio",
                f"{self._can.model} makes no film without sound.",
                "Set audio to true or leave it out, or set strict to false.",
                code="unsupported",
            )
        else:
            self.adjustments.append(f"audio kept: {self._can.model} makes no film without sound")

    def negative_prompt(self) -> str | None:
        """Return the negative prompt where the target takes one."""
        text = (self._asked.negative_prompt or "").strip()
        if not text:
            return None
        if not self._can.negative_prompt:
            self._leave_out("negativePrompt", "negative prompt")
            return None
        self._refuse_control("negativePrompt", "negative prompt", text)
        return text

    def check_reference(self) -> None:
        """Refuse an image where the target takes none, leaving it out would make another film; or none."""
        if self._asked.input_reference is None:
            if self._can.needs_image:
                self._problem(
                    "inputReference",
                    f"{self._can.model} makes films from an image only.",
                    "Give an image, or ask for another model.",
                    code="required",
                )
        elif not self._can.image_input:
            self._problem(
                "inputReference", f"{self._can.model} takes no image.", "Leave it out.", code="unsupported"
            )

    def check_webhook(self) -> None:
        """Refuse an address that can never be called."""
        url = self._asked.webhook_url
        if url is None:
            return
        reason = webhook_fault(url)
        if reason is not None:
            self._problem("webhookUrl", reason, "Give an https address that your server answers at.")


def nearest_seconds(can: Capability, wanted: float) -> float:
    """Return the length in seconds most like the wanted one, of those that can be made."""
    # max keeps its first argument where the other is no number.
    nearest = min(can.max_seconds, max(can.min_seconds, wanted))
    if can.step is None:
        return nearest
    steps = min(
        round((nearest - can.min_seconds) / can.step), int((can.max_seconds - can.min_seconds) / can.step)
    )
    return can.min_seconds + steps * can.step


def _same_aspect(size: tuple[int, int], aspect: tuple[int, int]) -> bool:
    # Sizes are rounded to even numbers, so 854x480 counts as 16:9.
    return 0 not in size and abs(log(size[0] / size[1]) - log(aspect[0] / aspect[1])) < 0.01


def _aspect_name(size: tuple[int, int]) -> str:
    for name in ((16, 9), (9, 16), (1, 1), (4, 3), (3, 4), (7, 4), (4, 7)):
        if _same_aspect(size, name):
            return f"{name[0]}:{name[1]}"
    return f"{size[0]}:{size[1]}"


def _of_height(lines: int, aspect: tuple[int, int]) -> tuple[int, int]:
    """Return the size whose shorter side has this many lines."""
    long = round(lines * max(aspect) / min(aspect) / 2) * 2
    return (long, lines) if aspect[0] >= aspect[1] else (lines, long)


def nearest_size(
    sizes: Sequence[tuple[int, int]], wanted: tuple[int, int], aspect: tuple[int, int] | None
) -> tuple[int, int]:
    """Return the size most like the wanted one: first in shape, then in area."""
    shape = wanted if aspect is None else aspect

    def distance(size: tuple[int, int]) -> tuple[float, float]:
        turn = abs(log(size[0] / size[1]) - log(max(shape[0], 1) / max(shape[1], 1)))
        area = abs(log(size[0] * size[1]) - log(max(wanted[0], 1) * max(wanted[1], 1)))
        return round(turn, 1), area

    return min(sizes, key=distance)


def _written(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
