"""Put filmgate together: the one place that knows every part by name."""

from filmgate.app.adopting import open_adoption
from filmgate.app.database import (
    MIGRATIONS,
    Books,
    open_database,
    open_keys,
    open_money,
    open_operating,
    open_recovery,
    webhook_secret,
)
from filmgate.app.gate import Gate, open_gate
from filmgate.app.probing import open_probing
from filmgate.app.projector import open_projector
from filmgate.infrastructure.telemetry import set_up_logging

__all__ = [
    "MIGRATIONS",
    "Books",
    "Gate",
    "open_adoption",
    "open_database",
    "open_gate",
    "open_keys",
    "open_money",
    "open_operating",
    "open_probing",
    "open_projector",
    "open_recovery",
    "set_up_logging",
    "webhook_secret",
]
