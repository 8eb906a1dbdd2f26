"""Measure filmgate, and beside it, in the same run, what it is compared with."""
