"""Ask for batches as files, and carry them through step by step where no worker does."""

import json
from contextlib import AsyncExitStack
from typing import Any, cast

import httpx2

from filmgate.app import Gate
from filmgate.app.filing import file_batch_steps
from filmgate.app.routes import build_routes
from filmgate.app.vendors import Vendors
from filmgate.domain.provider import Provider
from filmgate.infrastructure.storage import LocalStore
from filmgate.repositories.lanes import LaneRepository
from filmgate.services.acceptance import Acceptance
from filmgate.services.file_batches import FileBatchSteps
from filmgate.services.forecast import Forecast
from filmgate.services.routing import RoutingService
from tests.integration.makers import until

FILES = "/v1/files"
BATCHES = "/v1/batches"
TINY = {"prompt": "a lake", "model": "procedural-1", "seconds": "1", "size": "360x640", "audio": False}
DONE = (
    '{"asset": "videos/a", "seconds": 1, "width": 64, "height": 64, "fps": 24, "video_codec": "h264",'
    ' "audio_codec": null, "size_bytes": 1, "sha256": "00", "thumbnail_bytes": 1, "spritesheet_bytes": 1}'
)


def line(custom_id: str, **body: Any) -> dict[str, Any]:
    """Return one line of an input file."""
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/videos", "body": TINY | body}


def written(*lines: dict[str, Any]) -> bytes:
    """Return lines as the file holds them."""
    return b"\n".join(json.dumps(one).encode() for one in lines) + b"\n"


async def upload(
    api: httpx2.AsyncClient, key: dict[str, str], content: bytes, purpose: str = "batch", **fields: str
) -> dict[str, Any]:
    """Upload a file and return what is said of it."""
    form = {"purpose": (None, purpose), **{name: (None, text) for name, text in fields.items()}}
    answer = await api.post(
        FILES, files={**form, "file": ("shots.jsonl", content, "application/octet-stream")}, headers=key
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ask(api: httpx2.AsyncClient, key: dict[str, str], content: bytes, **fields: Any) -> dict[str, Any]:
    """Upload an input file and create a batch of it."""
    file = await upload(api, key, content)
    asked = {"input_file_id": file["id"], "endpoint": "/v1/videos", "completion_window": "24h", **fields}
    answer = await api.post(BATCHES, json=asked, headers=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def show(api: httpx2.AsyncClient, key: dict[str, str], batch_id: str) -> dict[str, Any]:
    """Return how a batch stands."""
    answer = await api.get(f"{BATCHES}/{batch_id}", headers=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ended(
    api: httpx2.AsyncClient, key: dict[str, str], batch_id: str, *statuses: str, seconds: float = 60
) -> dict[str, Any]:
    """Wait until a batch stands at one of these, and return it."""

    async def there() -> bool:
        return (await show(api, key, batch_id))["status"] in statuses

    await until(there, seconds)
    return await show(api, key, batch_id)


async def lines_of(
    api: httpx2.AsyncClient, key: dict[str, str], file_id: str | None
) -> dict[str, dict[str, Any]]:
    """Download a file of answers and return its lines by custom_id."""
    if file_id is None:
        return {}
    answer = await api.get(f"{FILES}/{file_id}/content", headers=key)
    assert answer.status_code == 200, answer.text
    read = [json.loads(one) for one in answer.text.splitlines()]
    by_name = {one["custom_id"]: one for one in read}
    assert len(by_name) == len(read)
    return by_name


def steps_on(gate: Gate) -> FileBatchSteps:
    """Return what the worker of a gate would do, for a gate without one."""
    settings = gate.settings
    capabilities = Vendors(settings, AsyncExitStack()).capabilities()
    names = {"embedded", *settings.providers}
    table = cast("dict[str, Provider]", dict.fromkeys(names))
    routes = build_routes(capabilities, table, settings.routes, production=settings.production)
    store = LocalStore(settings.data / "assets")
    forecast = Forecast(LaneRepository(gate.database))
    acceptance = Acceptance(RoutingService(routes, settings.default_model), forecast, store)
    return file_batch_steps(gate.database, gate.services, acceptance, store, lambda: None)


def codes(batch: dict[str, Any]) -> list[tuple[str, int | None, str | None]]:
    return [(fault["code"], fault["line"], fault["param"]) for fault in batch["errors"]["data"]]


async def end_videos(gate: Gate, batch_id: str, **statuses: str) -> None:
    """Set by hand what has become of a batch's videos, by custom_id."""
    for custom_id, status in statuses.items():
        await gate.database.execute(
            """
            UPDATE videos v SET status = $3, completed_at = now(),
                result = CASE WHEN $3 = 'completed' THEN $4::text::jsonb END,
                error = CASE WHEN $3 = 'failed' THEN '{"code": "policy", "message": "No."}'::jsonb END
            FROM file_batch_lines l WHERE l.batch_id = $1 AND l.custom_id = $2 AND v.id = l.video_id
            """,
            batch_id,
            custom_id,
            status,
            DONE,
        )


async def count(gate: Gate, table: str) -> int:
    numbers = {
        "videos": await gate.database.value("SELECT count(*) FROM videos"),
        "batches": await gate.database.value("SELECT count(*) FROM batches"),
        "holds": await gate.database.value("SELECT count(*) FROM holds"),
        "lines": await gate.database.value("SELECT count(*) FROM file_batch_lines"),
    }
    return numbers[table]
