"""A create whose answer was lost is found, proven absent, or left to people: no more than a listing shows."""

import asyncio
from datetime import UTC, datetime

import pytest

from filmgate.domain.errors import OutcomeUnknown
from filmgate.domain.provider import CannotTell, Found, NotThere
from tests.contract.providers import CASES, Bench, Case, bench

pytestmark = pytest.mark.anyio

every_provider = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


async def lose(at: Bench, fault: str) -> datetime:
    """Send a create whose answer is lost, and return when."""
    sent_at = datetime.now(UTC)
    with pytest.raises(OutcomeUnknown):
        await at.submitted(f"A kite [twin:{fault}]")
    return sent_at


@every_provider
async def test_a_lost_job_is_found_where_the_vendor_can_be_asked(case: Case) -> None:
    async with bench(case) as at:
        sent_at = await lose(at, "lost-after-accept")
        await asyncio.sleep(0 if case.lists_at_once else 0.3)
        found = await at.provider.find_lost(at.order("A kite [twin:lost-after-accept]"), sent_at)
        (entry,) = at.judge.ledger(vendor=case.twin)
        assert found == (CannotTell() if case.evidence == "none" else Found(entry["job"]))
        assert at.posts() == 1


@every_provider
async def test_only_a_listing_that_shows_everything_proves_absence(case: Case) -> None:
    async with bench(case) as at:
        await at.submitted("A boat", reference="vid_0002")
        sent_at = await lose(at, "lost-before-accept")
        found = await at.provider.find_lost(at.order("A kite [twin:lost-before-accept]"), sent_at)
        assert found == (NotThere() if case.evidence == "B" else CannotTell())
        assert at.posts() == 2


@every_provider
async def test_trouble_with_the_listing_proves_nothing(case: Case) -> None:
    async with bench(case) as at:
        sent_at = await lose(at, "lost-before-accept")
        for fault in ("error-before", "html", "rate-limited", "truncated-json", "error-in-200", "without-id"):
            rule = at.judge.fault(fault, operation="list", vendor=case.twin)
            lookup = await at.provider.find_lost(at.order("A kite [twin:lost-before-accept]"), sent_at)
            if fault != "without-id":
                assert lookup == CannotTell(), fault
            del at.judge.twin.world.faults.rules[rule]


@every_provider
async def test_two_that_cannot_be_told_apart_are_neither(case: Case) -> None:
    async with bench(case) as at:
        sent_at = datetime.now(UTC)
        await at.submitted("A kite", reference="vid_0002")
        await at.submitted("A kite", reference="vid_0003")
        await asyncio.sleep(0.3)
        lookup = await at.provider.find_lost(at.order("A kite"), sent_at)
        # Ark shows our own tag, so that even twins can be told apart.
        assert lookup == (NotThere() if case.name == "ark" else CannotTell())
