"""Answers are lost between real processes, and what was asked for is made as often as it was asked for."""

import asyncio
import http.client
import json
import signal
import socket
import struct
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import openai
import pytest

from tests.e2e.conftest import Server, start_server, stop_server
from tests.integration.makers import until

pytestmark = pytest.mark.anyio

VIDEOS = "/api/v1/videos"
SLOW = {"prompt": "rain over a harbour", "model": "procedural-1", "duration": 1}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server that accepts and makes nothing."""
    started = start_server(tmp_path_factory.mktemp("sdk") / "data", "--no-worker")
    yield started
    stop_server(started)


class Wire:
    """Stand between client and server; what is connected can be cut, and answers can be kept back."""

    def __init__(self, server: Server) -> None:
        host, _, port = server.url.removeprefix("http://").partition(":")
        self._far = host, int(port)
        self.url = ""
        self.mute = False
        self.swallowed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset every connection that is open now; new ones are carried."""
        for writer in self._writers:
            end: socket.socket = writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._far)
        ends = {writer, far_writer}
        self._writers |= ends
        with suppress(OSError):
            await asyncio.gather(self._up(reader, far_writer), self._down(far_reader, writer))
        self._writers -= ends
        for end in ends:
            end.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        raise ConnectionResetError

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self.mute:
                self.swallowed.set()
            else:
                writer.write(data)
        raise ConnectionResetError


@asynccontextmanager
async def wire_to(server: Server) -> AsyncGenerator[Wire, None]:
    wire = Wire(server)
    listener = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        wire.cut()
        listener.close()


@asynccontextmanager
async def database_of(server: Server) -> AsyncGenerator[Any, None]:
    entry = json.loads((server.data / "state" / "runtime.json").read_text())
    connection = await asyncpg.connect(
        "postgresql://{user}:{password}@{host}:{port}/{database}".format_map(entry)
    )
    try:
        yield connection
    finally:
        await connection.close()


async def reached(connection: Any, sql: str, value: int) -> None:
    async def check() -> bool:
        return await connection.fetchval(sql) == value

    await until(check)


def send(url: str, server: Server, body: object, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Send one create on a socket of its own."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        given = {**server.headers, "Content-Type": "application/json", **headers}
        connection.request("POST", VIDEOS, json.dumps(body), given)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("stalled", [0, 1.5, 4])
@pytest.mark.parametrize("creates", [1, 4, 16])
async def test_the_sdk_gets_as_many_videos_as_it_asked_for_when_answers_are_lost(
    server: Server, creates: int, stalled: float
) -> None:
    """The database stalls, the network is cut, and the SDK tries again, before or after the commits."""
    async with wire_to(server) as wire, database_of(server) as connection:
        await connection.execute("DELETE FROM counted_creates")
        before = await connection.fetchval("SELECT count(*) FROM videos")
        stall = connection.transaction()
        await stall.start()
        await connection.execute("LOCK TABLE videos IN SHARE MODE")
        async with openai.AsyncOpenAI(base_url=f"{wire.url}/api/v1", api_key=server.key, timeout=30) as sdk:
            asked = [
                asyncio.create_task(sdk.post("/videos", cast_to=dict[str, Any], body=SLOW))
                for _ in range(creates)
            ]
            await reached(connection, "SELECT count(*) FROM counted_creates", creates)
            wire.cut()
            await asyncio.sleep(stalled)
            await stall.rollback()
            made = await asyncio.gather(*asked)
        assert len({video["jobId"] for video in made}) == creates
        assert await connection.fetchval("SELECT count(*) FROM videos") - before == creates
        await reached(connection, "SELECT count(*) FROM counted_creates WHERE state = 'answered'", creates)


async def test_two_hundred_sockets_with_one_key_get_one_video(server: Server) -> None:
    answers = await asyncio.gather(
        *(
            asyncio.to_thread(send, server.url, server, SLOW, **{"Idempotency-Key": "k200"})
            for _ in range(200)
        )
    )
    assert {status for status, _, _ in answers} == {202}
    assert len({body for _, _, body in answers}) == 1
    assert sum("idempotent-replayed" not in headers for _, headers, _ in answers) == 1


async def test_a_server_killed_between_commit_and_answer_gives_the_same_job_afterwards(
    tmp_path: Path,
) -> None:
    server = start_server(tmp_path / "data", "--no-worker")
    marks = [{"Idempotency-Key": "k1"}, {"x-stainless-retry-count": "0"}]
    try:
        async with wire_to(server) as wire:
            wire.mute = True
            lost = [
                asyncio.create_task(asyncio.to_thread(send, wire.url, server, SLOW, **mark)) for mark in marks
            ]
            async with database_of(server) as connection:
                await reached(connection, "SELECT count(*) FROM videos", 2)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(10)
            gone = await asyncio.gather(*lost, return_exceptions=True)
            assert all(isinstance(error, ConnectionError | http.client.HTTPException) for error in gone)
        server = start_server(server.data, "--no-worker")
        async with database_of(server) as connection:
            there = {row["id"] for row in await connection.fetch("SELECT id FROM videos")}
            # The answer may have left before the process died: then the other's mark says so.
            open_ = await connection.fetchval("SELECT count(*) FROM counted_creates WHERE state = 'open'")
        _, headers, body = await asyncio.to_thread(send, server.url, server, SLOW, **marks[0])
        assert (headers["idempotent-replayed"], json.loads(body)["jobId"] in there) == ("true", True)
        _, headers, body = await asyncio.to_thread(
            send, server.url, server, SLOW, **{"x-stainless-retry-count": "1"}
        )
        assert (json.loads(body)["jobId"] in there) == ("idempotent-replayed" in headers) == bool(open_)
    finally:
        stop_server(server)
