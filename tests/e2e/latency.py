"""Measure two gateways side by side, request by request, so that both meet the same busy moments."""

import http.client
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit


class Line:
    """One connection to a gateway that stays open."""

    def __init__(self, url: str, key: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def timed(self, method: str, path: str, body: object, wanted: int) -> tuple[float, dict[str, str]]:
        """Send one request and return how many milliseconds the answer took, and what it says."""
        data = None if body is None else json.dumps(body)
        began = time.perf_counter()
        self._connection.request(method, path, data, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        took = (time.perf_counter() - began) * 1000
        assert answer.status == wanted, (answer.status, text)
        return took, json.loads(text)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@dataclass
class Pairs:
    """What the same requests took at the one gateway and at the other, in milliseconds."""

    one: list[float] = field(default_factory=list[float])
    other: list[float] = field(default_factory=list[float])

    @property
    def ratio(self) -> float:
        """How much longer they took at the other one, by the medians."""
        return statistics.median(self.other) / statistics.median(self.one)

    def __str__(self) -> str:
        """Return medians and 95th percentiles."""
        told = [f"{statistics.median(side):.2f} / {p95(side):.2f} ms" for side in (self.one, self.other)]
        return f"{told[0]} against {told[1]}, ratio {self.ratio:.2f}"


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return sorted(values)[int(len(values) * 0.95)]


def side_by_side(
    one: Line, other: Line, orders: tuple[object, object], pairs: int, *, creates: Pairs, reads: Pairs
) -> list[tuple[str, str]]:
    """Create and read that often at both, taking turns in going first; return the ids of both."""
    made: list[tuple[str, str]] = []
    for number in range(pairs):
        sides = [(one, orders[0], creates.one, reads.one), (other, orders[1], creates.other, reads.other)]
        ids: dict[Line, str] = {}
        for line, order, creating, reading in sides if number % 2 else reversed(sides):
            took, video = line.timed("POST", "/api/v1/videos", order, 202)
            creating.append(took)
            ids[line] = video["jobId"]
            took, _ = line.timed("GET", f"/api/v1/videos/{video['jobId']}", None, 200)
            reading.append(took)
        made.append((ids[one], ids[other]))
    return made
