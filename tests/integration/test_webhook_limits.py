"""What one project does with its endpoints costs no other project its events."""

import httpx2
import pytest

from filmgate.app import Gate
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.callouts import Callouts
from filmgate.infrastructure.database import Database
from filmgate.repositories.batches import BatchRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.repositories.webhook_endpoints import WebhookEndpointRepository
from filmgate.repositories.webhooks import WebhookRepository
from filmgate.services.webhook_endpoints import MAX_TRIES
from filmgate.services.webhooks import WebhookService

pytestmark = pytest.mark.anyio

HOOK = {"name": "Room", "url": "http://127.0.0.1:9/hook", "event_types": ["video.failed"]}
ENDPOINTS = "/v1/webhook_endpoints"


async def told(database: Database, endpoint: str) -> str:
    """Write a delivery down for an endpoint, as the database does, and return its id."""
    return await database.value(
        """
        INSERT INTO deliveries (project, subject, event, url, endpoint_id)
        VALUES ('p', 'job_x', 'video.failed', $2, $1) RETURNING id
        """,
        endpoint,
        HOOK["url"],
    )


async def test_a_delivery_cannot_be_sent_anew_for_ever(
    api: httpx2.AsyncClient, gate: Gate, key: dict[str, str]
) -> None:
    endpoint = (await api.post(ENDPOINTS, json=HOOK, headers=key)).json()["id"]
    delivery = await told(gate.database, endpoint)
    path = f"{ENDPOINTS}/{endpoint}/deliveries/{delivery}/resend"
    assert (await api.post(path, headers=key)).status_code == 200
    await gate.database.execute(
        """
        INSERT INTO delivery_tries (delivery_id, number, status)
        SELECT $1, n, 500 FROM generate_series(1, $2::integer) AS n
        """,
        delivery,
        MAX_TRIES,
    )
    refused = await api.post(path, headers=key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "too_many")


async def test_what_was_written_down_for_a_deleted_endpoint_is_not_sent(database: Database) -> None:
    """As where an endpoint is deleted by one transaction while another one tells of a video."""
    videos = VideoRepository(database)
    service = WebhookService(
        WebhookRepository(database),
        WebhookEndpointRepository(database),
        videos,
        BatchRepository(database, videos),
        Callouts(AddressGuard.allowing((), plain_http=True, ports=None)),
        b"the installation's own secret...",
    )
    delivery = await told(database, "whe_gone")
    assert await service.deliver() == 1
    row = await database.row("SELECT state, last_error FROM deliveries WHERE id = $1", delivery)
    assert row is not None
    assert (row["state"], row["last_error"]) == ("exhausted", "the endpoint was deleted")
    assert await service.deliver() == 0
