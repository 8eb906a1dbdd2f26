"""Look at providers: what is set up, and whether it would work. Nothing here costs money."""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from filmgate.app import open_probing
from filmgate.cli.operate import data_option, run_quietly
from filmgate.cli.running import load_settings
from filmgate.domain.money import Money
from filmgate.domain.probe import Report, Verdict
from filmgate.domain.routing import Capability
from filmgate.services.probing import ProbingService, Subject
from filmgate.settings import VENDOR_KEYS

T = TypeVar("T")
_WORDS: Mapping[Verdict, str] = {Verdict.WORKS: "ok", Verdict.FAILS: "FAILS", Verdict.NOTE: "note"}
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_HEAD = ("NAME", "WIRE", "ADDRESS", "KEY", "AT ONCE", "A MINUTE", "CALLS BACK", "MODELS", "$ A SECOND")


@click.group()
def providers() -> None:
    """Look at providers. Nothing here costs money."""


@providers.command("ls")
@_json_option
@data_option
def list_providers(as_json: bool, data: Path | None) -> None:
    """List what is set up: where it is, its key, its limits, its models and their prices."""

    async def work(service: ProbingService) -> Sequence[Subject]:
        return service.list()

    found = _look(data, work)
    if as_json:
        for subject in found:
            click.echo(json.dumps(_as_object(subject)))
        return
    rows = [_HEAD, *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    names = {subject.name for subject in found}
    missing = [f"{vendor} ({key})" for key, vendor in VENDOR_KEYS.items() if vendor not in names]
    if missing:
        click.echo(f"Not set up: {', '.join(missing)}.", err=True)


@providers.command("test")
@click.argument("name", required=False)
@_json_option
@data_option
def test_providers(name: str | None, as_json: bool, data: Path | None) -> None:
    """Find out whether NAME would work, or all that is set up, by calls that cost nothing.

    Exits with 0 if everything works, and with 1 if something has to be mended.
    """

    async def work(service: ProbingService) -> bool:
        known = [subject.name for subject in service.list()]
        if name is not None and name not in known:
            raise click.BadParameter(_unknown(name, known), param_hint="NAME")
        good = True
        for one in known if name is None else [name]:
            report = await service.test(one)
            good = good and report.works
            click.echo(json.dumps(_as_json(report)) if as_json else _as_text(report))
        return good

    if not _look(data, work):
        sys.exit(1)


def _look(data: Path | None, verb: Callable[[ProbingService], Awaitable[T]]) -> T:
    async def work() -> T:
        async with open_probing(load_settings(data=data)) as service:
            return await verb(service)

    return run_quietly(work())


def _unknown(name: str, known: Sequence[str]) -> str:
    variable = next((key for key, vendor in VENDOR_KEYS.items() if vendor == name), None)
    mend = "" if variable is None else f" Set {variable} to its key."
    return f"{name} is not set up.{mend} Set up: {', '.join(known)}."


def _row(subject: Subject) -> tuple[str, ...]:
    minute = subject.lane.per_minute
    return (
        subject.name,
        subject.wire,
        subject.address or "this machine",
        f"…{subject.key_hint}" if subject.key_hint else "none",
        str(subject.lane.max_in_flight),
        "any" if minute is None else str(minute),
        "yes" if subject.calls_back else "no",
        str(len(subject.models)),
        _prices(subject.models),
    )


def _prices(models: Sequence[Capability]) -> str:
    if not models:
        return "-"
    told = [price for able in models for price in _all_prices(able)]
    least, most = min(told), max(told)
    return str(least) if least == most else f"{least} to {most}"


def _all_prices(able: Capability) -> list[Money]:
    silent = [] if able.silent_price is None else [able.silent_price]
    return [able.price, *(price for _, price in able.prices), *silent]


def _as_object(subject: Subject) -> dict[str, Any]:
    return {
        "name": subject.name,
        "wire": subject.wire,
        "address": subject.address,
        "keyEnds": subject.key_hint,
        "maxInFlight": subject.lane.max_in_flight,
        "perMinute": subject.lane.per_minute,
        "callsBack": subject.calls_back,
        "models": [_model(able) for able in subject.models],
    }


def _model(able: Capability) -> dict[str, Any]:
    return {
        "model": able.model,
        "pricePerSecond": _dollars(able.price),
        "pricePerSecondBySize": {f"{wide}x{high}": _dollars(price) for (wide, high), price in able.prices},
        "pricePerSecondWithoutAudio": able.silent_price and _dollars(able.silent_price),
        "priceSource": able.price_source,
        "priceDate": able.price_date.isoformat(),
        "retiresOn": able.retires_on and able.retires_on.isoformat(),
    }


def _dollars(money: Money) -> str:
    return str(money).removeprefix("$")


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "name": report.name,
        "wire": report.wire,
        "address": report.address,
        "works": report.works,
        "findings": [
            {"what": one.what, "verdict": one.verdict.value, "says": one.says, "mend": one.mend}
            for one in report.findings
        ],
    }


def _as_text(report: Report) -> str:
    lines = [f"{report.name} · wire {report.wire} · {report.address or 'this machine'}"]
    for one in report.findings:
        lines.append(f"  {_WORDS[one.verdict]:<5}  {one.what:<10}  {one.says}")
        if one.mend is not None:
            lines.append(f"  {'':<5}  {'':<10}  → {one.mend}")
    verdict = "works" if report.works else "does not work yet"
    return "\n".join([*lines, f"{report.name} {verdict}. Nothing was made and nothing was charged."])
