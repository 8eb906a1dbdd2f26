"""Have characters seen in a video: their pictures become the image that it starts from."""

import re
from collections.abc import Sequence
from dataclasses import replace

from filmgate.domain.character import Character
from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound
from filmgate.domain.key import Key
from filmgate.domain.origin import Origin, OriginKind
from filmgate.domain.routing import Target
from filmgate.services.asked import AskedVideo
from filmgate.services.characters import CharacterService
from filmgate.services.fitting import DEFAULT_SIZE, nearest_size
from filmgate.services.routing import RoutingService
from filmgate.services.sources import Size, Sources

MAX_CHARACTERS = 2
_SIZE = re.compile(r"([0-9]{2,5})[xX\N{MULTIPLICATION SIGN}]([0-9]{2,5})")


class CastingService:
    """Hold the verb that casts."""

    def __init__(self, characters: CharacterService, sources: Sources, routing: RoutingService) -> None:
        self._characters = characters
        self._sources = sources
        self._routing = routing

    async def cast(self, key: Key, asked: AskedVideo, ids: Sequence[str]) -> AskedVideo:
        """Return what is asked for with the pictures of its characters, side by side, as its image."""
        if not 0 < len(ids) <= MAX_CHARACTERS:
            message = f"{len(ids)} characters are named; 1 to {MAX_CHARACTERS} are possible."
            raise InvalidRequest([FieldProblem("characters", message, "too_many", "Name fewer.")])
        try:
            characters = await self._characters.get_many(key, ids)
        except NotFound as error:
            mend = "Make it with POST /v1/videos/characters first."
            raise InvalidRequest([FieldProblem("characters", str(error), "not_found", mend)]) from error
        _check(asked, characters)
        targets = self._routing.starting_from_image(asked.model, "a film with characters")
        async with self._sources.room() as room:
            frames = [character.frame for character in characters]
            image = await self._sources.pictures(frames, room, _size_of(asked, targets))
        names = " and ".join(character.name for character in characters)
        side = "the picture of" if len(characters) == 1 else "the pictures, side by side, of"
        how = f"made by filmgate from {side} {names} as image reference"
        origin = Origin(OriginKind.CHARACTERS, how, characters=tuple(ids))
        return replace(asked, input_reference=image, origin=origin)


def _check(asked: AskedVideo, characters: Sequence[Character]) -> None:
    problems: list[FieldProblem] = []
    if asked.input_reference is not None:
        message = "Characters are shown to the model as its image, and another image was given."
        mend = "Leave out either characters or input_reference."
        problems.append(FieldProblem("characters", message, "unsupported", mend))
    words = asked.prompt.casefold()
    for character in characters:
        if character.name.casefold() not in words:
            message = f"The prompt does not mention {character.name}."
            mend = "Write the name of every character into the prompt."
            problems.append(FieldProblem("prompt", message, "character_not_mentioned", mend))
    if problems:
        raise InvalidRequest(problems)


def _size_of(asked: AskedVideo, targets: Sequence[Target]) -> Size:
    """Return the size that the pictures are composed in: about that of the film."""
    match = _SIZE.fullmatch(asked.resolution or "")
    wanted = DEFAULT_SIZE if match is None else (int(match[1]), int(match[2]))
    return nearest_size(targets[0].capability.sizes, wanted, None)
