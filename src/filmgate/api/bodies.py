"""Take JSON bodies in and send JSON bodies out."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from filmgate.api.errors import BodyTooLarge, MalformedBody, WrongContentType
from filmgate.api.face import face_of

JSON_TYPE: Final = "application/json"


async def json_body(request: Request[Any, Any, Any]) -> bytes:
    """Return the body of a request that says it is JSON, or raise WrongContentType."""
    check_json(request.headers.get("content-type"), request.headers.get("content-encoding"))
    try:
        return await request.body()
    except RequestEntityTooLarge:
        limit = face_of(request).options.max_body_bytes
        raise BodyTooLarge(f"The body is larger than {limit:,} bytes, the limit of this server.") from None
    except InternalServerException:
        # Litestar's way of saying that the client went away.
        raise MalformedBody("The connection ended before the body did.") from None


def check_json(content_type: str | None, encoding: str | None) -> None:
    """Raise WrongContentType unless the headers announce plain JSON in UTF-8."""
    kind, _, parameters = (content_type or "").partition(";")
    if kind.strip().lower() != JSON_TYPE:
        said = f"not {kind.strip()[:100]}" if kind.strip() else "but it has no Content-Type"
        raise WrongContentType(f"This address takes Content-Type: {JSON_TYPE}, {said}.")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise WrongContentType(f"This address takes {JSON_TYPE} in UTF-8, not {parameters.strip()[:100]}.")
    if encoding and encoding.lower() != "identity":
        raise WrongContentType(f"This address takes no Content-Encoding; {encoding[:100]} was given.")


def json_response(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Return a JSON answer that no cache keeps, since it may hold signed links."""
    return Response(
        body,
        status_code=status,
        media_type=JSON_TYPE,
        headers={"cache-control": "no-store", **(headers or {})},
    )
