"""Start a gateway and watch sample films being made: the whole thing, with nothing to set up."""

import asyncio
import socket
import webbrowser
from pathlib import Path
from time import monotonic

import click

from filmgate import __version__
from filmgate.app import open_projector, set_up_logging
from filmgate.cli.following import Follower, Job
from filmgate.cli.running import Serving, first_of, run, serving, stop_on_signals
from filmgate.renderer.samples import SAMPLE_PROMPTS
from filmgate.settings import Settings, default_data

_USUAL_PORT = 8000
_MOST = 200
UNFINISHED = 3
INTERRUPTED = 130


@click.command()
@click.option("--videos", type=click.IntRange(1, _MOST), default=12, help="How many. [default: 12]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port. [default: 8000, or any if taken]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder for database and films.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.option("--exit-when-done", is_flag=True, help="Wait for the films, check that they play, and exit.")
def demo(videos: int, port: int | None, data: Path | None, no_open: bool, exit_when_done: bool) -> None:
    """Start a gateway on this machine and watch sample films being made.

    No account, no key, no GPU, and nothing costs money. Exits with 0 only when every film is there and
    plays, with 3 otherwise.
    """
    folder = (data or default_data() / "demo").expanduser().resolve()
    settings = Settings(data=folder, port=_free_port() if port is None else port)
    set_up_logging("error", pretty=True)
    run(_demo(settings, videos, open_browser=not no_open, exit_when_done=exit_when_done))


async def _demo(settings: Settings, videos: int, *, open_browser: bool, exit_when_done: bool) -> int:
    stop = stop_on_signals()
    click.echo(f"filmgate {__version__} · starting …", err=True)
    async with serving(settings, work=True) as here:
        _announce(here, videos)
        if open_browser:
            await asyncio.to_thread(webbrowser.open, here.address)
        films = settings.data / "films"
        async with (
            open_projector() as play,
            Follower(here.address, here.gate.api_key or "", films, play) as follower,
        ):
            began = monotonic()
            jobs = await follower.submit("Demo", [_row(number) for number in range(videos)])
            following = asyncio.create_task(follower.follow(jobs))
            await first_of(stop, here.ended, following)
            if not following.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                click.echo("Stopping. What is unfinished goes on when filmgate starts again.", err=True)
                return INTERRUPTED if exit_when_done else 0
            following.result()
        _report(jobs, monotonic() - began)
        code = 0 if all(job.plays for job in jobs) else UNFINISHED
        if not exit_when_done:
            click.echo(f"\nThe gateway stays up at {here.address}/docs. Ctrl-C stops it.", err=True)
            await first_of(stop, here.ended)
    return code


def _row(number: int) -> dict[str, object]:
    sample = SAMPLE_PROMPTS[number % len(SAMPLE_PROMPTS)]
    return {
        "prompt": sample.prompt,
        "duration": sample.seconds,
        "resolution": "720p",
        "aspect_ratio": sample.aspect,
        "seed": number,
    }


def _announce(here: Serving, videos: int) -> None:
    click.echo(
        f"filmgate {__version__} · embedded PostgreSQL · built-in renderer · "
        f"ready in {here.gate.seconds:.1f} s\n"
        f"  Page   {here.address}\n"
        f"  API    {here.address}/api/v1\n"
        f"  Docs   {here.address}/docs\n"
        f"  Key    {here.gate.api_key}\n"
        f"  Films  {here.gate.settings.data / 'films'}\n"
        f"{videos} sample films are being made. Nothing here costs money. Ctrl-C stops it.\n",
        err=True,
    )


def _report(jobs: list[Job], seconds: float) -> None:
    width = max(len(job.file.name) if job.file else 1 for job in jobs)
    click.echo(f"{'JOB':<30}  {'FILE':<{width}}  {'SECONDS':>7}  {'SIZE':>9}  STATE")
    for job in jobs:
        file = job.file.name if job.file else "-"
        size = f"{job.size / 1e6:.1f} MB" if job.size else "-"
        film = f"{job.film_seconds:.1f}" if job.film_seconds else "-"
        click.echo(f"{job.id:<30}  {file:<{width}}  {film:>7}  {size:>9}  {job.verdict}")
    good = sum(job.plays for job in jobs)
    click.echo(f"{good} of {len(jobs)} films are there and play, made in {seconds:.0f} s.")


def _free_port() -> int:
    """Return the usual port, or 0 where something else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            return 0
    return _USUAL_PORT
