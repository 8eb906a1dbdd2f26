"""Answer with the documentation: the OpenAPI document, Swagger UI, the page of errors."""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Final

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.response import Redirect

from filmgate.api.answers import encode
from filmgate.api.errors import ALL_KINDS, ERRORS_PATH
from filmgate.api.face import face_of
from filmgate.api.openapi import openapi_document

# Swagger UI sets style attributes and draws its icons from data: URLs; scripts are only our own files.
CONTENT_SECURITY: Final = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY,
    "x-frame-options": "DENY",
    "cache-control": "no-cache",
}
_FILES: Final = {
    "swagger-ui-bundle.js": ("vendor/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": ("vendor/swagger-ui.css", "text/css"),
    "docs.js": ("docs.js", "text/javascript"),
    "docs.css": ("docs.css", "text/css"),
}


@get("/")
async def redirect_to_docs() -> Redirect:
    """Send a browser to the documentation."""
    return Redirect("/docs", status_code=302)


@get("/openapi.json")
async def retrieve_openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the OpenAPI document."""
    body = _document(face_of(request).options.version)
    return Response(body, media_type="application/json", headers={"cache-control": "no-cache"})


@get("/docs")
async def retrieve_docs() -> Response[bytes]:
    """Give the page that Swagger UI runs in."""
    body, _ = await asyncio.to_thread(_file, "docs.html")
    return Response(body, media_type="text/html", headers=_PAGE_HEADERS)


@get(ERRORS_PATH)
async def retrieve_error_kinds() -> Response[bytes]:
    """Give the page that explains every error."""
    return Response(_errors_page(), media_type="text/html", headers=_PAGE_HEADERS)


@get("/docs/{name:str}")
async def retrieve_docs_file(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give one of the files that the page loads."""
    name: str = request.path_params["name"]
    if name not in _FILES:
        raise NotFoundException
    path, media_type = _FILES[name]
    body, etag = await asyncio.to_thread(_file, path)
    headers = {"etag": etag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


DOCS_HANDLERS: Final = (
    redirect_to_docs,
    retrieve_openapi,
    retrieve_docs,
    retrieve_error_kinds,
    retrieve_docs_file,
)


@cache
def _document(version: str) -> bytes:
    return encode(openapi_document(version))


@cache
def _file(path: str) -> tuple[bytes, str]:
    body = files("filmgate.web").joinpath(path).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@cache
def _errors_page() -> bytes:
    rows = "".join(
        f'<tr id="{kind.code}"><td>{kind.status}</td><td><code>{kind.code}</code></td>'
        f"<td><b>{escape(kind.title)}</b><br>{escape(kind.meaning)}</td></tr>"
        for kind in ALL_KINDS
    )
    page = files("filmgate.web").joinpath("errors.html").read_text("utf-8")
    return page.replace("<!-- rows -->", rows).encode()
