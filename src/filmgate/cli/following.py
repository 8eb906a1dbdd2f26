"""Follow jobs over HTTP, as any client would: submit, show progress, fetch the films and check them."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from filmgate.domain.errors import FilmgateError, MediaUnreadable

_PAUSE_SECONDS = 0.5
_CHUNK = 1 << 20
_FINAL = frozenset({"completed", "failed", "cancelled"})


@dataclass(slots=True)
class Job:
    """One film being followed; ``plays`` says that it was fetched and decoded to its end."""

    id: str
    prompt: str
    number: int
    status: str = "pending"
    progress: int = 0
    reason: str = ""
    file: Path | None = None
    size: int = 0
    film_seconds: float = 0.0
    plays: bool = False

    @property
    def verdict(self) -> str:
        """How it ended, in words."""
        if self.plays:
            return "plays"
        return f"{self.status}: {self.reason}" if self.reason else self.status


class Follower:
    """A client of one gateway."""

    def __init__(
        self, address: str, key: str, folder: Path, play: Callable[[Path], Awaitable[float]]
    ) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"}
        self._folder = folder
        self._play = play

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(self._address, headers=self._headers)
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def submit(self, name: str, rows: Sequence[dict[str, object]]) -> list[Job]:
        """Submit a batch and return its jobs, in order."""
        async with self._http.post("/api/v1/videos/batch", json={"name": name, "videos": rows}) as answer:
            body: dict[str, Any] = await answer.json(content_type=None)
            if answer.status != 202:
                raise FilmgateError(f"The batch was refused: {body.get('detail', answer.status)}")
        return [
            Job(job["jobId"], str(row["prompt"]), number)
            for number, (job, row) in enumerate(zip(body["jobs"], rows, strict=True), start=1)
        ]

    async def follow(self, jobs: Sequence[Job]) -> None:
        """Show how the jobs come along until all have ended and their films are fetched."""
        show = _Bars(jobs) if sys.stderr.isatty() else _Lines()
        with show:
            open_jobs: list[Job] = list(jobs)
            while open_jobs:
                await asyncio.gather(*(self._look(job) for job in open_jobs))
                for job in open_jobs:
                    show.update(job)
                open_jobs = [job for job in open_jobs if job.status not in _FINAL]
                if open_jobs:
                    await asyncio.sleep(_PAUSE_SECONDS)

    async def _look(self, job: Job) -> None:
        async with self._http.get(f"/api/v1/videos/{job.id}") as answer:
            body: dict[str, Any] = await answer.json(content_type=None)
        if answer.status != 200:
            return
        job.progress = body["progress"]
        if body["status"] == "completed":
            await self._fetch(job)
        elif body["error"]:
            job.reason = body["error"]["message"]
        job.status = body["status"]

    async def _fetch(self, job: Job) -> None:
        """Download the film and decode it to its end."""
        file = self._folder / f"{job.number:02}-{_slug(job.prompt)}.mp4"
        async with self._http.get(f"/api/v1/videos/{job.id}/content") as answer:
            answer.raise_for_status()
            with file.open("wb") as stream:
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    await asyncio.to_thread(stream.write, chunk)
        job.file, job.size = file, file.stat().st_size
        try:
            job.film_seconds = await self._play(file)
        except MediaUnreadable as error:
            job.reason = str(error)
        else:
            job.plays = True


class _Lines:
    """Say in a line when something has ended: for logs and pipes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, job: Job) -> None:
        """Say how a job has ended."""
        if job.status in _FINAL:
            click.echo(f"  {job.status:<9}  {job.number:>3}  {job.prompt}", err=True)


class _Bars:
    """Show a bar for each job: for people at a terminal."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[mark]}"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28, complete_style="yellow", finished_style="white"),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {
            job.id: self._progress.add_task(_short(job.prompt), total=100, mark="·", state="waiting")
            for job in jobs
        }

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, job: Job) -> None:
        """Show where a job stands."""
        marks = {"completed": "[green]✓[/]", "failed": "[red]✗[/]", "processing": "[yellow]●[/]"}
        states = {
            "pending": "waiting",
            "processing": f"{job.progress} %",
            "completed": f"{job.size / 1e6:.1f} MB",
        }
        self._progress.update(
            self._tasks[job.id],
            completed=job.progress,
            mark=marks.get(job.status, "·"),
            state=states.get(job.status, job.status),
        )


def _short(prompt: str) -> str:
    return prompt if len(prompt) <= 46 else f"{prompt[:45]}…"


def _slug(prompt: str) -> str:
    words = re.findall(r"[a-z0-9]+", prompt.lower())
    return "-".join(words[:6]) or "film"
