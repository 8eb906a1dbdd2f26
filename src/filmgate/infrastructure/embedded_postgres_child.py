"""Run a PostgreSQL program as a child that does not outlive this process."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filmgate.infrastructure import embedded_postgres_launcher

_TICK = 0.01
_SAID_LIMIT = 2000
# Fast shutdown writes a checkpoint; immediate shutdown leaves it to the recovery of the next start.
_ENDING = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
# English messages and no search through the time zones of the system, whatever the operator's locale is.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
# Never through a link that somebody put in place of the log.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Account:
    """Name the user a program runs as; -1 keeps the present one."""

    uid: int = -1
    gid: int = -1


@dataclass(frozen=True, slots=True)
class Child:
    """Hold a running program and where its words go."""

    process: subprocess.Popen[bytes]
    log: Path
    log_start: int

    @property
    def alive(self) -> bool:
        """Tell whether the program still runs."""
        return self.process.poll() is None

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    def said(self) -> str:
        """Return the last words of the program."""
        with self.log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self.log_start, end - _SAID_LIMIT))
            return file.read().decode(errors="replace").strip()

    async def exited(self, patience: float) -> bool:
        """Wait for the end of the program, at most `patience` seconds."""
        deadline = time.monotonic() + patience
        while self.alive:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_TICK)
        return True

    async def end(self) -> None:
        """Stop the program, ever less politely."""
        for number, patience in _ENDING:
            self.process.send_signal(number)
            if await self.exited(patience):
                return


def launch(
    command: Sequence[str | Path],
    *,
    account: Account,
    needed: Path,
    log: Path,
    words: bytes = b"",
    keep_open: tuple[int, ...] = (),
) -> Child:
    """Start `command` through the launcher; call it in a thread that lives as long as the child shall.

    The kernel ties the child to the calling *thread*, so this must never move to a worker thread. `needed` is
    the folder the program must reach, `words` its standard input, `keep_open` the descriptors it inherits.
    """
    launcher = (sys.executable, "-I", "-S", embedded_postgres_launcher.__file__)
    user = (str(os.getpid()), str(account.uid), str(account.gid))
    reader, writer = os.pipe()
    try:
        os.write(writer, words)
        with os.fdopen(os.open(log, _APPEND, 0o600), "ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our launcher and the operator's own programs
                [*launcher, *user, needed, *command],
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=output,
                cwd="/",
                env=_ENVIRONMENT,
                pass_fds=keep_open,
                # A Ctrl-C in the terminal is for filmgate, which stops its server last.
                start_new_session=True,
            )
            return Child(process, log, output.tell())
    finally:
        os.close(reader)
        os.close(writer)
