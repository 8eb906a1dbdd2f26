"""Say what this machine lends to the built-in renderer."""

import os
import sys

RENDERER = (sys.executable, "-m", "filmgate.renderer")
RENDERER_MEMORY = 1024**3


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
