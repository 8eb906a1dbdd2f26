"""Stand between an SDK and the gateway, and lose the answer to one of its creates."""

import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

_END_OF_FORM = b"--\r\n"


class Cutter:
    """A TCP proxy that hangs up on both sides as soon as a marked form has reached the gateway whole.

    The gateway has the request by then and carries it out, but there is nobody left to answer.
    """

    def __init__(self, far: tuple[str, int], marks: tuple[bytes, ...]) -> None:
        self._far = far
        self._left = set(marks)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.lost: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _carry(self, near: socket.socket) -> None:
        far = socket.create_connection(self._far)
        threading.Thread(target=_copy, args=(far, near), daemon=True).start()
        seen = bytearray()
        with suppress(OSError):
            while data := near.recv(65_536):
                seen += data
                far.sendall(data)
                if self._loses(bytes(seen)):
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
        # The gateway is hung up on politely: what has been sent to it shall arrive.
        with suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)
        far.close()
        near.close()

    def _loses(self, asked: bytes) -> bool:
        with self._lock:
            mark = next((mark for mark in self._left if mark in asked), None)
            if mark is None or not asked.endswith(_END_OF_FORM):
                return False
            self._left.discard(mark)
            self.lost.append(mark)
            return True


@contextmanager
def cutter_to(url: str, *marks: bytes) -> Generator[Cutter, None, None]:
    """Lend a proxy that loses the answer to the first form with each mark in it."""
    host, _, port = url.removeprefix("http://").partition(":")
    cutter = Cutter((host, int(port)), marks)
    threading.Thread(target=cutter.run, daemon=True).start()
    try:
        yield cutter
    finally:
        cutter.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
