"""Ask for videos as a careful client does: each request has a key, and is repeated until it is answered."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from bench.proof.orders import order
from tests.chaos.processes import KEY

_TIMEOUT = 20
_GIVE_UP_SECONDS = 150
_PAUSE = 0.3
_THREADS = 2
_BATCH = 25
_IN_BATCHES = 0.8


@dataclass(slots=True)
class Asked:
    """What was asked and what was promised: number of the video -> its id."""

    promised: dict[int, str] = field(default_factory=dict[int, str])
    tries: int = 0
    unanswered: int = 0
    refused: list[str] = field(default_factory=list[str])
    contradicted: list[str] = field(default_factory=list[str])


def ask(url: str, method: str, path: str, body: object = None, key: str = "") -> tuple[int, dict[str, Any]]:
    """Send one request; status 0 is no answer."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {}
    except (OSError, ValueError):
        return 0, {}


class Asking:
    """Ask for so many videos in batches and one by one, from two threads, over a while."""

    def __init__(self, urls: list[str], videos: int, seed: int, seconds: float) -> None:
        self._urls = urls
        self._seed = seed
        self.asked = Asked()
        self._lock = threading.Lock()
        chance = random.Random(f"{seed} asking")
        self._work = list(_portions(videos))
        chance.shuffle(self._work)
        self._pause = seconds * _THREADS / max(1, len(self._work))
        self._chance = chance
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(_THREADS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def done(self) -> bool:
        """Tell whether everything was asked."""
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._work:
                    return
                numbers = self._work.pop()
                pause = self._pause * self._chance.uniform(0.2, 1.8)
                first = self._chance.randrange(len(self._urls))
            self._insist(numbers, first)
            time.sleep(pause)

    def _insist(self, numbers: list[int], first: int) -> None:
        """Repeat one create with its key until it is answered, at either gateway."""
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        single = len(numbers) == 1
        films = [order(number, self._seed) for number in numbers]
        path = "/api/v1/videos" if single else "/api/v1/videos/batch"
        body: object = films[0] if single else {"videos": films}
        key = f"proof-{self._seed}-{numbers[0]}-{len(numbers)}"
        turn = first
        while time.monotonic() < deadline:
            status, answer = ask(self._urls[turn % len(self._urls)], "POST", path, body, key)
            self.asked.tries += 1
            if status == 202:
                ids = [answer["jobId"]] if single else [job["jobId"] for job in answer["jobs"]]
                self._promise(numbers, ids)
                if self._chance.random() < 0.1:  # as if the answer had been lost: the same must come again
                    self._again(numbers, (path, body, key))
                return
            if status and status < 500 and status not in {409, 429}:
                self.asked.refused.append(f"{numbers[0]}: {status} {str(answer)[:300]}")
                return
            self.asked.unanswered += status == 0
            turn += 1
            time.sleep(_PAUSE)
        self.asked.refused.append(f"{numbers[0]}: no answer in {_GIVE_UP_SECONDS} s")

    def _again(self, numbers: list[int], request: tuple[str, object, str]) -> None:
        path, body, key = request
        status, answer = ask(self._urls[0], "POST", path, body, key)
        self.asked.tries += 1
        if status == 202:
            ids = [job["jobId"] for job in answer["jobs"]] if "jobs" in answer else [answer["jobId"]]
            self._promise(numbers, ids)

    def _promise(self, numbers: list[int], ids: list[str]) -> None:
        for number, video in zip(numbers, ids, strict=True):
            if self.asked.promised.setdefault(number, video) != video:
                self.asked.contradicted.append(f"film {number}: {self.asked.promised[number]} and {video}")


def _portions(videos: int) -> "list[list[int]]":
    batched = int(videos * _IN_BATCHES)
    batches = [list(range(start, min(start + _BATCH, batched))) for start in range(0, batched, _BATCH)]
    return batches + [[number] for number in range(batched, videos)]
