"""Bring home films that were ordered elsewhere: a provider's job becomes a video, and costs nothing here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.domain.ids import new_id
from filmgate.domain.key import DEFAULT_PROJECT, ROOT_KEY_ID
from filmgate.domain.money import FREE
from filmgate.domain.provider import JobState, Provider, ProviderJob
from filmgate.domain.routing import Capability
from filmgate.domain.video import Video, VideoRequest, VideoStatus
from filmgate.repositories.adoptions import AdoptionRepository

_log = structlog.get_logger(__name__)
_FORESEEN = timedelta(minutes=1)
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class AskedAdoption:
    """A provider's job, and what was asked of it; ``model`` may be left out where the provider has one."""

    provider: str
    job_id: str
    seconds: float
    model: str | None = None
    size: str | None = None
    prompt: str = ""
    project: str = DEFAULT_PROJECT


class AdoptionService:
    """Hold the verb that adopts."""

    def __init__(
        self,
        table: Mapping[str, Provider],
        capabilities: Sequence[Capability],
        adoptions: AdoptionRepository,
    ) -> None:
        self._table = table
        self._capabilities = capabilities
        self._adoptions = adoptions

    async def adopt(self, asked: AskedAdoption) -> Video:
        """Keep a video that is under way as this job: a worker follows it and stores its film.

        The provider is asked first whether it knows the job. Nothing is created there and nothing is held.
        """
        able = self._capability(asked)
        holder = await self._adoptions.holder(asked.provider, asked.job_id)
        if holder is not None:
            raise _taken(holder)
        video = _video(asked, able)
        await self._look(asked, able, video.id)
        if not await self._adoptions.insert(video, new_id("att"), asked.job_id):
            raise _taken("another video")
        _log.warning("job_adopted", video=video.id, provider=asked.provider, provider_job=asked.job_id)
        return video

    def _capability(self, asked: AskedAdoption) -> Capability:
        if asked.provider not in self._table:
            known = ", ".join(sorted(self._table)) or "none"
            message = f"{asked.provider[:_SHOWN]} is not set up."
            raise _refused("provider", message, f"Set it up first. Set up: {known}.")
        models = [able for able in self._capabilities if able.provider == asked.provider]
        found = [able for able in models if asked.model in {None, able.model}]
        if len(found) != 1:
            names = ", ".join(able.model for able in models)
            message = f"{asked.provider} has several models." if found else f"There is no {asked.model}."
            raise _refused("model", message, f"Give the model of the job: {names}.")
        return found[0]

    async def _look(self, asked: AskedAdoption, able: Capability, reference: str) -> None:
        job = ProviderJob(asked.job_id, able.model, reference, datetime.now(UTC))
        progress = (await self._table[asked.provider].poll([job])).get(asked.job_id)
        if progress is None:
            message = f"{asked.provider} does not show a job {asked.job_id[:_SHOWN]}, or could not be asked."
            raise _refused("job_id", message, "Check the id, the model and the key.")
        if progress.state in {JobState.FAILED, JobState.CANCELLED}:
            message = f"This job has no film: {progress.reason or progress.state.value}."
            raise _refused("job_id", message, "There is nothing to bring home.")


def _video(asked: AskedAdoption, able: Capability) -> Video:
    now = datetime.now(UTC)
    width, height = _size(asked.size) if asked.size is not None else able.sizes[0]
    return Video(
        id=new_id("job"),
        project=asked.project,
        key_id=ROOT_KEY_ID,
        status=VideoStatus.IN_PROGRESS,
        model=able.model,
        provider=asked.provider,
        provider_model=able.model,
        lane=asked.provider,
        request=VideoRequest(asked.prompt or "(adopted)", _seconds(asked.seconds), width, height, seed=0),
        requested={"duration": asked.seconds},
        price=FREE,
        created_at=now,
        estimated_at=now + _FORESEEN,
        adjustments=(f"adopted: ordered elsewhere as {asked.provider} job {asked.job_id}",),
    )


def _seconds(seconds: float) -> float:
    if not 0 < seconds <= 600:
        raise _refused("seconds", f"{seconds:g} s is no length of a film.", "Give what was asked for.")
    return seconds


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        raise _refused("size", f"{text[:_SHOWN]} is no size.", "Write it as 1280x720.")
    return int(width), int(height)


def _taken(holder: str) -> InvalidRequest:
    return _refused("job_id", f"This job belongs to {holder} already.", "Look at that one.")


def _refused(field: str, message: str, mend: str) -> InvalidRequest:
    return InvalidRequest([FieldProblem(field, message, suggestion=mend)])
