"""Say what the twin spoils, and how often."""

from collections.abc import Iterator
from typing import Any

from bench.proof.orders import VENDORS

# Share of all requests of that kind; the answers to creates first, then what befalls jobs and films.
_CREATES = {
    "lost-after-accept": 0.03,
    "lost-before-accept": 0.02,
    "drop-before-reading": 0.005,
    "rate-limited": 0.01,
    "error-before": 0.01,
    "error-after": 0.02,
    "html": 0.01,
    "truncated-json": 0.01,
    "empty-answer": 0.005,
    "without-id": 0.01,
    "moderated-before": 0.01,
    "slow-headers": 0.02,
    "dropped-created-late": 0.01,
}
_JOBS = {
    "stuck": 0.005,
    "failed": 0.02,
    "failed-without-reason": 0.005,
    "moderated-after": 0.01,
    "unknown-status": 0.03,
    "progress-backwards": 0.02,
    "long-queue": 0.02,
    "url-expired": 0.02,
    "url-forbidden": 0.005,
    "media-cut": 0.02,
    "length-short": 0.005,
    "length-long": 0.005,
    "film-truncated": 0.005,
    "film-html": 0.01,
    "webhook-repeated": 0.05,
    "webhook-forged": 0.03,
    "webhook-early": 0.03,
    "webhook-none": 0.05,
    "webhook-unknown-id": 0.02,
    "list-lag": 0.05,
}
_OTHERS = {
    ("rate-limited", "poll"): 0.01,
    ("error-before", "poll"): 0.02,
    ("html", "poll"): 0.01,
    ("lost-before-accept", "poll"): 0.01,
    ("error-before", "list"): 0.05,
    ("truncated-json", "list"): 0.02,
    ("error-before", "cancel"): 0.05,
}
_WITH = {"long-queue": {"seconds": 60.0}, "list-lag": {"seconds": 4.0}, "webhook-repeated": {"times_sent": 3}}
# The adapters take these vendors' silence on 429 for a long rest: minutes, which no proof has.
_LONG_REST = frozenset({"runway"})
_SILENT = 0.003
ENDLESS = frozenset({"stuck", "never-ends"})
# Whatever is fetched is refused or never whole: it is asked for again for an hour and more.
UNREACHABLE = frozenset({"url-forbidden", "length-long"})


def rules() -> Iterator[dict[str, Any]]:
    """Yield the twin's rules."""
    for fault, share in {**_CREATES, **_JOBS}.items():
        yield {"fault": fault, "probability": share, **_WITH.get(fault, {})}
    for (fault, operation), share in _OTHERS.items():
        yield {"fault": fault, "operation": operation, "probability": share}
    for vendor in VENDORS:
        if vendor.name not in _LONG_REST:
            yield {"fault": "rate-limited-silent", "vendor": vendor.name, "probability": _SILENT}


def as_toml() -> str:
    """Return the rules as the twin's file of them."""
    return "\n".join(
        "\n".join(["[[fault]]", *(f"{name} = {_written(value)}" for name, value in rule.items()), ""])
        for rule in rules()
    )


def _written(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
