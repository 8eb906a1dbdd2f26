"""Render the films asked for on standard input, one JSON object per line."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import av.logging

from filmgate.renderer.film import render
from filmgate.renderer.request import RenderError, RenderRequest

_PAUSE = 0.125


class _Child:
    """Serve requests one after another and know which file is unfinished."""

    def __init__(self) -> None:
        self._part: Path | None = None

    def serve(self, line: str) -> None:
        """Answer one request line."""
        try:
            asked = json.loads(line)
            output = Path(asked.pop("output"))
            request = RenderRequest(**asked)
            self._part = output.with_name(output.name + ".part")
            render(request, output, self._reporter(request.frames))
            self._say({"done": True, "bytes": output.stat().st_size})
        except RenderError as error:
            self._say({"error": str(error), "kind": error.kind})
        except Exception as error:  # noqa: BLE001 - the child answers every line, whatever went wrong
            self._say({"error": f"The built-in renderer failed: {error!r}", "kind": "internal"})
        finally:
            self._part = None

    def _reporter(self, frames: int) -> Callable[[int], None]:
        """Make a callback that writes progress at most eight times a second."""
        last = 0.0

        def report(done: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done == frames or now - last >= _PAUSE:
                last = now
                self._say({"frames_done": done, "frames": frames})

        return report

    def _say(self, message: dict[str, object]) -> None:
        try:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()
        except OSError:
            # Nobody listens any more: the parent died, so the film has no owner.
            self.leave()

    def leave(self, *_: object) -> NoReturn:
        """End at once, leaving no unfinished file."""
        if self._part is not None:
            self._part.unlink(missing_ok=True)
        os._exit(1)


def main() -> None:
    """Serve requests until standard input ends."""
    av.logging.set_level(av.logging.PANIC)
    child = _Child()
    signal.signal(signal.SIGTERM, child.leave)
    for line in sys.stdin:
        if line.strip():
            child.serve(line)


if __name__ == "__main__":
    main()
