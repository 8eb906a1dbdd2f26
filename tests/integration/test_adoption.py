"""Jobs that were ordered before filmgate was there, adopted by the command against the vendor twin."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest

from filmgate.app import Gate, open_gate
from filmgate.settings import ProviderSettings, Settings
from tests.contract.twins import Client, Judge, running_twin
from tests.e2e.conftest import environment
from tests.integration.makers import until

pytestmark = pytest.mark.anyio

VEO = "fal-ai/veo3.1"
KEY = "key-of-ours"


@dataclass(frozen=True)
class Place:
    """An installation with an account at the twin, where others have ordered films before."""

    judge: Judge
    gate: Gate
    client: httpx2.AsyncClient
    folder: Path
    dsn: str

    async def ordered(self, seconds: str = "4s", prompt: str = "a lighthouse") -> str:
        """Order a film from fal as somebody without filmgate would."""
        async with Client(f"{self.judge.url('fal')}/queue", {"Authorization": f"Key {KEY}"}) as fal:
            answer = await fal.post(f"/{VEO}", {"prompt": prompt, "duration": seconds})
        assert answer.status == 200, answer.body
        return answer.json["request_id"]

    async def adopt(self, *arguments: str) -> tuple[int, str, str]:
        """Run ``filmgate adopt``; return how it ended and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "filmgate", "adopt", *arguments),
            cwd=self.folder,
            env=environment(FILMGATE_DATA=str(self.folder / "data"), DATABASE_URL=self.dsn, FAL_KEY=KEY),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return process.returncode, out.decode().strip(), err.decode()


@pytest.fixture
async def place(settings: Settings, dsn: str, tmp_path: Path) -> AsyncGenerator[Place, None]:
    async with running_twin() as judge:
        base = f"{judge.url('fal')}/queue"
        (tmp_path / "filmgate.toml").write_text(f'[providers.fal]\nbase_url = "{base}"\n')
        fal = ProviderSettings("fal", "fal", KEY, base)
        async with open_gate(replace(settings, providers={"fal": fal}), work=True) as gate:
            headers = {"Authorization": f"Bearer {gate.api_key}"}
            transport = httpx2.ASGITransport(app=gate.application())
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://gate.test", headers=headers, timeout=30
            ) as client:
                yield Place(judge, gate, client, tmp_path, dsn)


async def test_a_job_that_was_ordered_elsewhere_comes_home_and_nothing_is_ordered(place: Place) -> None:
    job = await place.ordered()
    code, video_id, err = await place.adopt(
        "fal", job, "--model", VEO, "--seconds", "4", "--size", "1280x720", "--prompt", "a lighthouse"
    )
    assert code == 0, err
    status: list[str] = []

    async def ended() -> bool:
        status[:] = [(await place.client.get(f"/api/v1/videos/{video_id}")).json()["status"]]
        return status[0] not in {"pending", "processing"}

    await until(ended, 60)
    shown = (await place.client.get(f"/api/v1/videos/{video_id}")).json()
    assert status == ["completed"], shown["error"]
    assert (shown["prompt"], shown["provider"], shown["cost"]["amount"]) == ("a lighthouse", "fal", "0.00")
    assert f"adopted: ordered elsewhere as fal job {job}" in shown["adjustments"]
    assert (await place.client.get(f"/v1/videos/{video_id}/content")).content[4:8] == b"ftyp"
    assert len(place.judge.ledger()) == 1


async def test_a_job_is_adopted_once(place: Place) -> None:
    job = await place.ordered()
    first = await place.adopt("fal", job, "--model", VEO, "--seconds", "4")
    assert first[0] == 0, first[2]
    again = await place.adopt("fal", job, "--model", VEO, "--seconds", "4")
    assert again[0] != 0
    assert first[1] in again[2]


async def test_what_cannot_be_adopted_is_refused_with_the_reason(place: Place) -> None:
    job = await place.ordered()
    for arguments, reason in (
        (("fal", "0b7d3c1e-none", "--model", VEO, "--seconds", "4"), "does not show a job"),
        (("fal", job, "--seconds", "4"), "several models"),
        (("fal", job, "--model", "sora-9", "--seconds", "4"), "There is no sora-9"),
        (("runway", job, "--model", "gen4.5", "--seconds", "4"), "runway is not set up"),
        (("fal", job, "--model", VEO, "--seconds", "0"), "no length of a film"),
        (("fal", job, "--model", VEO, "--seconds", "4", "--size", "big"), "no size"),
    ):
        code, out, err = await place.adopt(*arguments)
        assert (code != 0, out) == (True, ""), arguments
        assert reason in err, (arguments, err)
    assert (await place.client.get("/api/v1/videos")).json()["videos"] == []
