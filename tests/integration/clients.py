"""Stand in for clients that go away, and for the network between filmgate and PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Heard:
    """What a client has heard before it went away."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    @property
    def job(self) -> str:
        return json.loads(self.body)["jobId"]

    @property
    def replayed(self) -> bool:
        return self.headers.get("idempotent-replayed") == "true"


async def post(
    app: Any,
    path: str,
    headers: Mapping[str, str],
    body: object,
    *,
    leaves: str | asyncio.Event | None = None,
) -> Heard:
    """Send a request; the client may leave at the "start" or in the "middle" of the answer, or when told."""
    data = json.dumps(body).encode()
    gone = leaves if isinstance(leaves, asyncio.Event) else asyncio.Event()
    heard, asked = Heard(), False
    given = {"host": "gate.test", "content-type": "application/json", "content-length": str(len(data))}

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": data, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if leaves == "start" or (leaves == "middle" and message["type"] == "http.response.body"):
            gone.set()
        if gone.is_set():
            return
        if message["type"] == "http.response.start":
            heard.status = message["status"]
            heard.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            heard.body += message["body"]
            heard.complete = heard.complete or not message.get("more_body", False)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in {**given, **headers}.items()],
        "server": ("gate.test", 80),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    return heard


class Wire:
    """A TCP proxy: it can cut what is connected, refuse what is new, and cut at a certain word."""

    def __init__(self) -> None:
        self.port = 0
        self.open = True
        self.fatal: bytes | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End all connections and take no new ones."""
        self.open = False
        for writer in self._writers:
            writer.transport.abort()

    async def carry(
        self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self.open:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(host, port)
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, far_writer):
                self._writers.discard(end)
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            fatal = self.fatal is not None and self.fatal in data
            if self.open:
                writer.write(data)
                await writer.drain()
            if fatal:
                # It arrives and is done, but its answer comes no more.
                self.open = False
                await asyncio.sleep(0.1)
                self.cut()
        raise ConnectionResetError


@asynccontextmanager
async def wire_to(dsn: str) -> AsyncGenerator[tuple[Wire, str], None]:
    """Lend a wire to a PostgreSQL, and the DSN that leads through it."""
    wire, address = Wire(), urlsplit(dsn)
    host, port = address.hostname or "127.0.0.1", address.port or 5432

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire.carry(host, port, reader, writer)

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    credentials = address.netloc.rpartition("@")[0]
    try:
        yield wire, address._replace(netloc=f"{credentials}@127.0.0.1:{wire.port}").geturl()
    finally:
        wire.cut()
        server.close()
