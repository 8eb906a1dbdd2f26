"""The database is really restored, from files and from a copy, against vendors that keep a bill."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from filmgate.app import Gate, open_gate
from filmgate.repositories.restores import RestoreRepository
from filmgate.services.guarding import RecoveryService
from filmgate.settings import ProviderSettings, Settings
from tests.contract.twins import Judge, running_twin
from tests.integration.conftest import Postgres
from tests.integration.makers import until

pytestmark = pytest.mark.anyio

VIDEOS = "/api/v1/videos"
MODELS = {
    "ark": "dreamina-seedance-2-5-260628",
    "vllm": "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
    "runway": "gen4.5",
}
PATHS = {"ark": "", "vllm": "/v1", "runway": ""}
ADDED = {
    "vllm": {MODELS["vllm"]: {"sizes": ["1280x720"], "min_seconds": 1, "max_seconds": 10, "price": "0.01"}}
}
LOST = "[twin:lost-after-accept]"
PATIENCE = 60


@dataclass(frozen=True)
class Site:
    """An installation, and how to back its database up and put it back while nothing runs."""

    settings: Settings
    postgres: Postgres

    async def back_up(self) -> None:
        """Copy the database."""
        await self.postgres.execute(f"CREATE DATABASE {self._name}_kept TEMPLATE {self._name}")

    async def restore(self) -> None:
        """Put the copy in the database's place."""
        await self.postgres.execute(f"DROP DATABASE {self._name} WITH (FORCE)")
        await self.postgres.execute(f"ALTER DATABASE {self._name}_kept RENAME TO {self._name}")

    @property
    def _name(self) -> str:
        return urlsplit(self.settings.database_url or "").path.removeprefix("/")


@dataclass(frozen=True)
class Cluster(Site):
    """One with an embedded PostgreSQL, of which the files are copied."""

    async def back_up(self) -> None:
        """Copy the files of the whole cluster."""
        await asyncio.to_thread(shutil.copytree, self._folder, self._folder.with_name("kept"), symlinks=True)

    async def restore(self) -> None:
        """Put the copied files in their place."""
        await asyncio.to_thread(shutil.rmtree, self._folder)
        await asyncio.to_thread(self._folder.with_name("kept").rename, self._folder)

    @property
    def _folder(self) -> Path:
        return self.settings.data / "postgres" / "cluster"


@dataclass(frozen=True)
class Branch(Cluster):
    """One whose copy is recovered to a new branch of its history, as after a point-in-time recovery."""

    async def restore(self) -> None:
        """Put the copied files in their place, to be recovered."""
        await super().restore()
        await asyncio.to_thread(self._ask_for_recovery)

    def _ask_for_recovery(self) -> None:
        (self._folder / "recovery.signal").touch()
        shutil.copystat(self._folder / "PG_VERSION", self._folder / "recovery.signal")
        with (self._folder / "postgresql.auto.conf").open("a") as file:
            file.write("restore_command = 'false'\n")


@pytest.fixture
async def judge() -> AsyncGenerator[Judge, None]:
    # Its clock runs as fast as its jobs, and lost ones are looked for by time as well.
    async with running_twin(speed=20) as running:
        yield running


@pytest.fixture
def connected(settings: Settings, judge: Judge) -> Settings:
    providers = {
        name: ProviderSettings(name, name, "key-of-ours", judge.url(name) + PATHS[name], ADDED.get(name, {}))
        for name in MODELS
    }
    return replace(settings, providers=providers, lanes=dict.fromkeys(MODELS, 4))


@asynccontextmanager
async def opened(
    settings: Settings, *, work: bool = True
) -> AsyncGenerator[tuple[Gate, httpx2.AsyncClient], None]:
    async with open_gate(settings, work=work) as gate:
        transport = httpx2.ASGITransport(app=gate.application())
        headers = {"Authorization": f"Bearer {gate.api_key}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://gate.test", headers=headers, timeout=30
        ) as client:
            yield gate, client


async def ask(client: httpx2.AsyncClient, vendor: str, prompt: str) -> str:
    answer = await client.post(VIDEOS, json={"prompt": prompt, "model": MODELS[vendor], "duration": 4})
    assert answer.status_code == 202, answer.text
    return answer.json()["jobId"]


async def states(gate: Gate, ids: Mapping[str, str]) -> Counter[str]:
    """Return how many of these videos stand where."""
    rows = await gate.database.fetch("SELECT status FROM videos WHERE id = ANY($1::text[])", list(ids))
    return Counter(row["status"] for row in rows)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [Site, Cluster, Branch], ids=["a copy", "its files", "another branch"])
async def test_no_video_is_paid_twice_after_a_restore(
    connected: Settings, judge: Judge, postgres: Postgres, kind: type[Site]
) -> None:
    settings = connected if kind is Site else replace(connected, database_url=None)
    site = kind(settings, postgres)
    asked: dict[str, str] = {}
    async with opened(settings, work=False) as (_, client):
        for vendor in MODELS:
            for number in range(3):
                asked[await ask(client, vendor, f"Harbour {number} of {vendor}")] = vendor
            asked[await ask(client, vendor, f"A lost harbour of {vendor} {LOST}")] = vendor
    await site.back_up()
    async with opened(settings) as (gate, _):
        # Everything is sent; most of it comes home, and of the lost ones it may not be known yet.
        await until(lambda: len(judge.ledger(created="true")) == len(asked), PATIENCE)
        await until(lambda: _known(gate, len(asked) - len(MODELS)), PATIENCE)
    await site.restore()
    async with opened(settings) as (gate, client):
        recovery = RecoveryService(RestoreRepository(gate.database))
        branch = await gate.database.value("SELECT identity FROM restore_guard")
        assert branch.endswith("00000002") is (kind is Branch)
        found = {one.video_id: one for one in await recovery.findings()}
        assert set(found) == set(asked)
        # All but Runway's lost one come home: their jobs are known, or were found by asking.
        await until(lambda: _completed(gate, asked, len(asked) - 1), PATIENCE)
        assert await recovery.stopped() == {"runway": 1}
        (left,) = [one for one in await recovery.findings() if one.state == "unknown"]
        assert (asked[left.video_id], left.outcome) == ("runway", "looked_for")
        ready = (await client.get("/ready")).json()
        assert ready["parts"]["sending"]["state"] == "stopped"
        assert "1 of runway" in ready["parts"]["sending"]["detail"]
        more = {await ask(client, vendor, f"A new harbour of {vendor}"): vendor for vendor in MODELS}
        await until(lambda: _completed(gate, more, len(MODELS) - 1), PATIENCE)
        assert await states(gate, more) == {"completed": len(MODELS) - 1, "queued": 1}
        assert await recovery.resume() == 1
        await until(lambda: _completed(gate, more, len(MODELS)), PATIENCE)
        await _bill_is(judge, asked | more)


async def _known(gate: Gate, count: int) -> bool:
    sql = "SELECT count(*) FROM attempts WHERE provider_job_id IS NOT NULL"
    return await gate.database.value(sql) >= count


async def _completed(gate: Gate, ids: Mapping[str, str], count: int) -> bool:
    return (await states(gate, ids))["completed"] >= count


async def _bill_is(judge: Judge, asked: Mapping[str, str]) -> None:
    bill: dict[str, Any] = judge.bill()
    assert (bill["received"], bill["created"]) == (len(asked), len(asked))
    assert bill["duplicates_by_body"] == []
    created = Counter(entry["vendor"] for entry in judge.ledger(created="true"))
    assert created == Counter(asked.values())
