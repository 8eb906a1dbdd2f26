"""Put filmgate together: the one place that knows every part by name."""

from filmgate.app.database import (
    MIGRATIONS,
    Books,
    open_database,
    open_keys,
    open_money,
    open_operating,
    webhook_secret,
)
from filmgate.app.gate import Gate, open_gate
from filmgate.app.projector import open_projector
from filmgate.infrastructure.telemetry import set_up_logging

__all__ = [
    "MIGRATIONS",
    "Books",
    "Gate",
    "open_database",
    "open_gate",
    "open_keys",
    "open_money",
    "open_operating",
    "open_projector",
    "set_up_logging",
    "webhook_secret",
]
