"""Make films with the built-in renderer, which runs in child processes of the workers.

The jobs are rows that survive any process. A job's id is our own reference, so a lost answer is found
again exactly, and the same order never becomes two jobs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from filmgate.domain.asset import AssetStore
from filmgate.domain.errors import (
    DatabaseUnavailable,
    RefusalKind,
    Refused,
    ServiceUnavailable,
    StorageFull,
)
from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import (
    CancelOutcome,
    Found,
    JobState,
    Lookup,
    NotThere,
    Order,
    Progress,
    ProviderJob,
    SendFence,
)
from filmgate.domain.render import Render
from filmgate.infrastructure.children import ChildFailed, ChildPool
from filmgate.infrastructure.storage import receive

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
_order = msgspec.json.Decoder(Order).decode

FRAMES_PER_SECOND = 24
MAX_TRIES = 3
_PROGRESS_SECONDS = 0.5
_RETRY_SECONDS = 1.0
_MAX_FILM_BYTES = 2 * 1024**3
_LOST_CODES = {"image_unreadable": "bad_reference", "internal": "renderer_failed"}


class Renders(Protocol):
    """Keep the renderer's jobs; see repositories/renders.py."""

    async def create(self, render_id: str, body: bytes, frames: int) -> None:
        """Take on a job; harmless when repeated."""
        ...

    async def claim(self, render_id: str, runner: str) -> Render | None:
        """Take over a job that has not ended."""
        ...

    async def show_progress(self, render_id: str, runner: str, frames_done: int) -> bool:
        """Record the frames done; False where the job is no longer ours."""
        ...

    async def succeed(self, render_id: str, runner: str, asset: str) -> bool:
        """Record the finished film."""
        ...

    async def hand_back(self, render_id: str, runner: str) -> None:
        """Give up a job for another to take over; the try does not count."""
        ...

    async def fail(self, render_id: str, code: str, reason: str) -> None:
        """Record why there will be no film."""
        ...

    async def cancel(self, render_id: str) -> bool:
        """Stop a job."""
        ...

    async def get_many(self, ids: Sequence[str]) -> Sequence[Render]:
        """Return the jobs that are there."""
        ...

    async def ended_before(self, age: timedelta) -> Sequence[Render]:
        """Return jobs that ended longer ago and were not forgotten."""
        ...

    async def forget(self, render_id: str) -> None:
        """Delete a job that has ended."""
        ...


class Embedded:
    """The built-in renderer as a provider."""

    name = "embedded"
    inline_images = False
    # The jobs lie in our own database: once the sender's lease is over, "not there" is proof at once.
    quiet_seconds = 1.0
    polling = PollTerms(near=True)

    def __init__(self, renders: Renders, store: AssetStore, pool: ChildPool | None, runner: str) -> None:
        self._renders = renders
        self._store = store
        self._pool = pool
        self._runner = runner

    def prepare(self, order: Order) -> bytes:
        """Return the order as it will be kept."""
        return _encode(order)

    async def submit(self, order: Order, body: bytes, fence: SendFence) -> str:
        """Take on the job; its id is the order's reference."""
        await fence()
        frames = round(order.request.seconds * FRAMES_PER_SECOND)
        if frames < 1:
            raise Refused(RefusalKind.REQUEST, "A film needs at least one frame.")
        await self._renders.create(order.reference, body, frames)
        return order.reference

    async def poll(self, jobs: Sequence[ProviderJob]) -> Mapping[str, Progress]:
        """Read how the jobs stand, all at once; a job that is gone has failed."""
        found = {render.id: render for render in await self._renders.get_many([job.id for job in jobs])}
        return {job.id: _progress(found.get(job.id)) for job in jobs}

    async def find_lost(self, order: Order, sent_at: datetime) -> Lookup:
        """Look the job up by our reference."""
        found = await self._renders.get_many([order.reference])
        return Found(order.reference) if found else NotThere()

    async def download(self, job: ProviderJob, target: Path) -> None:
        """Copy the rendered film out of the store."""
        renders = await self._renders.get_many([job.id])
        if not renders or renders[0].asset is None:
            raise FileNotFoundError(f"the renderer no longer has job {job.id}")
        await receive(self._store.stream(renders[0].asset), target, _MAX_FILM_BYTES)

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        """Stop the job; the runner notices within half a second."""
        await self._renders.cancel(job.id)
        return CancelOutcome(stopped=True, charged=False)

    async def forget(self, job: ProviderJob) -> None:
        """Delete the job and its film."""
        for render in await self._renders.get_many([job.id]):
            await self._drop(render)

    async def clear(self, age: timedelta) -> None:
        """Delete jobs, and their films, that ended longer ago and that nobody has come for."""
        for render in await self._renders.ended_before(age):
            await self._drop(render)

    async def _drop(self, render: Render) -> None:
        if render.asset is not None:
            await self._store.delete(render.asset)
        await self._renders.forget(render.id)

    async def run(self, render_id: str) -> None:
        """Render one job in a child process, reporting real progress, until done, failed or cancelled."""
        render = await self._renders.claim(render_id, self._runner)
        if render is None or self._pool is None:
            return
        if render.tries > MAX_TRIES:
            await self._renders.fail(
                render_id, "renderer_failed", f"The renderer died {MAX_TRIES} times over it."
            )
            return
        try:
            await self._make(render)
        except (asyncio.CancelledError, ServiceUnavailable):
            with suppress(DatabaseUnavailable):
                await asyncio.shield(self._renders.hand_back(render_id, self._runner))
            raise

    async def _make(self, render: Render) -> None:
        output = self._store.workspace() / f"{render.id}.{self._runner}.mp4"
        try:
            if await self._draw(render, output):
                await self._keep(render.id, output)
        except ChildFailed as error:
            if error.kind == "no_space":
                raise StorageFull(str(error)) from error
            await self._renders.fail(render.id, _LOST_CODES.get(error.kind, "renderer_failed"), str(error))
        finally:
            _clear_up(output)

    async def _keep(self, render_id: str, output: Path) -> None:
        asset = f"renders/{render_id}.mp4"
        await self._store.put(asset, output)
        while True:
            try:
                ours = await self._renders.succeed(render_id, self._runner, asset)
                break
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)
        if not ours and not await self._renders.get_many([render_id]):
            # Another runner made it meanwhile, and its film is home already.
            await self._store.delete(asset)

    async def _draw(self, render: Render, output: Path) -> bool:
        """Run the child; False where the job was taken from us meanwhile."""
        assert self._pool is not None
        frames_done = 0

        def note(message: dict[str, object]) -> None:
            nonlocal frames_done
            frames_done = int(str(message.get("frames_done", frames_done)))

        order = _order(render.body)
        film = asyncio.create_task(self._pool.run(await self._child_request(order, output), note))
        try:
            while True:
                done, _ = await asyncio.wait({film}, timeout=_PROGRESS_SECONDS)
                if done:
                    film.result()
                    return True
                if not await self._is_ours(render.id, frames_done):
                    _log.info("render_stopped", job=render.id, frames_done=frames_done)
                    return False
        finally:
            film.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await film

    async def _is_ours(self, render_id: str, frames_done: int) -> bool:
        try:
            return await self._renders.show_progress(render_id, self._runner, frames_done)
        except DatabaseUnavailable:
            # The film is worth more than its progress: it goes on as long as nobody says otherwise.
            return True

    async def _child_request(self, order: Order, output: Path) -> dict[str, object]:
        request = order.request
        return {
            "prompt": request.prompt,
            "seconds": request.seconds,
            "width": request.width,
            "height": request.height,
            "seed": request.seed,
            "audio": request.audio,
            "image": await self._image(request.input_reference, output),
            "fps": FRAMES_PER_SECOND,
            "output": str(output),
        }

    async def _image(self, key: str | None, output: Path) -> str | None:
        if key is None:
            return None
        path = self._store.path(key)
        if path is None:
            path = output.with_suffix(".reference")
            await receive(self._store.stream(key), path, _MAX_FILM_BYTES)
        return str(path)


def _clear_up(output: Path) -> None:
    """Remove a film and everything beside it; a child that was killed could not remove its own."""
    with suppress(OSError):
        for left in output.parent.glob(f"{output.stem}.*"):
            left.unlink(missing_ok=True)


def _progress(render: Render | None) -> Progress:
    if render is None:
        return Progress(
            JobState.FAILED,
            reason="The renderer no longer knows this job.",
            code="renderer_failed",
            charged=False,
        )
    return Progress(
        state=render.state,
        percent=round(100 * render.frames_done / render.frames),
        reason=render.reason,
        code=render.code,
        charged=False,
    )
