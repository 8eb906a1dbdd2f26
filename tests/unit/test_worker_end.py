"""Tasks that are told to end do end, also where a wait swallows the first cancellation."""

import asyncio

import pytest

from filmgate.worker import ended

pytestmark = pytest.mark.anyio


async def test_a_swallowed_cancellation_is_said_again() -> None:
    swallowed: list[str] = []

    async def rounds() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                # As wait_for of Python 3.11 does where what it waits for is done in the same moment.
                if swallowed:
                    raise
                swallowed.append("once")

    tasks = {asyncio.create_task(rounds()), asyncio.create_task(asyncio.sleep(3600))}
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await ended(tasks)
    assert swallowed == ["once"]
    assert all(task.cancelled() for task in tasks)
