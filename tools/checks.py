"""The checks that no linter has: length of files, words that may not be published, the age of the lock."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

LONGEST_FILE = 500
LONG_FILE = 350
CODE = {".py", ".js", ".css", ".html", ".sql", ".sh"}
NOT_OURS = (".git", "vendor")
FORBIDDEN = {
    "the address of a package registry": re.compile(
        r"\b(pypi|pythonhosted|npmjs|(deb|security|ftp)\.debian)\.(org|com)\b"
    ),
    "a path of one machine": re.compile(r"(?<![\w.*-])/(root|work|farm)/"),
    "a note to do later": re.compile(r"\b(T[O]DO|F[I]XME|X{3})\b"),
}


def our_files(root: Path) -> Iterator[Path]:
    """Yield the checkout's own files, whether git is there or not: all but vendored and ignored ones."""
    listed = (root / ".gitignore").read_text("utf-8").splitlines()
    skipped = [*NOT_OURS, *(line.strip().rstrip("/") for line in listed)]

    def is_ours(name: str) -> bool:
        return not any(fnmatch.fnmatch(name, pattern) for pattern in skipped)

    for folder, folders, names in os.walk(root):
        folders[:] = sorted(filter(is_ours, folders))
        yield from (Path(folder) / name for name in sorted(filter(is_ours, names)))


def lengths(root: Path) -> dict[str, int]:
    """Return the number of lines of every file of code."""
    code = (path for path in our_files(root) if path.suffix in CODE)
    return {path.relative_to(root).as_posix(): len(path.read_bytes().splitlines()) for path in code}


def too_long(root: Path) -> list[str]:
    """Name the files of code that have grown past the limit."""
    return [
        f"{name}: {n} lines, at most {LONGEST_FILE}" for name, n in lengths(root).items() if n > LONGEST_FILE
    ]


def nearly_too_long(root: Path) -> list[str]:
    """Name the files of code that should be split before they reach the limit."""
    return [f"{name}: {n} lines" for name, n in lengths(root).items() if LONG_FILE < n <= LONGEST_FILE]


def forbidden_words(root: Path) -> list[str]:
    """Name every line with something that may not be published."""
    wrong: list[str] = []
    for path in our_files(root):
        with contextlib.suppress(UnicodeDecodeError):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                found = (what for what, pattern in FORBIDDEN.items() if pattern.search(line))
                wrong += [f"{path.relative_to(root).as_posix()}:{number}: {what}" for what in found]
    return wrong


def first_line_of_lock(root: Path) -> str:
    """Return the first line that a lock made from today's pyproject.toml has."""
    stated = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    inputs = [
        stated["project"]["requires-python"],
        stated["project"]["dependencies"],
        stated["dependency-groups"],
    ]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return f"# Made by `python3 dev.py lock` from the dependencies in pyproject.toml, digest {digest[:16]}"


def old_lock(root: Path) -> list[str]:
    """Tell, without a network, when the lock was made from other dependencies than today's."""
    if (root / "requirements.lock").read_text("utf-8").split("\n", 1)[0] == first_line_of_lock(root):
        return []
    return [
        "requirements.lock was made from other dependencies than pyproject.toml: run `python3 dev.py lock`"
    ]
