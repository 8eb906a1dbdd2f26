"""Prove on real processes that no accepted video is lost and none is paid for twice."""
