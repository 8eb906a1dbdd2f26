"""`python3 dev.py` in a fresh checkout: what it sets up, what it says, what it passes on.

The installer is a stand-in on PATH that writes down how it was called; fetching the real one and the
real packages is what every run on a new machine does before it gets here.
"""

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import dev

ROOT = Path(__file__).parents[2]
TAKEN = ["dev.py", "tools", "pyproject.toml", "requirements.lock", "requirements-uv.txt", ".gitignore"]
STAND_IN = f"""#!{sys.executable}
import os, sys, time
from pathlib import Path
called = next(word for word in sys.argv[1:] if word in ("--version", "venv", "sync", "install", "compile"))
with open("calls.txt", "a") as file:
    file.write(called + "\\n")
if called == "--version":
    print(os.environ.get("STAND_IN_VERSION", "uv 0.13.9"))
if called == "venv":
    bin = Path(sys.argv[-1]) / "bin"
    bin.mkdir(parents=True, exist_ok=True)
    (bin / "python").unlink(missing_ok=True)
    (bin / "python").symlink_to(sys.argv[sys.argv.index("--python") + 1])
    home = Path(sys.argv[sys.argv.index("--python") + 1]).parent
    version = "%d.%d.0" % sys.version_info[:2]
    (bin.parent / "pyvenv.cfg").write_text(f"home = {{home}}\\nversion_info = {{version}}\\n")
if called == "sync":
    time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
    sys.exit(int(os.environ.get("STAND_IN_FAILS", "0")))
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in needs a shebang")


@dataclass(frozen=True)
class Checkout:
    """A copy of the bootstrap in a folder of its own."""

    root: Path

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(self.root / "dev.py"), *args]
        path = {"PATH": f"{self.root / 'path'}{os.pathsep}/usr/bin{os.pathsep}/bin"}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=path | env,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, **env: str) -> tuple[int, str]:
        with self.start(*args, **env) as process:
            out, err = process.communicate()
        return process.returncode, out + err

    def calls(self) -> list[str]:
        log = self.root / "calls.txt"
        return [line for line in log.read_text("utf-8").split("\n") if line] if log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    for name in TAKEN:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__main__.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(7)\n", "utf-8")
    uv = tmp_path / "path" / "uv"
    uv.parent.mkdir()
    uv.write_text(STAND_IN, "utf-8")
    uv.chmod(0o755)
    return Checkout(tmp_path)


def test_help_names_every_verb_on_one_line_and_sets_nothing_up(checkout: Checkout) -> None:
    code, said = checkout.run("--help")
    assert code == 0
    lines = {line.split()[0]: line for line in said.splitlines() if line.startswith("  ")}
    assert set(lines) == {"demo", "test", "check", "shots", "bench", "proof", "lock"}
    assert all(len(line) < 110 for line in lines.values())
    assert checkout.calls() == []


def test_an_unknown_verb_is_refused_with_the_known_ones(checkout: Checkout) -> None:
    code, said = checkout.run("deploy")
    assert (code, "demo, test, check" in said) == (2, True)
    assert checkout.calls() == []


def test_the_first_run_sets_up_and_the_second_does_not(checkout: Checkout) -> None:
    assert checkout.run("shots")[0] == 0
    assert checkout.calls() == ["--version", "venv", "sync", "install"]
    code, said = checkout.run("shots")
    assert (code, said) == (0, "nothing to shoot yet: the page is not built\n")
    assert checkout.calls() == ["--version", "venv", "sync", "install"]


def test_a_changed_lock_is_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.run("shots")
    with (checkout.root / "requirements.lock").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    checkout.run("shots")
    assert checkout.calls()[4:] == ["--version", "sync", "install"]


def test_a_changed_lint_setting_needs_no_new_set_up(checkout: Checkout) -> None:
    checkout.run("shots")
    with (checkout.root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.other]\nx = 1\n")
    checkout.run("shots")
    assert len(checkout.calls()) == 4


def test_an_environment_of_another_python_is_made_anew(checkout: Checkout) -> None:
    checkout.run("shots")
    config = checkout.root / ".venv" / "pyvenv.cfg"
    config.write_text("home = /opt/other/bin\nversion_info = 3.11.0\n", "utf-8")
    (checkout.root / ".venv" / "filmgate-setup.json").unlink()
    checkout.run("shots")
    assert checkout.calls()[4:] == ["--version", "venv", "sync", "install"]


def test_a_failed_set_up_says_what_to_do_and_the_next_run_repairs_it(checkout: Checkout) -> None:
    code, said = checkout.run("shots", STAND_IN_FAILS="1")
    assert code == 2
    assert "`uv pip sync" in said
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert checkout.run("shots")[0] == 0
    assert checkout.calls()[-2:] == ["sync", "install"]


def test_two_runs_at_once_set_up_once(checkout: Checkout) -> None:
    first = checkout.start("shots", STAND_IN_SECONDS="1")
    while "sync" not in checkout.calls():
        time.sleep(0.02)
    code, said = checkout.run("shots")
    assert (code, "waiting for it" in said) == (0, True)
    first.communicate()
    assert first.returncode == 0
    assert checkout.calls().count("sync") == 1


def test_a_killed_set_up_is_repaired_once_its_child_is_done(checkout: Checkout) -> None:
    killed = checkout.start("shots", STAND_IN_SECONDS="1")
    while "sync" not in checkout.calls():
        time.sleep(0.02)
    killed.kill()
    code, said = checkout.run("shots")
    killed.communicate()
    assert (code, "waiting for it" in said) == (0, True)
    assert checkout.calls()[-2:] == ["sync", "install"]


def test_ctrl_c_during_the_set_up_is_quiet_and_the_next_run_repairs_it(checkout: Checkout) -> None:
    process = checkout.start("shots", STAND_IN_SECONDS="30")
    while "sync" not in checkout.calls():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None, "it must wait for its child"
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "bootstrap.py" not in err
    assert checkout.run("shots")[0] == 0


def test_arguments_and_exit_codes_are_passed_on(checkout: Checkout) -> None:
    code, said = checkout.run("bench", "engine", "--fast")
    assert (code, "['engine', '--fast']" in said) == (7, True)


def test_an_old_uv_is_not_used_and_a_missing_pip_is_explained(checkout: Checkout) -> None:
    pip = checkout.root / "no" / "pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").write_text("raise ImportError('No module named pip')", "utf-8")
    no_pip = str(checkout.root / "no")
    code, said = checkout.run("shots", STAND_IN_VERSION="uv 0.4.30 (abc)", PYTHONPATH=no_pip)
    assert (code, checkout.calls()) == (2, ["--version"])
    assert "apt-get install python3-pip" in said
    assert "Traceback" not in said


def test_an_old_python_is_told_so(checkout: Checkout) -> None:
    code = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_path('dev.py', run_name='__main__')"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout.root, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert "Python 3.9" in result.stderr
    assert "3.11 or newer" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    ast.parse((ROOT / "dev.py").read_text("utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("home", ["", "/nonexistent"])
def test_a_missing_home_is_replaced_by_a_folder_of_the_checkout(checkout: Checkout, home: str) -> None:
    (checkout.root / "bench" / "__main__.py").write_text("import os\nprint(os.environ['HOME'])\n", "utf-8")
    code, said = checkout.run("bench", HOME=home)
    assert (code, str(checkout.root / ".dev" / "home") in said) == (0, True)


def test_the_index_that_pip_is_told_to_use_is_used_by_uv_too(checkout: Checkout) -> None:
    uv = checkout.root / "path" / "uv"
    uv.write_text(STAND_IN + "\nprint('index', os.environ.get('UV_DEFAULT_INDEX'))\n", "utf-8")
    _, said = checkout.run("shots", PIP_INDEX_URL="https://mirror.example/simple")
    assert "index https://mirror.example/simple" in said


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = tmp_path / "apt.txt"
    program = tmp_path / "apt-get"
    program.write_text(f'#!/bin/sh\necho "$@" >> {log}\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(dev, "SYSTEM_PACKAGES", {"no-such-browser": ("chromium", "the page's browser tests")})
    return log


def test_root_gets_missing_system_packages_installed(
    apt_get: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    dev.install_system_packages()
    assert apt_get.read_text("utf-8").splitlines() == [
        "-qq update",
        "-qq install --yes --no-install-recommends chromium",
    ]
    assert "installing chromium with apt-get" in capfd.readouterr().err


def test_anyone_else_is_told_what_is_skipped(
    apt_get: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    skipped = dev.install_system_packages()
    assert not apt_get.exists()
    assert len(skipped) == 1
    assert "the page's browser tests" in capfd.readouterr().err


def test_nothing_is_installed_when_nothing_is_missing(apt_get: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "SYSTEM_PACKAGES", {"sh": ("dash", "nothing")})
    assert dev.install_system_packages() == []
    assert not apt_get.exists()


@pytest.mark.parametrize(
    ("codes", "last", "code"),
    [
        ({"check": 0, "pytest": 0, "coverage": 0}, "Passed: all checks, all tests; coverage of", 0),
        ({"check": 1, "pytest": 0, "coverage": 0}, "Failed: checks.", 1),
        ({"check": 0, "pytest": 5, "coverage": 2}, "Failed: tests, coverage.", 5),
    ],
)
def test_the_test_verb_runs_everything_and_closes_with_the_outcome(
    codes: dict[str, int],
    last: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran: list[str] = []

    def note(name: str) -> int:
        ran.append(name)
        return codes[name]

    monkeypatch.setattr(dev, "check", lambda args: note("check"))
    monkeypatch.setattr(dev, "run", lambda command: note(command[2]))
    assert dev.test([]) == code
    assert ran == ["check", "pytest", "coverage"]
    assert capsys.readouterr().out.splitlines()[-1].startswith(last)
