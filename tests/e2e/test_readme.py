"""What the README says to type is typed, and what the pages link to is there."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Server

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SIX_CALLS = "## The API in six calls"


def test_the_six_calls_run_as_they_stand(server: Server, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    section = text[text.index(SIX_CALLS) :]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block[1]],
        cwd=tmp_path,
        env={**os.environ, "FILMGATE": server.url, "KEY": server.key},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for word in ('"totalVideos":2', '"status":"completed"', '"videoUrl"', '"status":"cancelled"', '"ok"'):
        assert word in done.stdout.replace(" ", "")
    film = tmp_path / "lake.mp4"
    assert film.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [
        target
        for target in targets
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(
        r"`((?:src|tests|docs|bench|tools)/[\w./-]+\.(?:py|md|sql|toml))`", page.read_text("utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
