"""Listen on a port, and on request refuse connections, or close them as soon as they are made."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web


class _Closing(asyncio.Protocol):
    """Close a connection before anything is read from it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        cast("asyncio.Transport", transport).abort()


@dataclass(slots=True)
class Listener:
    """Serve an application on one port that can be shut for a while."""

    application: web.Application
    grace: float
    port: int = 0
    _host: str = ""
    _closing_until: float = 0.0
    _runner: web.AppRunner | None = None
    _server: asyncio.Server | None = None
    _reopening: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def open(self, host: str, port: int) -> None:
        """Begin to listen."""
        runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=self.grace)
        await runner.setup()
        self._runner, self._host = runner, host
        await self._listen(port)

    async def stop(self) -> None:
        """Stop for good."""
        for task in (tasks := list(self._reopening)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def refuse(self, seconds: float, spared: object = None) -> None:
        """Close the port, cut every connection but one, and listen again after this time."""
        if self._server is None or self._runner is None or self._runner.server is None:
            return
        self._server.close()
        self._server = None
        for connection in self._runner.server.connections:
            if connection is not spared:
                connection.force_close()
        task = asyncio.create_task(self._reopen(seconds))
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    def close_on_accept(self, seconds: float, spared: object = None) -> None:
        """Close every new connection for this time before anything is read."""
        self._closing_until = asyncio.get_running_loop().time() + seconds

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen(self.port)

    async def _listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self._host, port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> asyncio.BaseProtocol:
        if asyncio.get_running_loop().time() < self._closing_until:
            return _Closing()
        server = self._runner and self._runner.server
        return server() if server is not None else _Closing()
