"""Take callbacks of vendors: signed by them, or refused."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post

from filmgate.api.face import face_of

_LONGEST_SEAL = 64


@post("/hooks/{provider:str}/{reference:str}", status_code=204)
async def take_callback(request: Request[Any, Any, Any]) -> Response[None]:
    """Verify a vendor's callback and look at its job."""
    await face_of(request).services.notices.take(
        request.path_params["provider"],
        request.path_params["reference"],
        request.query_params.get("seal", "")[:_LONGEST_SEAL],
        request.headers,
        await request.body(),
    )
    return Response(None, status_code=204)
