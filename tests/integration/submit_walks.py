"""Walk the real services through whatever may happen to a submit, and look at every step what they did."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

from filmgate.domain.attempt import ATTEMPT_TRANSITIONS, LIVE_STATES, AttemptState
from filmgate.domain.errors import (
    OutcomeUnknown,
    RefusalKind,
    Refused,
    Throttled,
    Unavailable,
    VideoAlreadyFinal,
)
from filmgate.domain.key import Key
from filmgate.domain.money import Money
from filmgate.domain.provider import JobState
from filmgate.domain.routing import Capability, Lane, Route, Target
from filmgate.infrastructure.database import Database, Record
from filmgate.infrastructure.storage import LocalStore
from filmgate.providers.catalogue import read_catalogue
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.lanes import LaneRepository
from filmgate.repositories.reroutes import RerouteRepository
from filmgate.repositories.unsettled import UnsettledRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.admission import AdmissionService
from filmgate.services.fallback import FallbackService
from filmgate.services.generation import GenerationService, Sender
from filmgate.services.guarding import SendGuard
from filmgate.services.notices import NoticeService
from filmgate.services.operating import OperatingService
from filmgate.services.pacing import PacingService
from filmgate.services.polling import PollPlan
from filmgate.services.reconciliation import NotSettledYet, ReconciliationService
from filmgate.services.routing import RoutingService
from filmgate.services.videos import VideoService
from filmgate.services.watching import WatchingService
from tests.integration.billing import CURRENT, BilledJob, Billing, Create, Evidence, Gate, Sending
from tests.integration.makers import wait_in_line

Action = tuple[str, Callable[[], Awaitable[object]]]

_OWNER = Key("key_owner", "owner", "project_of_owner", "wner")
_UNCERTAIN = {"sending", "unknown", "parked"}
WORKERS = 2
_SETTLING_ROUNDS = 4
# These end a story early, or take the rest of it out of most of the promises.
_RARE = ("cancel", "crash", "the operator", "watch", "finish", "fail", "lose", "do not reach")
_OFTEN = 4


@dataclass
class Services:
    """The real services, on two vendors of one kind."""

    database: Database
    vendors: dict[str, Billing]
    admission: AdmissionService
    workers: list[GenerationService]
    reconciliation: ReconciliationService
    watching: WatchingService
    notices: NoticeService
    operating: OperatingService
    videos: VideoService


def _nothing() -> None:
    return


def _capability(name: str) -> Capability:
    like = read_catalogue()["embedded", "procedural-1"]
    return replace(like, provider=name, model=f"{name}-1", price=Money(10))


def open_services(
    database: Database, folder: Path, evidence: Evidence, guards: Sequence[SendGuard] = ()
) -> Services:
    """Bring the services up; a refusal of the first vendor's own leads to the second.

    ``guards`` are those of the workers, where they have any.
    """
    vendors = {name: Billing(name, evidence) for name in ("first", "second")}
    table = cast("dict[str, Any]", vendors)
    videos, attempts = VideoRepository(database), AttemptRepository(database)
    lanes, store, plan = LaneRepository(database), LocalStore(folder), PollPlan()
    targets = tuple(Target(name, _capability(name)) for name in vendors)
    fallback = FallbackService(
        RoutingService({"house": Route("house", targets)}, "house"), videos, RerouteRepository(database)
    )
    rest = (fallback, PacingService(lanes))

    def sender(number: int) -> Sender:
        watched = dict.fromkeys(vendors, guards[number]) if guards else {}
        return Sender(f"worker_{number}", _nothing, store, plan, guards=watched)

    return Services(
        database,
        vendors,
        AdmissionService(lanes),
        [GenerationService(videos, attempts, table, sender(n), *rest) for n in range(WORKERS)],
        ReconciliationService(videos, attempts, table, _nothing),
        WatchingService(videos, attempts, table, _nothing, plan),
        NoticeService(table, videos, attempts, lambda *_: True, _nothing),
        OperatingService(attempts, UnsettledRepository(database)),
        VideoService(videos, attempts, cast("Any", None), table, store, _nothing),
    )


def _weight(label: str) -> int:
    return 1 if label.startswith(_RARE) else _OFTEN


async def record_transitions(database: Database) -> None:
    """Have the database itself write down how every attempt changes."""
    await database.execute("CREATE TABLE walked (attempt text, before text, state text)")
    await database.execute(
        """
        CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO walked VALUES (NEW.id, OLD.state, NEW.state);
            RETURN NULL;
        END $$
        """
    )
    await database.execute(
        """
        CREATE TRIGGER walks AFTER UPDATE OF state ON attempts
        FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION write_down()
        """
    )


@dataclass
class SubmitWalk:
    """One walk: videos, the senders under way, and what operators have taken on themselves."""

    services: Services
    videos: list[str] = field(default_factory=list)
    sendings: list[Sending] = field(default_factory=list)
    resent: set[str] = field(default_factory=set)
    abandoned: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    rows: dict[str, Record] = field(default_factory=dict)
    attempts: list[Record] = field(default_factory=list)

    async def start(self, count: int) -> None:
        """Begin with videos that wait, in an empty database."""
        for table in ("walked", "pgqueuer", "attempts", "ledger", "holds", "videos", "lanes"):
            await self._execute(f"DELETE FROM {table}")
        await LaneRepository(self.services.database).ensure([Lane(name, 8) for name in self.services.vendors])
        waiting = await wait_in_line(
            self.services.database,
            count,
            model="house",
            provider="first",
            provider_model="first-1",
            lane="first",
            requested={"duration": 2, "resolution": "640x360"},
        )
        self.videos = [video.id for video in waiting]
        await self._look()

    async def step(self, chance: Random) -> None:
        """Take a step of one of those that can take any."""
        actors = [actions for actions in map(list, self._possible()) if actions]
        actions = chance.choice(actors)
        await self._take_step(*chance.choices(actions, [_weight(name) for name, _ in actions])[0])

    async def take(self, label: str) -> None:
        """Take the first possible step of this name."""
        possible = [one for actions in self._possible() for one in actions if one[0] == label]
        await self._take_step(*possible[0])

    async def _take_step(self, label: str, act: Callable[[], Awaitable[object]]) -> None:
        """Take a step, and check everything."""
        self.log.append(label)
        await act()
        self.sendings = [one for one in self.sendings if one.task is not None and not one.task.done()]
        await self._look()
        await self._check()

    async def settle(self) -> None:
        """Let everything come to its end: senders die, times pass, jobs finish; then nothing may be open."""
        for sending in self.sendings:
            await sending.crash()
        self.sendings = []
        for _ in range(_SETTLING_ROUNDS):
            for video_id in self.videos:
                await self._quiet(video_id)
            await self.services.reconciliation.sweep()
            for attempt in self.attempts:
                if attempt["state"] == "unknown":
                    await self._reconcile(attempt["id"])
            for job in self._jobs():
                if job.state is JobState.PROCESSING:
                    job.state = JobState.SUCCEEDED
            await self._watch()
            await self._look()
            await self._check()
        open_ones = [dict(one) for one in self.attempts if one["state"] in {"sending", "unknown", "accepted"}]
        assert open_ones == []
        for attempt in self.attempts:
            assert attempt["state"] != "parked" or attempt["reason"]

    async def close(self) -> None:
        """Leave no task behind."""
        for sending in self.sendings:
            await sending.crash()

    def _possible(self) -> Iterator[Iterable[Action]]:
        """Yield what each video, attempt, sender, request and job may do next."""
        for number, video_id in enumerate(self.videos):
            yield self._on_video(number, video_id)
        for attempt in self.attempts:
            yield self._on_attempt(attempt)
        for sending in self.sendings:
            yield self._on_sending(sending)
        for vendor in self.services.vendors.values():
            for create in vendor.wire:
                yield self._on_wire(vendor, create)
            for job in vendor.bill:
                yield self._on_job(vendor, job)
        yield [("watch", self._watch)]

    def _on_video(self, number: int, video_id: str) -> Iterator[Action]:
        status = self.rows[video_id]["status"]
        if status in {"queued", "in_progress"}:
            for worker in range(WORKERS if status == "queued" else 1):
                yield f"worker {worker} submits {number}", partial(self._submit, worker, video_id)
            yield f"cancel {number}", partial(self._cancel, video_id)
        if any(one["video_id"] == video_id and one["state"] in _UNCERTAIN for one in self.attempts):
            yield f"the quiet time of {number} passes", partial(self._quiet, video_id)

    def _on_attempt(self, attempt: Record) -> Iterator[Action]:
        attempt_id, video_id = attempt["id"], attempt["video_id"]
        what = f"{attempt['ordinal']} of {self.videos.index(video_id)}"
        if attempt["state"] not in _UNCERTAIN:
            return
        if attempt["state"] == "sending":
            yield f"the lease of {what} expires", partial(self._expire, attempt_id)
            return
        yield f"reconcile {what}", partial(self._reconcile, attempt_id)
        yield f"the operator abandons {what}", partial(self._abandon, attempt_id, video_id)
        yield f"the operator resends {what}", partial(self._resend, attempt_id, video_id)
        for job in self._loose():
            if job.reference == video_id and job.id.startswith(attempt["provider"]):
                adopt = partial(self.services.operating.adopt, attempt_id, job.id)
                yield f"the operator adopts {job.id} for {what}", adopt

    def _on_sending(self, sending: Sending) -> Iterator[Action]:
        what = f"of {self.videos.index(sending.video_id)} {sending.gate}"
        yield f"crash the sender {what}", sending.crash
        if sending.gate is Gate.SENT:
            lost = OutcomeUnknown("no answer in time")
            yield f"time out the sender {what}", partial(sending.go_on, lost)
            if sending.fate is not None:
                yield f"answer the sender {what}", sending.go_on
                yield f"answer and crash the sender {what}", partial(self._answer_and_crash, sending)
        elif sending.gate is Gate.FENCED and sending.dead:
            yield f"wake the sender {what}, cut", partial(sending.go_on, OutcomeUnknown("cut"))
            yield f"wake the sender {what}, held up", partial(sending.go_on, Unavailable("held up"))
        else:
            yield f"let the sender {what} go on", sending.go_on
            if sending.gate is Gate.DOOR:
                yield f"do not reach for {what}", partial(sending.go_on, Unavailable("refused"))

    def _on_wire(self, vendor: Billing, create: Create) -> Iterator[Action]:
        what = f"the create of {self.videos.index(create.reference)}"
        fates: dict[str, Exception] = {
            "refuse": Refused(RefusalKind.PROMPT, "not that"),
            "pass over": Refused(RefusalKind.QUOTA, "no credit"),
            "throttle": Throttled("later", timedelta(0)),
            "fail without a job": OutcomeUnknown("500"),
        }
        yield f"lose {what}", partial(self._fate, vendor, create, None, make=False)
        yield f"make a job of {what}", partial(self._fate, vendor, create, None, make=True)
        failed = OutcomeUnknown("502")
        yield f"make a job of {what}, and answer 5xx", partial(self._fate, vendor, create, failed, make=True)
        for name, fate in fates.items():
            yield f"{name} {what}", partial(self._fate, vendor, create, fate, make=False)

    def _on_job(self, vendor: Billing, job: BilledJob) -> Iterator[Action]:
        if not job.listed:
            yield f"list {job.id}", partial(self._set, job, listed=True)
        if job.state is JobState.PROCESSING:
            yield f"finish {job.id}", partial(self._set, job, state=JobState.SUCCEEDED)
            yield f"fail {job.id}", partial(self._set, job, state=JobState.FAILED)
        body = job.id.encode()
        call = partial(self.services.notices.take, vendor.name, job.reference, "seal", {}, body)
        yield f"call back about {job.id}", call

    async def _submit(self, worker: int, video_id: str) -> None:
        await self._execute("UPDATE videos SET not_before = NULL")
        await self._execute("UPDATE lanes SET paused_until = NULL")
        await self.services.admission.admit()
        sending = Sending(video_id)
        generation = self.services.workers[worker]

        async def run() -> None:
            CURRENT.set(sending)
            await generation.submit(video_id)

        sending.task = asyncio.create_task(run())
        self.sendings.append(sending)
        await sending.settle()

    async def _answer_and_crash(self, sending: Sending) -> None:
        assert sending.held is not None
        sending.held.set_result(None)
        await sending.crash(after=len(self.log) % 8)

    async def _fate(self, vendor: Billing, create: Create, fate: Exception | None, *, make: bool) -> None:
        vendor.wire.remove(create)
        if make:
            job = vendor.make(create)
            create.sender.fate = fate or job.id
        elif fate is not None:
            create.sender.fate = fate

    async def _set(self, job: BilledJob, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(job, name, value)

    async def _cancel(self, video_id: str) -> None:
        try:
            await self.services.videos.cancel(_OWNER, video_id)
        except VideoAlreadyFinal:
            assert self.rows[video_id]["status"] != "queued"

    async def _expire(self, attempt_id: str) -> None:
        await self._execute(
            "UPDATE attempts SET lease_until = now() - interval '1 s' WHERE id = $1", attempt_id
        )
        await self.services.reconciliation.sweep()

    async def _quiet(self, video_id: str) -> None:
        """Let the quiet time of a video's sends pass: nothing of them is under way any more."""
        for vendor in self.services.vendors.values():
            vendor.wire = [one for one in vendor.wire if one.reference != video_id]
            for job in vendor.bill:
                exact = vendor.evidence is Evidence.EXACT
                job.listed = job.listed or (exact and job.reference == video_id)
        for sending in self.sendings:
            sending.dead |= sending.video_id == video_id and sending.gate is Gate.FENCED
        await self._execute(
            """
            UPDATE attempts
            SET lease_until = least(lease_until, now() - interval '1 s'), quiet_at = now() - interval '1 s'
            WHERE video_id = $1
            """,
            video_id,
        )

    async def _reconcile(self, attempt_id: str) -> None:
        try:
            await self.services.reconciliation.reconcile(attempt_id)
        except NotSettledYet:
            return

    async def _abandon(self, attempt_id: str, video_id: str) -> None:
        self.abandoned.add(video_id)
        await self.services.operating.abandon(attempt_id, Money(0))

    async def _resend(self, attempt_id: str, video_id: str) -> None:
        self.resent.add(video_id)
        await self.services.operating.resend(attempt_id)

    async def _watch(self) -> None:
        await self._execute("UPDATE attempts SET next_poll_at = now() WHERE state = 'accepted'")
        await self.services.watching.watch()

    async def _execute(self, sql: str, *values: Any) -> None:
        await self.services.database.execute(cast("Any", sql), *values)

    async def _look(self) -> None:
        rows = await self.services.database.fetch("SELECT id, status, error FROM videos")
        self.rows = {row["id"]: row for row in rows}
        self.attempts = list(
            await self.services.database.fetch(
                """
                SELECT id, video_id, ordinal, provider, account, state, provider_job_id, reason
                FROM attempts ORDER BY video_id, ordinal
                """
            )
        )

    def _jobs(self) -> list[BilledJob]:
        return [job for vendor in self.services.vendors.values() for job in vendor.bill]

    def _loose(self) -> list[BilledJob]:
        bound = {one["provider_job_id"] for one in self.attempts}
        return [job for job in self._jobs() if job.id not in bound]

    async def _check(self) -> None:
        self._paid_once()
        self._bound_once()
        self._nothing_forgotten()
        await self._as_the_table_says()

    def _paid_once(self) -> None:
        """S1, whatever vendor made it."""
        paid = Counter(job.reference for job in self._jobs())
        assert [name for name, count in paid.items() if count > 1 and name not in self.resent] == []

    def _bound_once(self) -> None:
        """S2, and one live attempt a video."""
        bound = Counter(one["provider_job_id"] for one in self.attempts if one["provider_job_id"])
        assert [name for name, count in bound.items() if count > 1] == []
        live = Counter(one["video_id"] for one in self.attempts if AttemptState(one["state"]) in LIVE_STATES)
        assert [name for name, count in live.items() if count > 1] == []

    def _nothing_forgotten(self) -> None:
        """S3: a job is bound, or may still be; and what has failed is not being made."""
        by_word = self.resent | self.abandoned
        for video_id, row in self.rows.items():
            if video_id in by_word:
                continue
            states = {one["state"] for one in self.attempts if one["video_id"] == video_id}
            loose = [job.id for job in self._loose() if job.reference == video_id]
            assert not loose or states & _UNCERTAIN
            assert row["status"] != "failed" or not states & (_UNCERTAIN | {"accepted", "succeeded"})

    async def _as_the_table_says(self) -> None:
        walked: Sequence[Record] = await self.services.database.fetch("SELECT before, state FROM walked")
        for one in walked:
            assert AttemptState(one["state"]) in ATTEMPT_TRANSITIONS[AttemptState(one["before"])]
