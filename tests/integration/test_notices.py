"""A callback binds a lost job only when the vendor, asked with our own key, shows that job as ours."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from filmgate.domain.attempt import AttemptState
from filmgate.domain.errors import OutcomeUnknown, ServiceUnavailable, Unauthenticated
from filmgate.domain.ids import new_id
from filmgate.domain.provider import Order
from filmgate.infrastructure.database import Database
from filmgate.providers.task_api import is_sealed
from filmgate.repositories.attempts import AttemptRepository, Intent
from filmgate.repositories.videos import VideoRepository
from filmgate.services.notices import NoticeService
from tests.contract.providers import CASES, Bench, Case, bench
from tests.contract.test_callbacks import Received, receiving
from tests.integration.makers import attempts_of, open_lane, state_of, until, wait_in_line

pytestmark = pytest.mark.anyio

KEY = "key-of-ours"
calling = pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name in {"fal", "replicate", "gemini", "ark"}],
    ids=lambda case: case.name,
)


@dataclass
class Desk:
    """A vendor that calls back, the callbacks it sent, and the service that takes them."""

    at: Bench
    database: Database
    attempts: AttemptRepository
    notices: NoticeService
    received: Received

    async def lose(self, prompt: str) -> tuple[str, str, str]:
        """Send a video whose answer is lost; return the ids of video, attempt and job."""
        video_id, attempt_id = await self.intend(prompt)
        before = len(self.at.judge.ledger(created="true"))
        with pytest.raises(OutcomeUnknown):
            await self.at.submit(self.order(video_id, f"{prompt} [twin:lost-after-accept]"))
        await self.attempts.lose(attempt_id, "the answer was lost")
        entry = self.at.judge.ledger(created="true")[before]
        return video_id, attempt_id, entry["job"]

    async def intend(self, prompt: str) -> tuple[str, str]:
        name, model = self.at.case.name, self.at.case.model
        await open_lane(self.database, name=name)
        asked = self.at.order(f"{prompt} [twin:lost-after-accept]").request
        (video,) = await wait_in_line(
            self.database, provider=name, provider_model=model, lane=name, request=asked
        )
        await self.database.execute("UPDATE videos SET admitted_at = now() WHERE id = $1", video.id)
        attempt_id = new_id("att")
        minute = timedelta(minutes=1)
        intent = Intent(attempt_id, video.id, name, model, name, b"", "worker_1", minute, minute)
        assert await self.attempts.begin(intent)
        return video.id, attempt_id

    def order(self, video_id: str, prompt: str) -> Order:
        return self.at.order(prompt, reference=video_id)

    async def called_back(self, video_id: str) -> tuple[str, dict[str, str], bytes]:
        """Return the seal, the headers and the body of the last callback about a video."""

        def about_it() -> Received:
            return [one for one in self.received if f"/{video_id}?" in one[0]]

        await until(lambda: len(about_it()) >= self.expected)
        path, headers, body = about_it()[-1]
        return parse_qs(urlsplit(path).query)["seal"][0], headers, body

    @property
    def expected(self) -> int:
        """How many callbacks a job has: the last one tells that it has ended."""
        return 2 if self.at.case.name in {"ark", "replicate"} else 1

    async def take(self, video_id: str, seal: str, headers: dict[str, str], body: bytes) -> None:
        await self.notices.take(self.at.case.name, video_id, seal, headers, body)

    async def job_of(self, video_id: str) -> str | None:
        (attempt,) = await attempts_of(self.database, video_id)
        return attempt["provider_job_id"]


@asynccontextmanager
async def open_desk(database: Database, case: Case) -> AsyncGenerator[Desk, None]:
    async with receiving() as (url, received), bench(case, key=KEY, callback_url=url) as at:
        account = case.account(at.judge, KEY, url)
        attempts = AttemptRepository(database)
        notices = NoticeService(
            cast("Any", {case.name: at.provider}),
            VideoRepository(database),
            attempts,
            lambda _name, reference, seal: is_sealed(account, reference, seal),
            lambda: None,
        )
        yield Desk(at, database, attempts, notices, received)


@calling
async def test_a_true_callback_binds_the_job_whose_answer_was_lost(database: Database, case: Case) -> None:
    async with open_desk(database, case) as desk:
        video_id, attempt_id, job_id = await desk.lose("A kite")
        await desk.take(video_id, *await desk.called_back(video_id))
        assert await state_of(database, attempt_id) is AttemptState.ACCEPTED
        assert await desk.job_of(video_id) == job_id
        assert desk.at.posts() == 1


@calling
async def test_a_sealed_callback_that_names_another_job_of_ours_binds_nothing(
    database: Database, case: Case
) -> None:
    async with open_desk(database, case) as desk:
        video_id, attempt_id, _ = await desk.lose("A kite")
        other_id, _, _ = await desk.lose("A boat")
        seal, _, _ = await desk.called_back(video_id)
        _, headers, body = await desk.called_back(other_id)
        await desk.take(video_id, seal, headers, body)
        assert await state_of(database, attempt_id) is AttemptState.UNKNOWN
        assert await desk.job_of(video_id) is None


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name in {"replicate", "gemini", "ark"}],
    ids=lambda case: case.name,
)
async def test_a_sealed_callback_about_a_job_that_our_account_does_not_have_binds_nothing(
    database: Database, case: Case
) -> None:
    async with open_desk(database, case) as desk:
        video_id, attempt_id, _ = await desk.lose("A kite [twin:webhook-unknown-id]")
        await desk.take(video_id, *await desk.called_back(video_id))
        assert await state_of(database, attempt_id) is AttemptState.UNKNOWN
        assert await desk.job_of(video_id) is None


async def test_a_signed_callback_of_another_account_at_fal_binds_nothing(database: Database) -> None:
    (case,) = [case for case in CASES if case.name == "fal"]
    async with open_desk(database, case) as desk:
        video_id, attempt_id, job_id = await desk.lose("A kite")
        seal, headers, body = await desk.called_back(video_id)
        # fal signs what any of its users has it call: to our key, their request is not there.
        desk.at.judge.twin.world.of("fal").named(job_id).deleted = True  # type: ignore[union-attr] - it is there
        await desk.take(video_id, seal, headers, body)
        assert await state_of(database, attempt_id) is AttemptState.UNKNOWN


@calling
async def test_while_the_vendor_cannot_be_asked_it_is_told_to_call_again(
    database: Database, case: Case
) -> None:
    async with open_desk(database, case) as desk:
        video_id, attempt_id, _ = await desk.lose("A kite")
        callback = await desk.called_back(video_id)
        rule = desk.at.judge.fault("error-before", operation="poll", vendor=case.twin)
        with pytest.raises(ServiceUnavailable):
            await desk.take(video_id, *callback)
        assert await state_of(database, attempt_id) is AttemptState.UNKNOWN
        del desk.at.judge.twin.world.faults.rules[rule]
        await desk.take(video_id, *callback)
        assert await state_of(database, attempt_id) is AttemptState.ACCEPTED


@calling
async def test_a_callback_without_our_seal_or_about_another_vendors_attempt_binds_nothing(
    database: Database, case: Case
) -> None:
    async with open_desk(database, case) as desk:
        video_id, attempt_id, _ = await desk.lose("A kite")
        seal, headers, body = await desk.called_back(video_id)
        await desk.take(video_id, seal[::-1], headers, body)
        assert await state_of(database, attempt_id) is AttemptState.UNKNOWN
        await database.execute("UPDATE attempts SET provider = 'elsewhere' WHERE id = $1", attempt_id)
        await desk.take(video_id, seal, headers, body)
        assert await state_of(database, attempt_id) is AttemptState.UNKNOWN


async def test_a_callback_that_is_not_signed_is_refused(database: Database) -> None:
    (case,) = [case for case in CASES if case.name == "replicate"]
    async with open_desk(database, case) as desk:
        video_id, _, _ = await desk.lose("A kite")
        seal, headers, body = await desk.called_back(video_id)
        with pytest.raises(Unauthenticated):
            await desk.take(video_id, seal, {**headers, "webhook-signature": "v1,AAAA"}, body)


async def test_fal_is_asked_again_while_its_history_does_not_show_the_request(database: Database) -> None:
    (case,) = [case for case in CASES if case.name == "fal"]
    async with open_desk(database, case) as desk:
        video_id, attempt_id, job_id = await desk.lose("A kite")
        callback = await desk.called_back(video_id)
        job = desk.at.judge.twin.world.of("fal").named(job_id)
        assert job is not None
        order, job.order = job.order, replace(job.order, model="fal-ai/veo3.1/extend")
        with pytest.raises(ServiceUnavailable, match="does not list"):
            await desk.take(video_id, *callback)
        assert await state_of(database, attempt_id) is AttemptState.UNKNOWN
        job.order = order
        await desk.take(video_id, *callback)
        assert await state_of(database, attempt_id) is AttemptState.ACCEPTED
