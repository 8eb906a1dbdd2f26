"""A film that one vendor refuses late and does not charge is made by the next, over the real wires."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from filmgate.app import open_gate
from filmgate.domain.errors import RefusalKind
from filmgate.domain.refusals import Reaction, RefusalPolicy
from filmgate.repositories.budgets import BudgetRepository
from filmgate.settings import ProviderSettings, Settings
from tests.contract.twins import running_twin

pytestmark = pytest.mark.anyio

ARK = "dreamina-seedance-2-0-fast-260128"
ASKED = {"prompt": "A kite", "model": "house", "duration": 4, "resolution": "1280x720"}


async def until_final(client: httpx2.AsyncClient, headers: dict[str, str], job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            video: dict[str, Any] = (await client.get(f"/api/v1/videos/{job_id}", headers=headers)).json()
            if video["status"] in {"completed", "failed", "cancelled"}:
                return video
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("reaction", [Reaction.NEXT, Reaction.FAIL])
async def test_a_late_refusal_at_no_charge_follows_the_operators_word(
    settings: Settings, reaction: Reaction
) -> None:
    async with running_twin() as judge:
        judge.fault("moderated-after", vendor="runway")
        told = replace(
            settings,
            providers={
                name: ProviderSettings(name, name, "key-of-ours", judge.url(name))
                for name in ("runway", "ark")
            },
            routes={"house": ("runway/gen4.5", f"ark/{ARK}")},
            refusals=RefusalPolicy(routes={"house": {RefusalKind.OUTPUT: reaction}}),
        )
        async with open_gate(told, work=True) as gate:
            transport = httpx2.ASGITransport(app=gate.application())
            async with httpx2.AsyncClient(transport=transport, base_url="http://gate.test") as client:
                headers = {"Authorization": f"Bearer {gate.api_key}"}
                made = await client.post("/api/v1/videos", json=ASKED, headers=headers)
                assert made.status_code == 202, made.text
                video = await until_final(client, headers, made.json()["jobId"])
            assert await BudgetRepository(gate.database).imbalance() == []
        (refused,) = judge.ledger(vendor="runway")
        assert (refused["state"], refused["billed_micro_usd"]) == ("failed", 0)
        if reaction is Reaction.FAIL:
            assert (video["status"], video["error"]["code"]) == ("failed", "output")
            assert judge.ledger(vendor="ark") == []
        else:
            assert (video["status"], video["provider"]) == ("completed", "ark"), video
            (paid,) = judge.ledger(vendor="ark")
            assert paid["billed_micro_usd"] > 0
            assert 0 < Decimal(video["cost"]["amount"]) <= Decimal(video["estimatedCost"]["amount"])
