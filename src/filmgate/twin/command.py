"""Start a twin from the command line."""

import asyncio
import secrets
import signal
import tomllib
from pathlib import Path
from typing import Any

import click

from filmgate.twin.application import VENDORS, Plan, Twin, running
from filmgate.twin.faults import FaultUnknown


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9100, show_default=True, help="Port, 0 for any."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--media-port", type=click.IntRange(0, 65535), help="Serve films on a port of their own, 0 for any."
)
@click.option(
    "--faults", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file of rules."
)
@click.option(
    "--seed", type=int, help="Same seed and same requests: same luck and same ids. Default: by chance."
)
@click.option(
    "--speed", type=click.FloatRange(0.01), default=10.0, show_default=True, help="How much faster jobs live."
)
@click.option("--public-url", help="Address under which others reach this twin.")
def twin(**options: Any) -> None:
    """Stand in for ten video vendors: real films, no bills, and faults on request."""
    plan = Plan(
        host=options["host"],
        port=options["port"],
        media_port=options["media_port"],
        seed=secrets.randbelow(2**31) if options["seed"] is None else options["seed"],
        speed=options["speed"],
        public_url=options["public_url"],
        rules=read_rules(options["faults"]) if options["faults"] else [],
    )
    try:
        asyncio.run(_run(plan))
    except FaultUnknown as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot listen on {plan.host}:{plan.port}: {error.strerror}") from error


def read_rules(path: Path) -> list[dict[str, Any]]:
    """Return the rules of a TOML file, in which each is a [[fault]]."""
    try:
        stated = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise click.ClickException(f"{path}: {error}") from error
    if strange := sorted(set(stated) - {"fault"}):
        raise click.ClickException(f"{path}: only [[fault]] is known, not {', '.join(strange)}")
    rules: list[dict[str, Any]] = stated.get("fault", [])
    return rules


async def _run(plan: Plan) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with running(plan) as started:
        click.echo(_announced(plan, started), err=True)
        await stop.wait()


def _announced(plan: Plan, started: Twin) -> str:
    lines = [
        f"twin · seed {plan.seed} · {plan.speed:g} times as fast as life",
        f"  Bill   {started.address}/_twin/",
    ]
    if started.world.places.media != started.address:
        lines.append(f"  Films  {started.world.places.media}/media")
    lines += [f"  {vendor.name:<15}{started.url(vendor.name)}" for vendor in VENDORS]
    return "\n".join(lines)
