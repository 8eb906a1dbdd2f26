"""Speak HTTP: take requests apart, call a service, put its answer into words."""
