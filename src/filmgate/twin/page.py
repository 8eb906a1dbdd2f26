"""Write the page on which people read what was billed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

_SHOWN: Final = 200
_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
td.n, th.n { text-align: right; }
code { font-size: .85em; overflow-wrap: anywhere; }
.twice { color: light-dark(#b00020, #ff8a80); font-weight: 600; }
.quiet { opacity: .65; }
"""


def bill(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the page."""
    twice = {row["key"] for row in summary["duplicates_by_reference"]}
    twice |= {row["key"] for row in summary["duplicates_by_body"]}
    rows = "".join(_row(entry, twice) for entry in reversed(entries[-_SHOWN:]))
    vendors = "".join(
        f"<tr><td>{escape(name)}</td><td class=n>{row['received']}</td><td class=n>{row['created']}</td>"
        f"<td class=n>{_dollars(row['billed_micro_usd'])}</td></tr>"
        for name, row in summary["vendors"].items()
    )
    nothing = "<p class=quiet>Nothing was asked for yet.</p>" if not entries else ""
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><meta http-equiv=refresh content=5>"
        f"<title>The twin's bill</title><style>{_STYLE}</style></head><body><h1>The twin's bill</h1>"
        f"<p>{summary['received']} paid requests received, {summary['created']} jobs made, "
        f"{summary['film_seconds']:g} s of film, <strong>{_dollars(summary['billed_micro_usd'])}</strong> billed. "
        f"{_repeats(len(summary['duplicates_by_reference']))} No money is real here.</p>{nothing}"
        "<table><tr><th>Vendor</th><th class=n>Received</th><th class=n>Jobs</th><th class=n>Billed</th></tr>"
        f"{vendors}</table><table><tr><th class=n>#</th><th>Time</th><th>Vendor</th><th>Model</th><th>Prompt</th>"
        "<th>Reference</th><th>Job</th><th>State</th><th>Fault</th><th class=n>Answer</th><th class=n>Billed</th>"
        f"</tr>{rows}</table></body></html>"
    )


def _row(entry: Mapping[str, Any], twice: set[str]) -> str:
    repeated = entry["reference"] in twice or (entry["created"] and entry["fingerprint"] in twice)
    faults = ", ".join(filter(None, [entry["fault"], *entry["job_faults"]]))
    time = datetime.fromtimestamp(entry["at"], UTC).strftime("%H:%M:%S")
    answer = "none" if entry["status"] is None else entry["status"]
    return (
        f"<tr{' class=twice' if repeated else ''}><td class=n>{entry['number']}</td><td>{time}</td>"
        f"<td>{escape(entry['vendor'])}</td><td>{escape(entry['model'])}</td><td>{escape(entry['prompt'])}</td>"
        f"<td><code>{escape(entry['reference'] or '')}</code></td><td><code>{escape(entry['job'] or '')}</code></td>"
        f"<td>{escape(entry['state'] or 'not made')}</td><td>{escape(faults)}</td><td class=n>{answer}</td>"
        f"<td class=n>{_dollars(entry['billed_micro_usd'])}</td></tr>"
    )


def _repeats(count: int) -> str:
    return "Nothing was made twice." if not count else f"{count} references were made more than once."


def _dollars(micro: int) -> str:
    return f"${micro / 1_000_000:,.2f}"
