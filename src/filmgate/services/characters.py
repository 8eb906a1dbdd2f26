"""Keep characters: a clip each, and a picture taken from it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from filmgate.domain.asset import AssetStore
from filmgate.domain.character import Character
from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound
from filmgate.domain.idempotency import First
from filmgate.domain.ids import is_id, new_id
from filmgate.domain.key import Key
from filmgate.infrastructure.storage import fingerprint
from filmgate.repositories.characters import CharacterRepository
from filmgate.services.commit import create_surely
from filmgate.services.idempotency import Creation
from filmgate.services.sources import Source, Sources

MAX_NAME = 80
MAX_SECONDS = 60.0
_SHOWN = 64


class CharacterService:
    """Hold the verbs for characters."""

    def __init__(self, characters: CharacterRepository, sources: Sources, store: AssetStore) -> None:
        self._characters = characters
        self._sources = sources
        self._store = store

    def creation(self, key: Key, name: str, source: Source) -> Creation[Character]:
        """Return the steps that take a character in, known again by its name and its clip."""
        return Creation(
            asked=("character", name, source.mark),
            accept=partial(self._accept, key, name, source),
            insert=self._characters.insert,
            announce=_nobody_waits,
            first=_first_of,
            load=partial(self._load, key),
        )

    async def keep(self, character: Character) -> Character:
        """Put an accepted character on disk."""

        async def commit() -> None:
            await self._characters.insert(character)

        await create_surely(commit, "Look whether it is there before you send it again.", again=False)
        return character

    async def get(self, key: Key, character_id: str) -> Character:
        """Return a character of the key's project."""
        return (await self.get_many(key, [character_id]))[0]

    async def get_many(self, key: Key, ids: Sequence[str]) -> list[Character]:
        """Return characters of the key's project, or raise with the first that is not there."""
        known = [name if is_id(name, "char") else "" for name in ids]
        found = await self._characters.get_many(key.project, known)
        characters: list[Character] = []
        for name, character in zip(ids, found, strict=True):
            if character is None:
                raise NotFound("character", name[:_SHOWN])
            characters.append(character)
        return characters

    async def _accept(self, key: Key, name: str, source: Source) -> Character:
        name = _checked_name(name)
        character_id = new_id("char")
        async with self._sources.room() as room:
            clip = await self._sources.open(key, source, room)
            if clip.seconds > MAX_SECONDS:
                message = f"The video is {clip.seconds:.1f} s long; {MAX_SECONDS:g} s is the limit here."
                raise InvalidRequest([FieldProblem("video", message, "too_long", "Use a shorter clip.")])
            picture = room / "picture.png"
            width, height = await self._sources.frame(clip.path, picture, "typical")
            copy = await self._sources.copy(clip, room)
            film = await fingerprint(copy)
            character = Character(
                id=character_id,
                project=key.project,
                key_id=key.id,
                name=name,
                asset=f"characters/{character_id}",
                seconds=round(clip.seconds, 3),
                width=width,
                height=height,
                size_bytes=film.size,
                sha256=film.sha256,
                created_at=datetime.now(UTC),
            )
            await self._store.put(character.frame, picture)
            await self._store.put(character.clip, copy)
        return character

    async def _load(self, key: Key, first: First) -> Character:
        return await self.get(key, first.subject)


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= MAX_NAME:
        message = f"The name has {len(name)} characters; 1 to {MAX_NAME} are possible."
        raise InvalidRequest([FieldProblem("name", message, "out_of_range", "Give a short name.")])
    if not name.isprintable():
        message = "The name holds characters that cannot be seen."
        raise InvalidRequest([FieldProblem("name", message, suggestion="Leave them out.")])
    return name


def _first_of(character: Character) -> First:
    return First(character.id)


def _nobody_waits() -> None:
    """Do nothing: no worker has to hear of a character."""
