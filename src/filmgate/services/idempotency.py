"""Carry a create out once, however often its request comes."""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import msgspec

from filmgate.domain.errors import BudgetExceeded, IdempotencyKeyReused, ServiceUnavailable, StillBeingCreated
from filmgate.domain.idempotency import Claim, CountedCreate, First, KeyedCreate, Mark
from filmgate.domain.ids import new_id
from filmgate.domain.key import Key
from filmgate.infrastructure.database import Session
from filmgate.infrastructure.grouping import Grouper
from filmgate.repositories.idempotency import IdempotencyRepository
from filmgate.services.asked import AskedVideo
from filmgate.services.commit import commit_surely, create_surely

T = TypeVar("T")

# An answer that is on its way is told of within milliseconds, so after this its process has died.
_OPEN_SECONDS: Final = 1.0
# A create that takes longer than this waits for a database that has gone; it is overtaken.
_BEGUN_SECONDS: Final = 3.0
_LOOK_AGAIN_SECONDS: Final = 0.1
_KEYED: Final = "Send it again with the same Idempotency-Key: if it was, you get that answer, else it is now."
_COUNTED: Final = "A retry of your SDK is recognised: if it was, it gets that answer, else it is now."

_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Creation(Generic[T]):
    """How something is made, and how the answer to its first request is found again.

    ``accept`` checks and stores no row; ``insert`` stores what was accepted, in a transaction of ours, and
    bears being repeated; ``announce`` is called once it is there; ``load`` returns it as it was accepted,
    whatever has become of it since. ``discard`` removes the files of what was accepted and not stored.
    """

    asked: Any
    accept: Callable[[], Awaitable[T]]
    insert: Callable[[T, Session], Awaitable[None]]
    announce: Callable[[], None]
    first: Callable[[T], First]
    load: Callable[[First], Awaitable[T]]
    discard: Callable[[T], Awaitable[None]] | None = None


class Receipt:
    """Take note of whether an answer has left us whole."""

    __slots__ = ("_note",)

    def __init__(self, note: Callable[[bool], None]) -> None:
        self._note = note

    def settle(self, *, whole: bool) -> None:
        """Write down, soon and without being waited for, what became of the answer."""
        self._note(whole)


@dataclass(frozen=True, slots=True)
class Created(Generic[T]):
    """What a create came to; ``replayed`` if an earlier request had made it."""

    made: T
    replayed: bool = False
    receipt: Receipt | None = None


class IdempotencyService:
    """Recognise creates that come again: by their key, or by their client's count and what they ask."""

    def __init__(self, repository: IdempotencyRepository) -> None:
        self._repository = repository
        self._begin: Grouper[CountedCreate, None] = Grouper(self._begin_group)
        self._settle: Grouper[tuple[str, int, bool], None] = Grouper(self._settle_group)
        self._settling: set[asyncio.Task[None]] = set()

    async def create(self, key: Key, mark: Mark, creation: Creation[T]) -> Created[T]:
        """Make what is asked, or return what an earlier request has made of the same."""
        fingerprint = fingerprint_of(mark.route, creation.asked)
        if mark.key is not None:
            return await self._create_with_key(key, mark.route, mark.key, fingerprint, creation)
        create = CountedCreate(new_id("create"), key.id, mark.route, fingerprint, mark.tries)
        claim = await self._claim(create) if mark.tries else None
        if claim is not None and claim.first is not None:
            made = await creation.load(claim.first)
            return Created(made, True, self._receipt(claim.id, create.tries))
        return await self._create_counted(create, creation)

    async def _create_with_key(
        self, key: Key, route: str, name: str, fingerprint: bytes, creation: Creation[T]
    ) -> Created[T]:
        known = await self._repository.find(key.project, route, name)
        if known is not None:
            return await self._replay(known, fingerprint, creation)
        made = await creation.accept()
        own = KeyedCreate(key.project, route, name, fingerprint, creation.first(made))

        async def commit() -> KeyedCreate:
            return await self._repository.keep(own, lambda session: creation.insert(made, session))

        async with _discarded(creation, made):
            holder = await create_surely(commit, _KEYED, again=True)
        if holder.first.subject != own.first.subject:
            await _discard(creation, made)
            return await self._replay(holder, fingerprint, creation)
        creation.announce()
        return Created(made)

    async def _replay(self, known: KeyedCreate, fingerprint: bytes, creation: Creation[T]) -> Created[T]:
        if known.fingerprint != fingerprint:
            raise IdempotencyKeyReused
        return Created(await creation.load(known.first), True)

    async def _create_counted(self, create: CountedCreate, creation: Creation[T]) -> Created[T]:
        # Before it is accepted, which may take long: a retry comes while a film is still being decoded.
        await self._begin(create)
        try:
            made = await creation.accept()
        except BaseException:
            with suppress(ServiceUnavailable):
                await self._repository.forget(create.id)
            raise
        first = creation.first(made)

        async def commit() -> None:
            await self._repository.carry_out(create, first, lambda session: creation.insert(made, session))

        async with _discarded(creation, made):
            await create_surely(commit, _COUNTED, again=True)
        creation.announce()
        return Created(made, False, self._receipt(create.id, create.tries))

    async def _claim(self, retry: CountedCreate) -> Claim | None:
        while True:
            claim = await self._repository.claim(retry, open_for=_OPEN_SECONDS, begun_for=_BEGUN_SECONDS)
            if claim is None or claim.first is not None:
                return claim
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _begin_group(self, creates: Sequence[CountedCreate]) -> Sequence[None]:
        await commit_surely(lambda: self._repository.begin(creates))
        return [None] * len(creates)

    def _receipt(self, name: str, tries: int) -> Receipt:
        def note(whole: bool) -> None:
            task = asyncio.create_task(self._write_down((name, tries, whole)))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

        return Receipt(note)

    async def _write_down(self, outcome: tuple[str, int, bool]) -> None:
        # Never written down, an answer counts as one that did not leave: a retry is given the same video.
        with suppress(ServiceUnavailable):
            await self._settle(outcome)

    async def _settle_group(self, outcomes: Sequence[tuple[str, int, bool]]) -> Sequence[None]:
        await commit_surely(lambda: self._repository.settle(outcomes))
        return [None] * len(outcomes)


@asynccontextmanager
async def _discarded(creation: Creation[T], made: T) -> AsyncGenerator[None, None]:
    """Leave no files behind where there is no money for what was accepted, or a retry was faster."""
    try:
        yield
    except (BudgetExceeded, StillBeingCreated):
        await _discard(creation, made)
        raise


async def _discard(creation: Creation[T], made: T) -> None:
    if creation.discard is not None:
        await creation.discard(made)


def fingerprint_of(route: str, asked: object) -> bytes:
    """Return the SHA-256 of what was asked, however it was spelled."""
    return hashlib.sha256(_encode((route, asked))).digest()


def with_digest(asked: AskedVideo) -> AskedVideo:
    """Return what was asked with the SHA-256 of its image in the image's place."""
    if asked.input_reference is None:
        return asked
    body = asked.input_reference.partition(",")[2]
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        # It will be refused, but not for its fingerprint.
        data = asked.input_reference.encode("utf-8", "surrogatepass")
    return replace(asked, input_reference=hashlib.sha256(data).hexdigest())
