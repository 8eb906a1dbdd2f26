"""``filmgate providers`` as a user runs it: a process of its own, with keys in its environment."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.twins import Judge, running_twin
from tests.e2e.conftest import environment

pytestmark = pytest.mark.anyio

KEY = "key-of-ours-1907"


def written(folder: Path, judge: Judge, *, lane: str = "") -> None:
    """Write a file that has fal and a server of one's own at the twin."""
    (folder / "filmgate.toml").write_text(
        f"""
        [providers.fal]
        base_url = "{judge.url("fal")}/queue"
        [providers.gpu]
        wire = "vllm"
        base_url = "{judge.url("vllm")}/v1"
        [providers.gpu.models."Wan-AI/Wan2.2-T2V-A14B-Diffusers"]
        price = "0.02"
        {lane}
        """
    )


async def run(folder: Path, *arguments: str, **extra: str) -> tuple[int, str, str]:
    """Run the command; return how it ended and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "filmgate", "providers", *arguments),
        cwd=folder,
        env=environment(FILMGATE_DATA=str(folder / "data"), **extra),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def objects(text: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in map(json.loads, text.splitlines())}


async def test_everything_that_is_set_up_is_tested_and_said_line_by_line(tmp_path: Path) -> None:
    async with running_twin() as judge:
        written(tmp_path, judge)
        code, out, _ = await run(tmp_path, "test", FAL_KEY=KEY)
        assert code == 0, out
        assert judge.ledger() == []
    for name in ("embedded", "fal", "gpu"):
        assert f"{name} works. Nothing was made and nothing was charged." in out
    assert "ok     key         the key ending 1907 is accepted" in out
    assert KEY not in out


async def test_one_that_does_not_work_ends_with_one_and_the_mend(tmp_path: Path) -> None:
    async with running_twin() as judge:
        written(tmp_path, judge)
        code, out, _ = await run(tmp_path, "test", "fal", FAL_KEY="a-bad-key-1907")
        assert judge.ledger() == []
    assert code == 1
    assert "FAILS  key" in out
    assert "→ Set FAL_KEY to a good key." in out
    assert "fal does not work yet." in out


async def test_machines_get_one_object_a_line(tmp_path: Path) -> None:
    async with running_twin() as judge:
        written(tmp_path, judge)
        code, out, _ = await run(tmp_path, "test", "--json", FAL_KEY="a-bad-key-1907")
    found = objects(out)
    assert code == 1
    assert {name: row["works"] for name, row in found.items()} == {
        "embedded": True,
        "fal": False,
        "gpu": True,
    }
    failed = [row for row in found["fal"]["findings"] if row["verdict"] == "fails"]
    assert [row["what"] for row in failed] == ["key"]


async def test_a_vendor_without_a_key_is_told_with_the_variable_that_it_needs(tmp_path: Path) -> None:
    code, _, err = await run(tmp_path, "test", "runway")
    assert code == 2
    assert "runway is not set up. Set RUNWAYML_API_SECRET to its key." in err


async def test_the_list_shows_where_what_runs_and_what_it_costs(tmp_path: Path) -> None:
    async with running_twin() as judge:
        written(tmp_path, judge, lane="[lanes.gpu]\nmax_in_flight = 1\nper_minute = 6")
        code, out, err = await run(tmp_path, "ls", FAL_KEY=KEY)
        _, machine, _ = await run(tmp_path, "ls", "--json", FAL_KEY=KEY)
        assert judge.requests() == []
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert set(rows) == {"NAME", "embedded", "fal", "gpu"}
    assert "$0.112 to $0.40" in rows["fal"]
    assert "…1907" in rows["fal"]
    assert rows["gpu"].split()[3:6] == ["none", "1", "6"]
    assert "Not set up: gemini (GEMINI_API_KEY), runway (RUNWAYML_API_SECRET)" in err
    listed = objects(machine)
    assert listed["fal"]["callsBack"] is True
    assert listed["gpu"]["models"] == [
        {
            "model": "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
            "pricePerSecond": "0.02",
            "pricePerSecondBySize": {},
            "pricePerSecondWithoutAudio": None,
            "priceSource": "filmgate.toml",
            "priceDate": listed["gpu"]["models"][0]["priceDate"],
            "retiresOn": None,
        }
    ]


async def test_a_mistake_in_the_file_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "filmgate.toml").write_text(
        '[providers.gpu]\nwire = "vlm"\nbase_url = "http://127.0.0.1:1"\n'
    )
    code, _, err = await run(tmp_path, "test")
    assert code != 0
    assert "providers.gpu.wire: vlm is not known." in err
