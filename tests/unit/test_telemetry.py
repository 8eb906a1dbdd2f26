"""Lines of the log: gathered by the turn of the loop, never lost, whole from any thread."""

import asyncio
import io
from threading import Thread

from filmgate.infrastructure.telemetry import Sheaf


class Counted(io.BytesIO):
    """Count how often something is written."""

    writes = 0

    def write(self, data: object, /) -> int:
        self.writes += 1
        return super().write(data)  # pyright: ignore[reportArgumentType]


def test_outside_of_a_loop_each_line_is_written_at_once() -> None:
    file = Counted()
    sheaf = Sheaf(file)
    sheaf.add(b"one")
    assert file.getvalue() == b"one\n"
    sheaf.add(b"two")
    assert (file.getvalue(), file.writes) == (b"one\ntwo\n", 2)


def test_the_lines_of_one_turn_are_written_together_before_the_loop_waits() -> None:
    file = Counted()
    sheaf = Sheaf(file)

    async def turn() -> None:
        for number in range(100):
            sheaf.add(b"%d" % number)
        assert file.getvalue() == b""
        await asyncio.sleep(0)
        assert file.writes == 1

    asyncio.run(turn())
    assert file.getvalue().split() == [b"%d" % number for number in range(100)]


def test_a_loop_that_closed_before_it_wrote_holds_nothing_back() -> None:
    file = Counted()
    sheaf = Sheaf(file)
    loop = asyncio.new_event_loop()

    async def stop() -> None:
        sheaf.add(b"last words")
        loop.stop()

    stopping = loop.create_task(stop())
    loop.run_forever()
    assert stopping.done()
    loop.close()
    sheaf.add(b"after")
    assert file.getvalue() == b"last words\nafter\n"


def test_many_threads_write_every_line_once_and_whole() -> None:
    file = io.BytesIO()
    sheaf = Sheaf(file)

    def write(thread: int) -> None:
        for number in range(500):
            sheaf.add(b"%d-%d" % (thread, number))

    threads = [Thread(target=write, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sheaf.flush()
    wanted = {b"%d-%d" % (thread, number) for thread in range(8) for number in range(500)}
    lines = file.getvalue().split()
    assert (len(lines), set(lines)) == (len(wanted), wanted)
