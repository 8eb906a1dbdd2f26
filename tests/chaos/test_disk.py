"""The disk is full: what can wait waits, what fails says why, and room mends everything.

As root the folder of films is a small filesystem of its own. Without root no filesystem can be mounted, so
there the folder refuses to be written to instead, which takes the same way through the code.
"""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.processes import Member, World, until

SIZE = 8 * 1024 * 1024


class FullDisk:
    """A folder that can be filled up, and emptied again."""

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self.folder = folder
        self.word = "No space left" if mounted else "Permission denied"
        self._mounted = mounted
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        if not self._mounted:
            for folder in (self.folder / ".work", self.folder):
                folder.chmod(0o500)
            return
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    def free(self) -> None:
        if self._mounted:
            self._ballast.unlink(missing_ok=True)
            return
        for folder in (self.folder, self.folder / ".work"):
            folder.chmod(0o700)


@contextmanager
def full_disk(folder: Path) -> Generator[FullDisk, None, None]:
    (folder / ".work").mkdir(parents=True)
    mounted = os.geteuid() == 0 and mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))
    disk = FullDisk(folder, mounted=mounted)
    try:
        yield disk
    finally:
        disk.free()
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(world: World) -> Generator[FullDisk, None, None]:
    with full_disk(world.data / "assets") as made:
        yield made


def test_a_full_disk_is_told_waited_out_and_forgotten(world: World, disk: FullDisk) -> None:
    server = world.serve()
    assert completes(server, server.create())
    disk.fill()
    part = until(lambda: storage_trouble(server), 10, "/ready to tell")
    assert disk.word in part["detail"]
    video_id = server.create()
    until(lambda: world.value("SELECT max(attempts) FROM pgqueuer") > 1, 30, "a third try")
    # A full disk is never taken for a film that kills its renderer.
    assert world.value("SELECT max(tries) FROM renders") <= 1
    answer = server.ask("GET", f"/api/v1/videos/{video_id}")
    assert (answer.status, answer.body["status"]) == (200, "processing")
    disk.free()
    assert server.ask("GET", "/ready").status == 200
    assert completes(server, server.create())
    assert completes(server, video_id)
    assert server.process.poll() is None
    assert "request_failed" not in server.said()


def storage_trouble(server: Member) -> dict[str, str]:
    answer = server.ask("GET", "/ready")
    if answer.status != 503:
        return {}
    return answer.body["parts"]["storage"]


def completes(server: Member, video_id: str) -> bool:
    def ended() -> str:
        body = server.ask("GET", f"/api/v1/videos/{video_id}").body
        return body["status"] if body["status"] in {"completed", "failed"} else ""

    return until(ended, 60, f"{video_id} to end") == "completed"
