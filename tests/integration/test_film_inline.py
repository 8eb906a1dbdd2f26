"""A film may come inside a vendor's answer: as large as the vendor makes it, and no larger."""

import base64
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from filmgate.domain.provider import JobState, ProviderJob
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.http import WireTrouble
from filmgate.providers import fal, gemini
from filmgate.providers.task_api import Account
from tests.integration.vendors import Handler, served

pytestmark = pytest.mark.anyio

MIB = 1024**2
JOB = ProviderJob("interactions-1", "gemini-omni-1.2-flash", "vid_1", datetime(2026, 11, 1, tzinfo=UTC))


def answering(film: bytes) -> Handler:
    part = {"type": "video", "mime_type": "video/mp4", "data": base64.b64encode(film).decode()}
    document = {"status": "completed", "steps": [{"type": "model_output", "content": [part]}]}

    async def handle(_: web.Request) -> web.Response:
        return web.json_response(document)

    return handle


async def test_a_film_of_four_megabytes_inside_an_interaction_is_seen_and_taken(tmp_path: Path) -> None:
    film = random.Random(7).randbytes(4 * MIB)
    async with served(answering(film)) as url:
        provider = gemini.connect(Account(url, "key"), AddressGuard())
        told = (await provider.poll([JOB]))[JOB.id]
        await provider.download(JOB, tmp_path / "film.mp4")
        await provider.close()
    assert told.state is JobState.SUCCEEDED
    assert (tmp_path / "film.mp4").read_bytes() == film


async def test_a_larger_answer_is_not_read_to_its_end(tmp_path: Path) -> None:
    async with served(answering(bytes(7 * MIB))) as url:
        provider = gemini.connect(Account(url, "key"), AddressGuard())
        with pytest.raises(WireTrouble, match="longer than 8388608 bytes"):
            await provider.download(JOB, tmp_path / "film.mp4")
        await provider.close()
    assert not (tmp_path / "film.mp4").exists()


async def test_nobody_else_may_send_so_much(tmp_path: Path) -> None:
    async with served(answering(bytes(4 * MIB))) as url:
        provider = fal.connect(Account(url, "key"), AddressGuard())
        with pytest.raises(WireTrouble, match="longer than 4194304 bytes"):
            await provider.download(JOB, tmp_path / "film.mp4")
        await provider.close()
