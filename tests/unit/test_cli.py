"""The command line starts without loading the server."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from filmgate import __version__
from filmgate.cli import main

HEAVY = ("asyncpg", "litestar", "uvicorn", "numpy", "av", "PIL", "pgqueuer", "filmgate.app")


def test_help_loads_neither_the_server_nor_the_database_driver() -> None:
    code = (
        "import sys\n"
        "from filmgate.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("loaded: []\n")


def test_help_names_every_command_with_what_it_does() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    for name in main.list_commands(click.Context(main)):
        assert any(line.split()[:1] == [name] and len(line.split()) > 3 for line in shown.splitlines()), name


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"filmgate {__version__}\n"


def test_an_unknown_command_is_refused_by_its_name() -> None:
    outcome = CliRunner().invoke(main, ["srve"])
    assert outcome.exit_code == 2
    assert "srve" in outcome.output


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["migrate"], ["keys"], ["keys", "create"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    outcome = CliRunner().invoke(main, [*command, "--help"])
    assert outcome.exit_code == 0
    assert "Usage:" in outcome.output
