"""Write down what was shown: JSON for machines, a page for people."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.ground import BUILD, ROOT
from bench.report import renew, table

_PORT = re.compile(r"(\d+\.){3}\d+:\d+")
PAGE = ROOT / "docs" / "proof.md"
JSON = BUILD / "proof.json"
QUICK = BUILD / "proof-quick.json"


def keep(
    path: Path,
    runs: Sequence[Mapping[str, Any]],
    peers: Mapping[str, Any] | None,
    machine: Mapping[str, Any],
) -> None:
    """Write the figures down; what was not run this time stays from the last."""
    kept: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept["machine"] = dict(machine)
    kept["measured_at"] = datetime.now(UTC).isoformat(timespec="minutes")
    if runs:
        kept["runs"] = list(runs)
    if peers is not None:
        kept["peers"] = dict(peers)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


def show(kept: Mapping[str, Any]) -> str:
    """Return everything that is kept as Markdown."""
    parts = [_where(kept)]
    if runs := kept.get("runs"):
        parts += [_runs(runs), _vendors(runs), _counted("Ended as failed", "failed", runs)]
        parts += [_counted("Left open, and why", "left", runs)]
        parts += [_counted("Sent again, after proof that nothing was made", "sent_again", runs)]
        parts += [_harm(runs), _violations(runs)]
    if peers := kept.get("peers"):
        parts.append(_peers(peers))
    return "\n\n".join(parts)


def write_page() -> None:
    """Renew the figures of docs/proof.md."""
    renew(PAGE, show(json.loads(JSON.read_text("utf-8"))))


def _where(kept: Mapping[str, Any]) -> str:
    machine = kept["machine"]
    return (
        f"*{kept['measured_at'][:10]}, {machine['cores']} shared cores ({machine['processor']}), "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}; other work went on "
        "beside it.*"
    )


def _runs(runs: Sequence[Mapping[str, Any]]) -> str:
    names = list(runs[0]["figures"])
    head = ["", *(f"seed {run['plan']['seed']}" for run in runs), "all"]
    lines = []
    for name in names:
        values = [run["figures"].get(name, 0) for run in runs]
        whole = max(values) if name.startswith(("most", "jobs per")) else sum(values)
        lines.append([name, *(f"{value:g}" for value in values), f"**{whole:g}**"])
    lines.append(["times a process was killed or started again", *(_kills(run) for run in runs), ""])
    lines.append(["seconds", *(f"{run['seconds']:.0f}" for run in runs), ""])
    lines.append(["violations", *(str(len(run["violations"])) for run in runs), ""])
    return f"### Promises and bills\n\n{table(head, lines)}"


def _kills(run: Mapping[str, Any]) -> str:
    return str(sum(run["happened"].values()))


def _vendors(runs: Sequence[Mapping[str, Any]]) -> str:
    whole: dict[str, Counter[str]] = {}
    for run in runs:
        for name, line in run["vendors"].items():
            whole.setdefault(name, Counter()).update(line)
    columns = ("creates", "made", "completed", "failed", "cancelled", "left")
    head = ["vendor", "creates that arrived", "jobs made", "completed", "failed", "cancelled", "left"]
    lines = [[name, *(str(line[one]) for one in columns)] for name, line in sorted(whole.items())]
    return f"### By vendor\n\n{table(head, lines)}"


def _counted(title: str, what: str, runs: Sequence[Mapping[str, Any]]) -> str:
    whole: Counter[str] = Counter()
    for run in runs:
        for name, count in run[what].items():
            whole[_PORT.sub("the vendor", name)] += count
    lines = [[name.replace("|", "/"), str(count)] for name, count in whole.most_common()]
    return f"### {title}\n\n" + (table(["", "videos"], lines) if lines else "None.")


def _harm(runs: Sequence[Mapping[str, Any]]) -> str:
    whole: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    for run in runs:
        whole.update(run["happened"])
        struck.update(run["faults"])
    did = ", ".join(f"{name} {count} ×" for name, count in whole.most_common())
    met = ", ".join(f"`{name}` {count}" for name, count in struck.most_common())
    title = "### What was done to it"
    return f"{title}\n\nProcesses and connections: {did}.\n\nVendors, creates and jobs struck: {met}."


def _violations(runs: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"- seed {run['plan']['seed']}: {one}" for run in runs for one in run["violations"]]
    return "### Violations\n\n" + ("\n".join(lines) if lines else "None.")


def _peers(peers: Mapping[str, Any]) -> str:
    lost = ("first answer lost: jobs paid a video", "of them in the client's hands", "all answers lost")
    head = ["client, at its defaults", "version", "vendor", *lost]
    lines = [
        [row["client"], row["version"], row["vendor"], row["once"], row["got"], row["always"]]
        for row in peers["rows"]
    ]
    text = (
        f"{peers['trials']} creates each; 2 where a peer's answers were all lost. filmgate had a "
        "minute; where it holds a film neither made nor "
        "failed, the vendor offers nothing to look it up by, and it waits for the operator."
    )
    title = "### Beside it: one create, and its answer is lost after the vendor has made the job"
    return f"{title}\n\n{table(head, lines)}\n\n{text}"
