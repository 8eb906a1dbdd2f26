"""Turn what was asked into videos that are ready to be stored."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from filmgate.domain.asset import AssetStore
from filmgate.domain.errors import FieldProblem, InvalidRequest, StorageUnavailable
from filmgate.domain.ids import new_id
from filmgate.domain.key import Key
from filmgate.domain.money import FREE, Money
from filmgate.domain.video import Video, VideoStatus
from filmgate.services.asked import AskedVideo
from filmgate.services.forecast import Forecast
from filmgate.services.references import Reference, read_reference
from filmgate.services.routing import Fitted, RoutingService


@dataclass(frozen=True, slots=True)
class _Checked:
    asked: AskedVideo
    fitted: Fitted
    reference: Reference | None


class Acceptance:
    """Check requests and make videos of them; nothing is stored before every one of them is right."""

    def __init__(self, routing: RoutingService, forecast: Forecast, store: AssetStore) -> None:
        self._routing = routing
        self._forecast = forecast
        self._store = store

    async def accept_one(self, key: Key, asked: AskedVideo) -> Video:
        """Return the video, or raise with everything that is wrong with it."""
        return await self._make(key, self._check(asked, None), datetime.now(UTC))

    async def accept_all(
        self, key: Key, rows: Sequence[AskedVideo], batch_id: str, max_cost: Money | None = None
    ) -> list[Video]:
        """Return a video for each row, or raise with everything that is wrong with any of them.

        Together they must not cost more than ``max_cost``.
        """
        checked: list[_Checked] = []
        problems: list[FieldProblem] = []
        for index, asked in enumerate(rows):
            try:
                checked.append(self._check(asked, index))
            except InvalidRequest as error:
                problems.extend(error.problems)
        if problems:
            raise InvalidRequest(problems, _summary(problems, len(rows)))
        _check_total(checked, max_cost)
        now = datetime.now(UTC)
        return [await self._make(key, row, now, (batch_id, index)) for index, row in enumerate(checked)]

    async def accept_line(
        self, key: Key, asked: AskedVideo, place: tuple[str, int], moment: datetime
    ) -> Video:
        """Return the video at one place of a batch, or raise with everything that is wrong with it alone."""
        return await self._make(key, self._check(asked, None), moment, place)

    async def discard(self, videos: Sequence[Video]) -> None:
        """Remove what was stored for videos that were refused after all."""
        for video in videos:
            film = None if video.origin is None else video.origin.film
            for asset in (video.request.input_reference, film):
                if asset is not None:
                    with suppress(StorageUnavailable):
                        await self._store.delete(asset)

    def _check(self, asked: AskedVideo, row: int | None) -> _Checked:
        problems: list[FieldProblem] = []
        fitted: Fitted | None = None
        reference: Reference | None = None
        try:
            fitted = self._routing.fit(asked, row)
        except InvalidRequest as error:
            if row is None and asked.input_reference is None:
                raise
            problems.extend(error.problems)
        if asked.input_reference is not None:
            try:
                reference = read_reference(asked.input_reference, row)
            except InvalidRequest as error:
                problems.extend(error.problems)
        if fitted is None or problems:
            raise InvalidRequest(problems)
        return _Checked(asked, fitted, reference)

    async def _make(
        self, key: Key, checked: _Checked, now: datetime, place: tuple[str, int] | None = None
    ) -> Video:
        asked, fitted = checked.asked, checked.fitted
        video_id = new_id("job")
        request = fitted.request
        if checked.reference is not None:
            asset = f"references/{video_id}.{checked.reference.suffix}"
            await self._keep(asset, checked.reference)
            request = replace(request, input_reference=asset)
        capability = fitted.target.capability
        batch_id, index = place or (None, None)
        return Video(
            id=video_id,
            project=key.project,
            key_id=key.id,
            status=VideoStatus.QUEUED,
            model=fitted.model,
            provider=capability.provider,
            provider_model=capability.model,
            lane=fitted.target.lane,
            request=request,
            requested=_as_asked(asked),
            price=fitted.price,
            created_at=now,
            estimated_at=self._forecast.ready_at(fitted.target, request.seconds, now, index or 0),
            batch_id=batch_id,
            batch_index=index,
            priority=asked.priority,
            webhook_url=asked.webhook_url,
            metadata=asked.metadata,
            adjustments=fitted.adjustments,
            origin=asked.origin,
        )

    async def _keep(self, asset: str, reference: Reference) -> None:
        path = self._store.workspace() / asset.replace("/", "-")
        await asyncio.to_thread(path.write_bytes, reference.data)
        await self._store.put(asset, path)


def _as_asked(asked: AskedVideo) -> dict[str, Any]:
    """Keep what the client wrote, without what it left to us and without image bytes."""
    wrote: dict[str, Any] = {
        "model": asked.model,
        "duration": asked.duration,
        "resolution": asked.resolution,
        "aspect_ratio": asked.aspect_ratio,
        "seed": asked.seed,
        "audio": asked.audio,
        "negativePrompt": asked.negative_prompt,
        "strict": asked.strict or None,
        "sora": asked.sora or None,
        "maxCost": None if asked.max_cost is None else str(asked.max_cost).removeprefix("$"),
    }
    return {name: value for name, value in wrote.items() if value is not None}


def _check_total(checked: Sequence[_Checked], limit: Money | None) -> None:
    total = sum((row.fitted.price for row in checked), FREE)
    if limit is None or total <= limit:
        return
    message = f"These {len(checked):,} videos cost up to {total} together, and maxCost is {limit}."
    mend = f"Raise maxCost to {total}, or ask for fewer, shorter or cheaper videos."
    raise InvalidRequest([FieldProblem("maxCost", message, "too_dear", mend)])


def _summary(problems: Sequence[FieldProblem], total: int) -> str:
    rows = len({problem.row for problem in problems})
    verb = "is" if rows == 1 else "are"
    return f"{rows} of {total} rows {verb} wrong; nothing was accepted and nothing was spent."
