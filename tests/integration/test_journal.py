"""What is noted of a send is on disk before the call returns, and is read whoever wrote it."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from filmgate.domain.errors import StorageUnavailable
from filmgate.infrastructure import journal
from filmgate.infrastructure.journal import SendJournal, Sent

pytestmark = pytest.mark.anyio

NOON = datetime.now(UTC).replace(microsecond=0)


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.log")
    return path


def a_send(name: str, at: datetime = NOON) -> Sent:
    return Sent(f"att_{name}", f"job_{name}", "fal", "fal", "fal-ai/veo3.1", at)


async def test_a_send_is_read_back_with_what_became_of_it(tmp_path: Path) -> None:
    written = SendJournal(tmp_path / "sends", "worker_1")
    for number, name in enumerate(("made", "nothing", "open")):
        await written.sent(a_send(name, NOON + timedelta(seconds=number)))
    await written.made("att_made", 'a job "with" odd\nletters ü')
    await written.made_nothing("att_nothing")
    made, nothing, left = await SendJournal(tmp_path / "sends", "worker_2").read()
    assert (made.attempt_id, made.job_id) == ("att_made", 'a job "with" odd\nletters ü')
    assert (nothing.nothing, nothing.job_id) == (True, None)
    assert left == a_send("open", NOON + timedelta(seconds=2))


async def test_the_files_of_all_processes_are_read_in_the_order_of_the_sends(tmp_path: Path) -> None:
    for number, name in enumerate("cab"):
        await SendJournal(tmp_path, f"worker_{name}").sent(a_send(name, NOON - timedelta(minutes=number)))
    assert [sent.attempt_id for sent in await SendJournal(tmp_path, "new").read()] == [
        "att_b",
        "att_a",
        "att_c",
    ]


async def test_sends_that_arrive_together_share_a_write_and_each_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(journal.os, "fsync", fsync)
    written = SendJournal(tmp_path, "worker_1")
    await asyncio.gather(*(written.sent(a_send(str(number))) for number in range(200)))
    assert len(await written.read()) == 200
    assert 1 <= len(synced) <= 10


async def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    written = SendJournal(tmp_path, "worker_1")
    await written.sent(a_send("before"))
    with only_file(tmp_path).open("ab") as file:
        file.write(b'["S",17')
    await written.sent(a_send("after"))
    assert {sent.attempt_id for sent in await written.read()} == {"att_before", "att_after"}


async def test_sends_older_than_a_week_are_left_out_and_their_files_deleted(tmp_path: Path) -> None:
    written = SendJournal(tmp_path, "worker_1")
    await written.sent(a_send("old", NOON - timedelta(days=8)))
    await written.sent(a_send("young", NOON - timedelta(days=6)))
    assert [sent.attempt_id for sent in await written.read()] == ["att_young"]
    path = only_file(tmp_path)
    await written.prune()
    assert path.exists()
    past = (NOON - timedelta(days=7, hours=1)).timestamp()
    os.utime(path, (past, past))
    await written.prune()
    assert not path.exists()


async def test_the_mark_is_made_once_and_stays(tmp_path: Path) -> None:
    marks = await asyncio.gather(*(SendJournal(tmp_path / "a", str(n)).mark() for n in range(8)))
    assert len(set(marks)) == 1
    assert await SendJournal(tmp_path / "b", "x").mark() != marks[0]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mark"]


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "sends").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="The journal of sends cannot be used"):
        await SendJournal(tmp_path / "sends", "worker_1").sent(a_send("one"))


async def test_bytes_that_a_crash_left_in_place_of_a_line_hide_nothing(tmp_path: Path) -> None:
    written = SendJournal(tmp_path, "worker_1")
    await written.sent(a_send("before"))
    with only_file(tmp_path).open("ab") as file:
        file.write(b'\n["S",1.0,"\xff\xfe\x80"]\n\x00\x00\x00\n["S"')
    await written.sent(a_send("after", NOON + timedelta(seconds=1)))
    assert [sent.attempt_id for sent in await written.read()] == ["att_before", "att_after"]
