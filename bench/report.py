"""Write down what was measured: JSON for machines, a table for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
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


def keep(path: Path, results: Mapping[str, Result], machine: Mapping[str, object]) -> dict[str, Any]:
    """Write these results over the older ones of the same parts, and return all there are."""
    kept: dict[str, Any] = {"parts": {}}
    if path.exists():
        kept = json.loads(path.read_text("utf-8"))
    kept["machine"] = dict(machine)
    for name, result in results.items():
        targets = [{**asdict(target), "met": target.met} for target in result.targets]
        kept["parts"][name] = {
            "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
            "title": result.title,
            "text": result.text,
            "targets": targets,
            **result.raw,
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return kept


def as_markdown(kept: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the tables of these parts."""
    machine = kept["machine"]
    parts = {name: kept["parts"][name] for name in names if name in kept["parts"]}
    where = (
        f"{machine['cores']} shared cores ({machine['processor']}), {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}. Other work went on beside it; the load average "
        "stands with each part."
    )
    written = [where]
    targets = [_target(each).row() for part in parts.values() for each in part["targets"]]
    if targets:
        written.append("### Targets\n\n" + table(["promise", "wanted", "measured", ""], targets))
    for part in parts.values():
        when = f"*Measured {part['measured_at'][:10]}, load average {part['load']} at the end.*"
        written.append(f"### {part['title']}\n\n{part['text']}\n\n{when}")
    return "\n\n".join(written) + "\n"


def renew(page: Path, text: str) -> None:
    """Put the tables between the two marks of the page."""
    begin, end = "<!-- measured -->", "<!-- end of measured -->"
    before, _, rest = page.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", "utf-8")


def _target(kept: Mapping[str, Any]) -> Target:
    return Target(**{name: value for name, value in kept.items() if name != "met"})
