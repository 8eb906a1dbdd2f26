"""The repository's own checks notice what they are for, with and without git."""

from pathlib import Path

import pytest

from tools import checks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / ".gitignore").write_text(".venv/\n*.pyc\n", "utf-8")
    (tmp_path / "fine.py").write_text("LIMIT = 1\n", "utf-8")
    return tmp_path


def test_a_file_past_the_limit_is_named(tree: Path) -> None:
    (tree / "long.py").write_text("x = 1\n" * 501, "utf-8")
    assert checks.too_long(tree) == ["long.py: 501 lines, at most 500"]


def test_a_file_at_the_limit_passes_but_is_noted(tree: Path) -> None:
    (tree / "near.js").write_text("x = 1\n" * 500, "utf-8")
    (tree / "short.js").write_text("x = 1\n" * 350, "utf-8")
    assert checks.too_long(tree) == []
    assert checks.nearly_too_long(tree) == ["near.js: 500 lines"]


def test_prose_may_be_long(tree: Path) -> None:
    (tree / "long.md").write_text("word\n" * 900, "utf-8")
    assert checks.too_long(tree) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("see https://" + "pypi" + ".org/project/filmgate", "the address of a package registry"),
        ("https://files." + "pythonhosted" + ".org/x.whl", "the address of a package registry"),
        ("https://registry." + "npmjs" + ".org/", "the address of a package registry"),
        ("https://deb." + "debian" + ".org/debian", "the address of a package registry"),
        ("open('/" + "root/.ssh')", "a path of one machine"),
        ("cd /" + "work/main", "a path of one machine"),
        ("# TO" + "DO: later", "a note to do later"),
        ("// FIX" + "ME", "a note to do later"),
        ("X" * 3, "a note to do later"),
    ],
)
def test_a_forbidden_word_is_named_with_its_line(line: str, what: str, tree: Path) -> None:
    (tree / "notes.md").write_text(f"fine\n{line}\n", "utf-8")
    assert checks.forbidden_words(tree) == [f"notes.md:2: {what}"]


@pytest.mark.parametrize(
    "line",
    [
        "pip install filmgate",
        "https://example.org/" + "work/films",
        "mktemp films.XXXXXX",
        "the root/ folder",
    ],
)
def test_an_innocent_word_passes(line: str, tree: Path) -> None:
    (tree / "notes.md").write_text(line, "utf-8")
    assert checks.forbidden_words(tree) == []


@pytest.mark.parametrize("folder", [".git", ".venv", "src/web/vendor"])
def test_what_is_not_ours_is_not_read(folder: str, tree: Path) -> None:
    (tree / folder).mkdir(parents=True)
    (tree / folder / "odd.py").write_text("# FIX" + "ME\n" * 600, "utf-8")
    assert checks.forbidden_words(tree) == []
    assert checks.too_long(tree) == []


def test_a_picture_is_not_read_as_text(tree: Path) -> None:
    (tree / "film.mp4").write_bytes(b"\xff\xfe FIX" + b"ME \x80")
    assert checks.forbidden_words(tree) == []


def test_a_lock_is_old_as_soon_as_a_dependency_changes(tree: Path) -> None:
    stated = (
        '[project]\nrequires-python = ">=3.11"\ndependencies = ["click"]\n[dependency-groups]\ndev = []\n'
    )
    (tree / "pyproject.toml").write_text(stated, "utf-8")
    (tree / "requirements.lock").write_text(f"{checks.first_line_of_lock(tree)}\nclick==8\n", "utf-8")
    assert checks.old_lock(tree) == []
    (tree / "pyproject.toml").write_text(stated + "\n[tool.ruff]\nline-length = 90\n", "utf-8")
    assert checks.old_lock(tree) == []
    (tree / "pyproject.toml").write_text(stated.replace("click", "click>=8"), "utf-8")
    assert len(checks.old_lock(tree)) == 1


def test_the_lock_pins_every_package_by_hash_and_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    pins = [entry for entry in text.split("\n") if "==" in entry and not entry.startswith((" ", "#"))]
    assert len(pins) > 20
    assert all(pin.endswith("\\") for pin in pins)
    assert "://" not in text
