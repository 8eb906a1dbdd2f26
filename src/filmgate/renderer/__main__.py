"""Render the films asked for on standard input, one JSON object per line."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import av.logging

from filmgate.renderer.film import render
from filmgate.renderer.request import RenderError, RenderRequest

_PAUSE = 0.125


class _Reporter:
    """Write progress at most eight times a second."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._last = 0.0

    def __call__(self, done: int) -> None:
        """Report the frames done so far, unless it was just done."""
        now = time.monotonic()
        if done == self._frames or now - self._last >= _PAUSE:
            self._last = now
            _say({"frames_done": done, "frames": self._frames})


def _say(message: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except OSError:
        # Nobody listens any more: the parent died, so the film has no owner.
        _leave()


_part: Path | None = None


def _leave(*_: object) -> NoReturn:
    if _part is not None:
        _part.unlink(missing_ok=True)
    os._exit(1)


def _serve(line: str) -> None:
    global _part
    try:
        asked = json.loads(line)
        output = Path(asked.pop("output"))
        request = RenderRequest(**asked)
        _part = output.with_name(output.name + ".part")
        render(request, output, _Reporter(request.frames))
        _say({"done": True, "bytes": output.stat().st_size})
    except RenderError as error:
        _say({"error": str(error), "kind": error.kind})
    except Exception as error:  # noqa: BLE001 - the child answers every line, whatever went wrong
        _say({"error": f"The built-in renderer failed: {error!r}", "kind": "internal"})
    finally:
        _part = None


def main() -> None:
    """Serve requests until standard input ends."""
    av.logging.set_level(av.logging.PANIC)
    signal.signal(signal.SIGTERM, _leave)
    for line in sys.stdin:
        if line.strip():
            _serve(line)


if __name__ == "__main__":
    main()
