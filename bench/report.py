"""Write down what was measured: JSON for machines, a table for people."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """One promise and what was measured of it."""

    what: str
    measured: float
    wanted: float
    unit: str
    more_is_better: bool = False

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.measured >= self.wanted if self.more_is_better else self.measured <= self.wanted

    def row(self) -> list[str]:
        """Return the row of the table of targets."""
        sign = "≥" if self.more_is_better else "≤"
        by = abs(self.measured / self.wanted - 1) * 100
        verdict = f"met, {by:.0f} % to spare" if self.met else f"**missed by {by:.0f} %**"
        return [self.what, f"{sign} {self.wanted:g} {self.unit}", f"{self.measured:.2f} {self.unit}", verdict]


@dataclass(frozen=True, slots=True)
class Result:
    """What one part of the benchmark came to."""

    title: str
    text: str
    raw: dict[str, Any]
    targets: list[Target] = field(default_factory=list[Target])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_json(results: dict[str, Result], machine: dict[str, object]) -> dict[str, Any]:
    """Return everything for build/bench.json."""
    return {
        "measured_at": _now(),
        "machine": machine,
        "parts": {
            name: {**result.raw, "targets": [{**asdict(t), "met": t.met} for t in result.targets]}
            for name, result in results.items()
        },
    }


def as_markdown(results: dict[str, Result], machine: dict[str, object]) -> str:
    """Return the tables."""
    busy = f"load average {machine['load']} before and {machine['load_after']} after the run"
    where = (
        f"Measured on {_now()[:10]} on {machine['cores']} shared cores ({machine['processor']}, "
        f"{machine['memory_gib']} GiB), {machine['system']}, Python {machine['python']}; {busy}."
    )
    parts = [where]
    targets = [target.row() for result in results.values() for target in result.targets]
    if targets:
        parts.append("### Targets\n\n" + table(["promise", "wanted", "measured", ""], targets))
    parts += [f"### {result.title}\n\n{result.text}" for result in results.values()]
    return "\n\n".join(parts) + "\n"


def write(path: Path, results: dict[str, Result], machine: dict[str, object]) -> None:
    """Write build/bench.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(results, machine), indent=1, ensure_ascii=False) + "\n", "utf-8")


def renew(page: Path, text: str) -> None:
    """Put the tables between the two marks of the page."""
    begin, end = "<!-- measured -->", "<!-- end of measured -->"
    before, _, rest = page.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", "utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
