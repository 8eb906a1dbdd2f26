"""A job that came to nothing is charged, or is not, only where its vendor says so; else nobody knows."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from filmgate.domain.errors import RefusalKind
from filmgate.domain.money import Money
from filmgate.domain.provider import CancelOutcome, JobState, Progress, ProviderJob
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.answers import Answer
from filmgate.providers import openai_wire
from filmgate.providers.ark import ArkWire
from filmgate.providers.fal import FalWire
from filmgate.providers.gemini import GeminiWire
from filmgate.providers.openai_wire import OpenAIWire
from filmgate.providers.replicate import ReplicateWire
from filmgate.providers.runway import RunwayWire
from filmgate.providers.task_api import Account

ACCOUNT = Account("https://vendor.example/v1", "key")
JOB = ProviderJob("job-1", "fal-ai/veo3.1", "vid_1", datetime(2026, 11, 1, tzinfo=UTC))


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, msgspec.json.encode(body))


def told(wire: Any, body: Any) -> Progress:
    progress = wire.progress(answer(body), JOB)
    assert progress is not None
    return progress


def detail(kind: str) -> dict[str, Any]:
    return {"detail": [{"loc": ["body"], "msg": "It did not work.", "type": kind}]}


@pytest.mark.parametrize(
    ("body", "status", "headers", "charged"),
    [
        (detail("internal_server_error"), 500, {}, False),
        (detail("downstream_service_unavailable"), 502, {}, False),
        (detail("generation_timeout"), 504, {}, False),
        ({"detail": "timed out"}, 504, {"X-Fal-Request-Timeout-Type": "user"}, False),
        (detail("content_policy_violation"), 422, {}, None),
        (detail("image_load_error"), 422, {}, None),
    ],
)
def test_fal_bills_no_failure_of_its_own_servers(
    body: Any, status: int, headers: dict[str, str], charged: bool | None
) -> None:
    given = {**headers, "X-Fal-Error-Type": "request_timeout"} if headers else {}
    progress = FalWire(ACCOUNT).outcome(Answer(status, given, msgspec.json.encode(body)), JOB)
    assert progress is not None
    assert (progress.state, progress.charged) == (JobState.FAILED, charged)


@pytest.mark.parametrize(
    ("word", "charged"), [("internal_server_error", False), ("face_detection_error", None)]
)
def test_fal_says_it_in_the_status_too(word: str, charged: bool | None) -> None:
    body = {"status": "COMPLETED", "error": "It did not work.", "error_type": word}
    assert told(FalWire(ACCOUNT), body).charged is charged


@pytest.mark.parametrize(
    ("body", "code", "charged"),
    [
        ({"status": "completed", "steps": []}, RefusalKind.OUTPUT, False),
        (
            {"status": "failed", "error": {"message": "blocked by the safety filter"}},
            RefusalKind.OUTPUT,
            False,
        ),
        ({"status": "failed", "error": {"message": "internal"}}, None, None),
        ({"status": "budget_exceeded"}, RefusalKind.QUOTA, None),
    ],
    ids=["withheld", "blocked", "failed", "budget"],
)
def test_google_does_not_charge_for_what_it_holds_back(
    body: Any, code: RefusalKind | None, charged: bool | None
) -> None:
    progress = told(GeminiWire(ACCOUNT), body)
    assert (progress.state, progress.code, progress.charged) == (JobState.FAILED, code, charged)


def test_runways_own_figure_is_what_counts() -> None:
    failed = told(RunwayWire(ACCOUNT), {"status": "FAILED", "failure": "no", "cost": {"credits": 12}})
    assert failed.cost == Money.parse("0.12")
    assert told(RunwayWire(ACCOUNT), {"status": "FAILED", "failure": "no"}).charged is None


@pytest.mark.parametrize(
    ("body", "charged"),
    [
        ({"status": "failed", "error": {"code": "InternalServiceError", "message": "no"}}, None),
        ({"status": "expired"}, None),
        ({"status": "succeeded", "content": {}}, True),
    ],
    ids=["failed", "expired", "no film"],
)
def test_ark_charges_for_what_it_calls_done(body: Any, charged: bool | None) -> None:
    progress = told(ArkWire(ACCOUNT), body)
    assert (progress.state, progress.charged) == (JobState.FAILED, charged)


@pytest.mark.parametrize(
    ("body", "charged"),
    [
        ({"status": "failed", "error": "no"}, None),
        ({"status": "aborted"}, False),
        ({"status": "canceled", "started_at": None}, False),
        ({"status": "canceled", "started_at": "2026-11-22T10:00:00Z"}, True),
    ],
    ids=["failed", "aborted", "waiting", "running"],
)
def test_replicate_charges_for_time(body: Any, charged: bool | None) -> None:
    assert told(ReplicateWire(ACCOUNT), body).charged is charged


@pytest.mark.parametrize(
    ("dialect", "charged"), [("vllm", False), ("sglang", False), ("openai", None), ("litellm", None)]
)
def test_ones_own_gpu_charges_for_nothing(dialect: str, charged: bool | None) -> None:
    wire = OpenAIWire(Account("http://gpu.example/v1", None, dialect=dialect))
    body = {"id": "video_1", "status": "failed", "error": {"message": "out of memory"}}
    assert told(wire, body).charged is charged
    assert wire.cancelled(answer({})).charged is charged


@pytest.mark.anyio
@pytest.mark.parametrize(("dialect", "charged"), [("sglang", False), ("openai", True), ("litellm", True)])
async def test_what_cannot_be_stopped_is_made_and_charged_unless_it_is_ones_own(
    dialect: str, charged: bool
) -> None:
    provider = openai_wire.connect(Account("http://gpu.example/v1", None, dialect=dialect), AddressGuard())
    assert await provider.cancel(JOB) == CancelOutcome(stopped=False, charged=charged)
    await provider.close()
