"""Ask for videos without pause, and keep every answer."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from tests.chaos.processes import Answer, Member

_ORDER = {"prompt": "a wave", "model": "procedural-1"}
_AGAIN_SECONDS = 0.2


class Hammer:
    """Create videos from several threads; ``pause`` is how long each rests between two."""

    def __init__(self, server: Member, threads: int = 3, *, pause: float = 0) -> None:
        self._server = server
        self._pause = pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._create, daemon=True) for _ in range(threads)]
        self.answers: list[tuple[float, Answer]] = []
        self.seconds: list[float] = []

    @contextmanager
    def swinging(self) -> Generator[None, None, None]:
        """Create for as long as the block lasts."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(40)

    @property
    def accepted(self) -> list[str]:
        return [answer.body["jobId"] for _, answer in self.answers if answer.status == 202]

    @property
    def refused(self) -> list[Answer]:
        return [answer for _, answer in self.answers if answer.status == 503]

    def accepted_since(self, moment: float) -> float:
        """Return when the first create after a moment was accepted, or 0.0."""
        return next((when for when, answer in self.answers if when > moment and answer.status == 202), 0.0)

    def check_refusals(self) -> list[Answer]:
        """Return those that may have been accepted: they, and only they, are not to be sent again blindly."""
        odd = [answer for _, answer in self.answers if answer.status not in {202, 503}]
        assert odd == []
        unknown = [answer for answer in self.refused if answer.body["error"]["code"] == "acceptance_unknown"]
        assert all(("retry-after" in answer.headers) == (answer not in unknown) for answer in self.refused)
        return unknown

    def _create(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            answer = self._server.ask("POST", "/api/v1/videos", _ORDER)
            self.seconds.append(time.monotonic() - began)
            self.answers.append((time.monotonic(), answer))
            time.sleep(self._pause)


class Insister:
    """Create one video after another, each with a key, and send each again until it is accepted."""

    def __init__(self, server: Member) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._insist, daemon=True)
        self.accepted: dict[str, str] = {}
        self.sent = 0

    @contextmanager
    def insisting(self) -> Generator[None, None, None]:
        """Go on for as long as the block lasts, and then until the last one is accepted."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(40)

    def _insist(self) -> None:
        while not self._stop.is_set():
            name = f"insistent-{len(self.accepted)}"
            while (answer := self._send(name)).status != 202:
                assert answer.status in {409, 503}, answer
                time.sleep(_AGAIN_SECONDS)
            self.accepted[name] = answer.body["jobId"]

    def _send(self, name: str) -> Answer:
        self.sent += 1
        order = {**_ORDER, "metadata": {"name": name}}
        return self._server.ask("POST", "/api/v1/videos", order, Idempotency_Key=name)
