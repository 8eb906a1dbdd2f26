"""Speak OpenAI's wire: `/v1`, as the unmodified SDKs use it."""
