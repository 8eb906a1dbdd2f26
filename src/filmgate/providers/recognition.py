"""Tell whether a job at a vendor was made for an order of ours, by asking the vendor with our own key.

A callback names a job; whoever can have a vendor call us can name any. So it counts only for a job that our
account can read, and whose vendor shows nothing that speaks against it.
"""

from typing import Protocol, runtime_checkable

from filmgate.domain.provider import Order, Progress, ProviderJob
from filmgate.infrastructure.answers import Answer
from filmgate.infrastructure.http import Reader, WireTrouble

_NOT_THERE = frozenset({404, 410})


class ReadsJobs(Protocol):
    """What is needed of a wire to read a job."""

    name: str

    def job_url(self, job: ProviderJob) -> str:
        """Return where a job is read."""
        ...

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a job stands; None where the answer says nothing about it."""
        ...


@runtime_checkable
class ShowsOrders(Protocol):
    """What a wire adds whose vendor shows of a job what it was asked for."""

    async def is_for(self, reader: Reader, answer: Answer, job: ProviderJob, order: Order) -> bool:
        """Tell whether nothing that the vendor shows of a job speaks against its being this order's."""
        ...


async def recognises(wire: ReadsJobs, reader: Reader, job: ProviderJob, order: Order) -> bool:
    """Tell whether a job is our account's and this order's; raise WireTrouble where nobody can say now."""
    answer = await reader.get(wire.job_url(job))
    if answer.status in _NOT_THERE or not isinstance(wire, ShowsOrders):
        return False
    if not answer.ok or wire.progress(answer, job) is None:
        raise WireTrouble(f"{wire.name} answered {answer.status} about job {job.id}")
    return await wire.is_for(reader, answer, job, order)
