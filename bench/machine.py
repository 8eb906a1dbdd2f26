"""Know the machine: its cores, how busy it is, and what processes have used."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Cores:
    """Where what runs: the measured process on one core, everything else on the others."""

    subject: int
    others: tuple[int, ...]

    @property
    def apart(self) -> bool:
        """Whether the two can be kept apart at all."""
        return self.subject not in self.others


def share_out() -> Cores:
    """Keep this process, and so its children, off the core of the measured ones."""
    cores = sorted(os.sched_getaffinity(0))
    chosen = Cores(cores[0], tuple(cores[1:]) or (cores[0],))
    os.sched_setaffinity(0, chosen.others)
    return chosen


def describe() -> dict[str, object]:
    """Return what a reader must know of the machine, without naming it."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time these processes have used, with the time of their children that have ended."""
    total = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the least and the greatest."""
    return min(values), max(values)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")
