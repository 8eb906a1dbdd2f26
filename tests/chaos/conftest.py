"""Give each test a world of real processes, and check that nothing of it is left running."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.chaos import processes


@pytest.fixture
def world(tmp_path: Path) -> Generator[processes.World, None, None]:
    """A data folder, and what is needed to start and to hit processes on it."""
    with processes.world(tmp_path / "world") as lent:
        yield lent
