"""Make videos from other films: remixes, edits and extensions.

No provider needs to know of any of these: each is an ordinary video that starts from an image, and so
each is accepted, paid for and made like any other. An extension's film is joined to the one that it
continues when it comes home; see ``stitching``.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.domain.key import Key
from filmgate.domain.origin import Origin, OriginKind
from filmgate.domain.routing import Capability
from filmgate.domain.video import Video, VideoRequest
from filmgate.services.acceptance import Acceptance
from filmgate.services.asked import AskedVideo
from filmgate.services.fitting import nearest_seconds, nearest_size
from filmgate.services.idempotency import Creation
from filmgate.services.routing import RoutingService
from filmgate.services.sora import DEFAULT_MODEL, DEFAULT_SECONDS
from filmgate.services.sources import Clip, Size, Source, Sources
from filmgate.services.videos import VideoService

MAX_EXTENSION_SECONDS = 20.0
MAX_TOTAL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a source.

    ``asked`` holds the new prompt, and the ``duration`` of an extension's new part; its model is None where
    that of the source is to be used again.
    """

    kind: OriginKind
    source: Source
    asked: AskedVideo

    @property
    def mark(self) -> tuple[object, ...]:
        """What the change is known again by."""
        return (self.kind, self.source.mark, self.asked)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What can be made of what is wanted, and what had to be changed for it."""

    model: str
    size: Size
    seconds: float
    notes: tuple[str, ...]


class DerivationService:
    """Hold the verbs that make videos from other films."""

    def __init__(
        self,
        sources: Sources,
        routing: RoutingService,
        acceptance: Acceptance,
        videos: VideoService,
    ) -> None:
        self._sources = sources
        self._routing = routing
        self._acceptance = acceptance
        self._videos = videos

    def creation(self, key: Key, change: Change) -> Creation[Video]:
        """Return the steps that make a remix, an edit or an extension."""
        accept = self._extend if change.kind is OriginKind.EXTENSION else self._show_anew
        return self._videos.creation_of(change.mark, partial(accept, key, change))

    async def _show_anew(self, key: Key, change: Change) -> Video:
        """Accept a video from the source's first frame, or from the image that the source was made from."""
        async with self._sources.room() as room:
            clip = await self._sources.open(key, change.source, room)
            source = clip.video
            plan = self._plan(change, clip, clip.seconds)
            own = _own_image(clip)
            image = None if own is None else await self._sources.picture(own, room, plan.size)
            taken = "the first frame" if image is None else "the image reference"
            image = image or await self._sources.image(clip, room, "first", plan.size)
            how = f"made by filmgate from {taken} of {clip.name} and the new prompt"
            origin = Origin(change.kind, how, change.source.video_id, notes=plan.notes)
            asked = change.asked if source is None else _like(source.request, change.asked)
            return await self._acceptance.accept_one(key, _planned(asked, plan, image, origin))

    async def _extend(self, key: Key, change: Change) -> Video:
        """Accept a video from the source's last frame, to be joined to the source when it is made."""
        seconds = _checked_seconds(change.asked.duration)
        async with self._sources.room() as room:
            clip = await self._sources.open(key, change.source, room)
            plan = self._plan(change, clip, seconds)
            _check_total(clip, plan.seconds)
            image = await self._sources.image(clip, room, "last", plan.size)
            film = await self._sources.keep(clip, room)
            how = f"made by filmgate from the last frame of {clip.name}, and joined to it"
            origin = Origin(change.kind, how, change.source.video_id, film, clip.seconds, notes=plan.notes)
            asked = change.asked
            if asked.audio is None:
                asked = replace(asked, audio=_sound_wanted(clip))
            asked = _planned(asked, plan, image, origin)
            return await self._or_drop(film, lambda: self._acceptance.accept_one(key, asked))

    async def _or_drop(self, film: str, accept: Callable[[], Awaitable[Video]]) -> Video:
        try:
            return await accept()
        except BaseException:
            await self._sources.drop(film)
            raise

    def _plan(self, change: Change, clip: Clip, seconds: float) -> _Plan:
        """Return what the best target makes of it, without any change where there is one that needs none."""
        source = clip.video
        model = change.asked.model or (DEFAULT_MODEL if source is None else source.model)
        size = clip.size if source is None else (source.request.width, source.request.height)
        a_derivation = f"{'an' if change.kind.value[0] == 'e' else 'a'} {change.kind.value}"
        targets = self._routing.starting_from_image(model, a_derivation)
        can = min((target.capability for target in targets), key=partial(_strain, size=size, seconds=seconds))
        near, length = nearest_size(can.sizes, size, None), nearest_seconds(can, seconds)
        notes: list[str] = []
        if near != size:
            notes.append(f"size {_written(size)} became {_written(near)}, the nearest that {can.model} makes")
        if abs(length - seconds) > 0.05:
            notes.append(f"{seconds:g} s became {length:g} s, the nearest that {can.model} makes")
        if notes and change.asked.strict:
            mend = "Set strict to false to have it changed for you."
            raise InvalidRequest([FieldProblem("strict", f"{notes[0]}.", "unsupported", mend)])
        return _Plan(model, near, length, tuple(notes))


def _planned(asked: AskedVideo, plan: _Plan, image: str, origin: Origin) -> AskedVideo:
    """Return what is asked for as it was planned; nothing of it needs to be mapped any more."""
    return replace(
        asked,
        model=plan.model,
        duration=plan.seconds,
        resolution=_written(plan.size),
        input_reference=image,
        origin=origin,
        sora=False,
    )


def _like(sent: VideoRequest, asked: AskedVideo) -> AskedVideo:
    """Return what is asked for with what the source was made with, where nothing else was written."""
    return replace(
        asked,
        seed=sent.seed if asked.seed is None else asked.seed,
        negative_prompt=sent.negative_prompt if asked.negative_prompt is None else asked.negative_prompt,
        audio=sent.audio if asked.audio is None else asked.audio,
    )


def _strain(can: Capability, size: Size, seconds: float) -> tuple[bool, float]:
    """Return how far a target is from what is wanted, so that the nearest comes first."""
    return size not in can.sizes, abs(nearest_seconds(can, seconds) - seconds)


def _own_image(clip: Clip) -> str | None:
    """Return the image that a film starts with, where it was made from one."""
    video = clip.video
    if video is None or (video.origin is not None and video.origin.kind is OriginKind.EXTENSION):
        return None
    return video.request.input_reference


def _sound_wanted(clip: Clip) -> bool:
    """Return whether the new part is to have sound: as the part before it was to have."""
    return clip.audio if clip.video is None else clip.video.request.audio


def _checked_seconds(seconds: float | None) -> float:
    seconds = DEFAULT_SECONDS if seconds is None else seconds
    if not 0 < seconds <= MAX_EXTENSION_SECONDS:
        message = f"{seconds:g} s were asked; an extension adds up to {MAX_EXTENSION_SECONDS:g} s at a time."
        mend = f"Give seconds up to {MAX_EXTENSION_SECONDS:g}, and extend the result again."
        raise InvalidRequest([FieldProblem("seconds", message, "out_of_range", mend)])
    return seconds


def _check_total(clip: Clip, seconds: float) -> None:
    total = clip.seconds + seconds
    if total > MAX_TOTAL_SECONDS + 1e-6:
        message = f"The whole film would be {total:g} s long; {MAX_TOTAL_SECONDS:g} s is the limit."
        left = max(0.0, MAX_TOTAL_SECONDS - clip.seconds)
        mend = f"At most {left:g} s can be added." if left else "Extend a shorter film."
        raise InvalidRequest([FieldProblem("seconds", message, "too_long", mend)])


def _written(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
