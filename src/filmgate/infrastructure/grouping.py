"""Let calls that arrive together share one round trip and one commit."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from filmgate.domain.errors import Overloaded
from filmgate.infrastructure.database import RowRejected

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Grouper(Generic[Item, Answer]):
    """Collect calls while a flush is under way; they form the next one.

    There is no fixed window: a lone call is flushed at once. ``flush`` gets at most ``limit`` items and
    returns one answer each, in order. More than ``capacity`` waiting calls are refused with Overloaded.
    """

    def __init__(
        self,
        flush: Callable[[list[Item]], Awaitable[Sequence[Answer]]],
        *,
        limit: int = 256,
        capacity: int = 10_000,
    ) -> None:
        self._flush = flush
        self._limit = limit
        self._capacity = capacity
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Answer:
        """Return the answer to one item, flushed together with its neighbours."""
        if len(self._waiting) >= self._capacity:
            raise Overloaded(f"{self._capacity} requests are already waiting for the database.")
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        # The task knows its loop; to ask which one is running costs a system call for every item.
        future: asyncio.Future[Answer] = self._task.get_loop().create_future()
        self._waiting.append((item, future))
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                count = min(self._limit, len(self._waiting))
                await self._settle([self._waiting.popleft() for _ in range(count)])
        finally:
            self._task = None

    async def _settle(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._flush([item for item, _ in group])
        except RowRejected as error:
            if len(group) == 1:
                _fail(group, error)
                return
            # One bad value must not take its neighbours down: nothing was kept, so each may go alone.
            for member in group:
                await self._settle([member])
        except BaseException as error:
            _fail(group, error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _fail(group: Sequence[tuple[object, asyncio.Future[Answer]]], error: BaseException) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
