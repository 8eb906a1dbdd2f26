"""Speak OpenAI's wire in tests: forms as the SDKs send them, small films, and waiting for them."""

from io import BytesIO
from typing import Any

import httpx2
from PIL import Image

from tests.integration.makers import until

VIDEOS = "/v1/videos"
OURS = "/api/v1/videos"
KEYS = [
    "id",
    "object",
    "model",
    "status",
    "progress",
    "created_at",
    "completed_at",
    "expires_at",
    "prompt",
    "size",
    "seconds",
    "remixed_from_video_id",
    "error",
]
TINY = {"prompt": "a lake", "model": "procedural-1", "seconds": "1", "size": "360x640"}
NOWHERE = "job_01m81yg0dp1nyzs5x1mbqn4c4j"


def picture(kind: str = "PNG") -> bytes:
    sink = BytesIO()
    Image.new("RGB", (64, 64), (200, 80, 40)).save(sink, kind)
    return sink.getvalue()


def form(**fields: str) -> dict[str, tuple[None, str]]:
    """Return fields as the SDKs send them: a multipart form even without a file."""
    return {name: (None, text) for name, text in fields.items()}


async def create(api: httpx2.AsyncClient, key: dict[str, str], **asked: Any) -> dict[str, Any]:
    answer = await api.post(VIDEOS, json={"prompt": "a lake", **asked}, headers=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def finished(api: httpx2.AsyncClient, key: dict[str, str], video_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}

    async def ended() -> bool:
        shown.update((await api.get(f"{VIDEOS}/{video_id}", headers=key)).json())
        return shown["status"] in {"completed", "failed"}

    await until(ended, seconds=60)
    return shown


async def ours(api: httpx2.AsyncClient, key: dict[str, str], video_id: str) -> dict[str, Any]:
    return (await api.get(f"{OURS}/{video_id}", headers=key)).json()
