"""Run work in long-lived child processes that speak JSON lines.

A child reads one request per line and answers each with any number of progress
messages and one final message, `{"done": true, ...}` or `{"error": "...", "kind": "..."}`.

    ChildError
    ├── ChildFailed      the child lives and says why it cannot
    ├── ChildDied        the child ended, or was ended, before its final message
    └── ChildPoolClosed  the pool takes no requests any more
"""

import asyncio
import os
import site
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from filmgate.domain.errors import FilmgateError

LINE_LIMIT: Final = 1024 * 1024
_STDERR_TAIL: Final = 2048
_NICENESS: Final = 5
_LAST_WORDS: Final = 1.0

# a child decodes files from strangers: it gets what Python needs and none of the gateway's secrets
_INHERITED: Final = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR", "TZ")
_INHERITED_PREFIXES: Final = ("LC_", "PYTHON")
_SINGLE_THREADED: Final = (
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

Message = dict[str, object]


class ChildError(FilmgateError):
    """A child process did not do what it was asked."""


class ChildFailed(ChildError):
    """The child lives and says why it cannot."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind: Final = kind


class ChildDied(ChildError):
    """The child ended, or was ended, before its final message."""

    def __init__(self, exit_code: int, stderr: str) -> None:
        cause = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        super().__init__(f"the child process ended with {cause}: {stderr.strip() or 'no last words'}")
        self.exit_code: Final = exit_code
        self.stderr: Final = stderr


class ChildPoolClosed(ChildError):
    """The pool takes no requests any more."""


class ChildPool:
    """Share a few child processes among many requests, first come, first served."""

    def __init__(
        self,
        argv: Sequence[str],
        size: int,
        *,
        env: Mapping[str, str] | None = None,
        memory_limit: int | None = None,
        requests_per_child: int = 100,
    ) -> None:
        self._argv = tuple(argv)
        self._env = _environment(env or {})
        self._memory_limit = memory_limit
        self._requests_per_child = requests_per_child
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Child] = []
        self._alive: set[_Child] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(
        self,
        request: Mapping[str, object],
        on_message: Callable[[Message], None] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it starts when a child is free, not at the call
    ) -> Message:
        """Hand a request to the next free child and return its final message.

        `timeout` counts from the moment a child is free. A child whose request is
        cancelled, times out or breaks the protocol is killed before this returns.
        """
        line = msgspec.json.encode(request) + b"\n"
        if len(line) > LINE_LIMIT:
            raise ChildFailed(f"the request is longer than {LINE_LIMIT} bytes", "protocol")
        async with self._free:
            child = await self._take()
            healthy = False
            try:
                async with asyncio.timeout(timeout):
                    answer = await child.exchange(line, on_message)
                healthy = True
            finally:
                if not healthy:
                    await self._end(child, 0)
                elif self._closed or child.served >= self._requests_per_child:
                    # it has nothing to do, so it leaves at its own pace and nobody waits
                    self._begin_end(child, _LAST_WORDS)
                else:
                    self._idle.append(child)
        return _checked(answer)

    async def close(self, grace: float = 2.0) -> None:
        """Let running requests finish for `grace` seconds, then end every child."""
        self._closed = True
        self._idle.clear()
        for child in tuple(self._alive):
            self._begin_end(child, grace)
        # every slot, so that no request is left that could still start or hold a child
        for _ in range(self._size):
            await self._free.acquire()
        while self._endings:
            await asyncio.gather(*self._endings)
        for _ in range(self._size):
            self._free.release()

    async def _take(self) -> "_Child":
        while not self._closed:
            child = self._idle.pop() if self._idle else await self._start()
            if child.process.returncode is None and not self._closed:
                return child
            await self._end(child, 0)
        raise ChildPoolClosed("the pool of child processes is closed")

    async def _start(self) -> "_Child":
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._env,
            limit=LINE_LIMIT,
            # out of the terminal's group: Ctrl-C is for the parent, which then closes the pool
            start_new_session=True,
        )
        _restrain(process.pid, self._memory_limit)
        child = _Child(process)
        self._alive.add(child)
        return child

    async def _end(self, child: "_Child", grace: float) -> None:
        # shielded: the process must be gone even if the caller is cancelled twice
        await asyncio.shield(self._begin_end(child, grace))

    def _begin_end(self, child: "_Child", grace: float) -> "asyncio.Task[None]":
        if not grace:
            child.kill()
        task = asyncio.create_task(self._reap(child, grace))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task

    async def _reap(self, child: "_Child", grace: float) -> None:
        await child.end(grace)
        self._alive.discard(child)


@dataclass(eq=False, slots=True)
class _Child:
    """Own one process, its pipes and the last words on its stderr."""

    process: asyncio.subprocess.Process
    served: int = 0
    _stderr: bytes = b""
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _listener: "asyncio.Task[None]" = field(init=False)

    def __post_init__(self) -> None:
        self._listener = asyncio.create_task(self._listen())

    async def exchange(self, line: bytes, on_message: Callable[[Message], None] | None) -> Message:
        self.served += 1
        async with self._reading:
            return await self._converse(line, on_message)

    async def _converse(self, line: bytes, on_message: Callable[[Message], None] | None) -> Message:
        # a child that is gone is found when reading, with its exit code
        with suppress(BrokenPipeError, ConnectionResetError):
            self._stdin.write(line)
            await self._stdin.drain()
        while True:
            message = await self._receive()
            if "done" in message or "error" in message:
                return message
            if on_message is not None:
                on_message(message)

    async def end(self, grace: float) -> None:
        self._stdin.close()
        if grace and not await self._gone_within(grace):
            with suppress(ProcessLookupError):
                self.process.terminate()
            await self._gone_within(_LAST_WORDS)
        self.kill()
        await self.process.wait()
        await self._last_words()
        # a pipe that is not read to its end stays open
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS), self._reading:
                await self._discard()

    def kill(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()

    async def _receive(self) -> Message:
        assert self.process.stdout is not None
        try:
            line = await self.process.stdout.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise await self._death() from None
        except asyncio.LimitOverrunError:
            raise ChildFailed(f"the answer is longer than {LINE_LIMIT} bytes", "protocol") from None
        try:
            return msgspec.json.decode(line, type=Message)
        except msgspec.DecodeError:
            raise ChildFailed(f"the answer is not a JSON object: {line[:80]!r}", "protocol") from None

    async def _death(self) -> ChildDied:
        # it closed its stdout; if it lives on without one it is of no use
        if not await self._gone_within(_LAST_WORDS):
            self.kill()
        exit_code = await self.process.wait()
        await self._last_words()
        return ChildDied(exit_code, self._stderr.decode(errors="replace"))

    async def _gone_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.process.wait()
        return self.process.returncode is not None

    async def _last_words(self) -> None:
        # bounded: a grandchild may hold the pipe open
        await asyncio.wait({self._listener}, timeout=_LAST_WORDS)

    async def _discard(self) -> None:
        assert self.process.stdout is not None
        while await self.process.stdout.read(LINE_LIMIT):
            pass

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(_STDERR_TAIL):
            self._stderr = (self._stderr + chunk)[-_STDERR_TAIL:]

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self.process.stdin is not None
        return self.process.stdin


def _checked(answer: Message) -> Message:
    if "error" in answer:
        raise ChildFailed(str(answer["error"]), str(answer.get("kind", "unknown")))
    return answer


def _restrain(pid: int, memory_limit: int | None) -> None:
    # from outside, because code between fork and exec is not safe in a process with threads
    with suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
    if memory_limit is not None and sys.platform == "linux":
        import resource  # noqa: PLC0415 - this module does not exist everywhere

        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (memory_limit, memory_limit))


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    env |= dict.fromkeys(_SINGLE_THREADED, "1")
    # glibc reserves 64 MB of address space per arena, which an address space limit counts
    env["MALLOC_ARENA_MAX"] = "2"
    # the directory somebody happens to start in must not shadow modules
    env["PYTHONSAFEPATH"] = "1"
    root = str(Path(__file__).resolve().parents[2])
    if root not in site.getsitepackages():
        inherited = env.get("PYTHONPATH", "").split(os.pathsep)
        env["PYTHONPATH"] = os.pathsep.join(
            [root, *(entry for entry in inherited if entry not in {"", root})]
        )
    return env | dict(extra)
