"""Speak the vendors' wires, one file each."""
