"""Say how long jobs take at vendors, as far as that is known: what the polling is played against.

No vendor publishes such figures, so these are assumed: medians of the order of the examples in the vendors'
documentation, for films of five to eight seconds, and spreads that are wide rather than narrow.
"""

import math
import random
from dataclasses import dataclass
from datetime import timedelta

from filmgate.domain.poll import PollTerms

_USUAL = PollTerms()


@dataclass(frozen=True, slots=True)
class Vendor:
    """One kind of job: it waits, perhaps boots, and runs; all in seconds.

    ``wait`` is the mean of a wait that is over at any moment alike; ``sigma`` the spread of a log-normal run;
    one job in ``boots`` first needs between ``boot`` seconds and three times that.
    """

    name: str
    wait: float
    run: float
    sigma: float
    percent: bool = False
    boots: float = 0.0
    boot: float = 0.0
    terms: PollTerms = _USUAL

    def job(self, chance: random.Random) -> "Job":
        """Return a job of this kind."""
        wait = chance.expovariate(1 / self.wait) if self.wait else 0.0
        if chance.random() < self.boots:
            wait += chance.uniform(self.boot, 3 * self.boot)
        run = self.run * math.exp(chance.gauss(0, self.sigma))
        return Job(wait, wait + run, math.exp(chance.gauss(0, 0.15)) if self.percent else None)


@dataclass(frozen=True, slots=True)
class Job:
    """One job: ``bend`` makes its percentage run ahead at first, or behind."""

    begins: float
    ends: float
    bend: float | None = None

    def percent(self, age: float) -> int | None:
        """Return what the vendor says at this age; nothing while it waits, or where it never says."""
        if self.bend is None or age <= self.begins:
            return None
        return min(99, int(100 * ((age - self.begins) / (self.ends - self.begins)) ** self.bend))


VENDORS = (
    Vendor("fal, Kling 3 Pro, 5 s", wait=6, run=75, sigma=0.25),
    Vendor("Replicate, Veo 3.1 Fast, 6 s", wait=4, run=50, sigma=0.2, percent=True, boots=0.1, boot=20),
    Vendor("Gemini Omni 1.2, 8 s, 720p", wait=1, run=60, sigma=0.25),
    Vendor(
        "Runway gen4.5, 5 s", wait=5, run=65, sigma=0.25, percent=True,
        terms=PollTerms(apart=timedelta(seconds=5)),
    ),
    Vendor("Ark, Seedance 2.5, 5 s", wait=8, run=90, sigma=0.2),
    Vendor("vLLM-Omni on an own GPU", wait=30, run=120, sigma=0.06),
    Vendor("SGLang on an own GPU", wait=30, run=120, sigma=0.06, percent=True),
    Vendor("OpenAI-compatible reseller, 8 s", wait=6, run=110, sigma=0.3, percent=True),
)  # fmt: skip
# What a plan cannot foresee: one job in six takes less than 0.6 of the usual time, one in six more than 1.6.
WILD = Vendor("a model whose runs are spread by σ = 0.5", wait=0, run=60, sigma=0.5)
