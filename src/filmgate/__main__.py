"""Run the command line with ``python -m filmgate``."""

from filmgate.cli import main

main()
