"""Signed callbacks prove which job they are about; all others are refused, and none is believed blindly."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from filmgate.infrastructure.signatures import SignatureRefused
from filmgate.providers.task_api import is_sealed
from tests.contract.providers import CASES, Case, bench

pytestmark = pytest.mark.anyio

signing = pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in {"fal", "replicate"}], ids=lambda case: case.name
)
Received = list[tuple[str, dict[str, str], bytes]]


@asynccontextmanager
async def receiving() -> AsyncGenerator[tuple[str, Received], None]:
    """Be called back."""
    received: Received = []

    async def take(request: web.Request) -> web.Response:
        received.append((request.path_qs, dict(request.headers), await request.read()))
        return web.Response()

    application = web.Application()
    application.router.add_post("/hooks/{provider}/{reference}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", received
    finally:
        await runner.cleanup()


async def until(received: Received, count: int) -> None:
    for _ in range(300):
        if len(received) >= count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(received)} callbacks came, not {count}")


@signing
async def test_a_callback_names_its_job_and_our_reference(case: Case) -> None:
    async with receiving() as (url, received), bench(case, callback_url=url) as at:
        job = await at.submitted("A kite")
        await until(received, 1)
        path, headers, body = received[-1]
        assert (await at.provider.notice(headers, body, datetime.now(UTC))).job_id == job.id
        address, _, seal = path.partition("?seal=")
        assert address == f"/hooks/{case.name}/vid_0001"
        account = case.account(at.judge, "key-of-ours", url)
        assert is_sealed(account, "vid_0001", seal)
        assert not is_sealed(account, "vid_0002", seal)


@signing
async def test_a_callback_recovers_a_job_whose_answer_was_lost(case: Case) -> None:
    async with receiving() as (url, received), bench(case, callback_url=url) as at:
        with pytest.raises(Exception, match="gave no answer"):
            await at.submitted("A kite [twin:lost-after-accept]")
        await until(received, 1)
        path, headers, body = received[-1]
        notice = await at.provider.notice(headers, body, datetime.now(UTC))
        (entry,) = at.judge.ledger(vendor=case.twin)
        assert notice.job_id == entry["job"]
        assert "/vid_0001?" in path


@signing
@pytest.mark.parametrize("fault", ["webhook-forged", "webhook-stale"])
async def test_a_forged_or_stale_callback_is_refused(case: Case, fault: str) -> None:
    async with receiving() as (url, received), bench(case, callback_url=url) as at:
        await at.submitted(f"A kite [twin:{fault}]")
        await until(received, 1)
        for _, headers, body in received:
            with pytest.raises(SignatureRefused):
                await at.provider.notice(headers, body, datetime.now(UTC))


@signing
async def test_a_callback_that_is_changed_or_replayed_later_is_refused(case: Case) -> None:
    async with receiving() as (url, received), bench(case, callback_url=url) as at:
        await at.submitted("A kite")
        await until(received, 1)
        _, headers, body = received[-1]
        now = datetime.now(UTC)
        for changed, given, moment in [
            (body + b" ", headers, now),
            (body, {}, now),
            (body, headers, now + timedelta(minutes=6)),
            (body, headers, now - timedelta(minutes=6)),
        ]:
            with pytest.raises(SignatureRefused):
                await at.provider.notice(given, changed, moment)


@signing
async def test_a_repeated_callback_is_recognised_by_its_delivery(case: Case) -> None:
    async with receiving() as (url, received), bench(case, callback_url=url) as at:
        await at.submitted("A kite [twin:webhook-repeated times_sent=3]")
        await until(received, 3)
        notices = [
            await at.provider.notice(headers, body, datetime.now(UTC)) for _, headers, body in received
        ]
        assert len({notice.job_id for notice in notices}) == 1
        assert len({notice.delivery for notice in notices}) < len(notices)


@signing
async def test_an_early_callback_is_taken_before_the_create_is_answered(case: Case) -> None:
    async with receiving() as (url, received), bench(case, callback_url=url) as at:
        job = await at.submitted("A kite [twin:webhook-early]")
        _, headers, body = received[-1]
        assert (await at.provider.notice(headers, body, datetime.now(UTC))).job_id == job.id


@pytest.mark.parametrize("name", ["openai", "vllm", "runway"])
async def test_a_vendor_without_signatures_proves_nothing(name: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    async with bench(case) as at:
        with pytest.raises(SignatureRefused):
            await at.provider.notice({}, b"{}", datetime.now(UTC))


@signing
async def test_forgeries_do_not_make_us_ask_for_keys_again_and_again(case: Case) -> None:
    async with receiving() as (url, received), bench(case, callback_url=url) as at:
        await at.submitted("A kite [twin:webhook-forged]")
        await until(received, 1)
        _, headers, body = received[-1]
        now = datetime.now(UTC)
        for _ in range(5):
            with pytest.raises(SignatureRefused):
                await at.provider.notice(headers, body, now)
        assert len(at.judge.requests(vendor=case.twin, operation="other")) == 1
