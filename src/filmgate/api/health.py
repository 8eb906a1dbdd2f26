"""Answer for the process itself: alive, and ready to serve."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get

from filmgate.api.answers import encode
from filmgate.api.bodies import json_response
from filmgate.api.face import face_of
from filmgate.api.schemas import Alive, Ready, ReadyPart


@get("/health")
async def retrieve_health(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Say that the process answers."""
    return json_response(encode(Alive("ok", datetime.now(UTC), face_of(request).options.version)))


@get("/ready")
async def retrieve_readiness(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Say part by part whether requests can be served."""
    face = face_of(request)
    readiness = await face.services.health.ready()
    body = Ready(
        "ready" if readiness.ok else "unavailable",
        datetime.now(UTC),
        face.options.version,
        {name: ReadyPart(part.ok, part.state, part.detail) for name, part in readiness.parts.items()},
    )
    return json_response(encode(body), 200 if readiness.ok else 503)
