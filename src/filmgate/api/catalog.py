"""Answer for the catalogue: what can be asked for here."""

from typing import Any

from litestar import Request, Response, get

from filmgate.api.answers import encode, model_list
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_response
from filmgate.api.face import face_of


@get("/api/v1/models")
async def list_models(request: Request[Any, Any, Any]) -> Response[bytes]:
    """List every name that can be asked for."""
    await authenticate(request)
    return json_response(encode(model_list(face_of(request).services.catalog.models())))
