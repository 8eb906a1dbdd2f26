"""Write the page on which people read what was billed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

_SHOWN: Final = 200
_TOTALS: Final = ("Vendor", "Received", "Jobs", "Billed")
_COLUMNS: Final = (
    "#",
    "Time",
    "Vendor",
    "Model",
    "Prompt",
    "Reference",
    "Job",
    "State",
    "Fault",
    "Answer",
    "Billed",
)
_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #8884; }
td { vertical-align: top; }
td:nth-child(n+4):nth-child(-n+7) { overflow-wrap: anywhere; }
.twice { color: light-dark(#b00020, #ff8a80); font-weight: 600; }
"""


def bill(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the page."""
    twice = {row["key"] for row in summary["duplicates_by_reference"]}
    rows = [_row(entry, twice) for entry in reversed(entries[-_SHOWN:])]
    vendors = [
        _cells([name, row["received"], row["created"], _dollars(row["billed_micro_usd"])])
        for name, row in summary["vendors"].items()
    ]
    said = (
        f"Paid requests received: {summary['received']}. Jobs made: {summary['created']}, "
        f"{summary['film_seconds']:g} s of film. Billed: {_dollars(summary['billed_micro_usd'])}. "
        f"{_repeats(len(summary['duplicates_by_reference']))} No money is real here."
    )
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><meta http-equiv=refresh content=5>"
        f"<title>The twin's bill</title><style>{_STYLE}</style></head><body>"
        f"<h1>The twin's bill</h1><p>{escape(said)}</p>{_table(_TOTALS, vendors)}{_table(_COLUMNS, rows)}"
        "</body></html>"
    )


def _table(columns: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{name}</th>" for name in columns)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>" if rows else ""


def _row(entry: Mapping[str, Any], twice: set[str]) -> str:
    repeated = entry["created"] and entry["reference"] in twice
    moment = datetime.fromtimestamp(entry["at"], UTC).strftime("%H:%M:%S")
    faults = ", ".join(filter(None, [entry["fault"], *entry["job_faults"]]))
    reference = f"{entry['reference']} (more than once)" if repeated else entry["reference"]
    cells = [entry["number"], moment, entry["vendor"], entry["model"], entry["prompt"], reference]
    cells += [entry["job"], entry["state"] or "not made", faults]
    cells += ["none" if entry["status"] is None else entry["status"], _dollars(entry["billed_micro_usd"])]
    return _cells(cells, mark=" class=twice" if repeated else "")


def _cells(values: Sequence[Any], mark: str = "") -> str:
    cells = "".join(f"<td>{'' if value is None else escape(str(value))}</td>" for value in values)
    return f"<tr{mark}>{cells}</tr>"


def _repeats(count: int) -> str:
    return (
        "Nothing was made twice."
        if not count
        else f"References for which more than one job was made: {count}."
    )


def _dollars(micro: int) -> str:
    return f"${micro / 1_000_000:,.2f}"
