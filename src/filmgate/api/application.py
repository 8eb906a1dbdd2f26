"""Put the HTTP face together: the hot lane, the envelope, the router."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from litestar import Litestar
from litestar.datastructures import State

from filmgate.api.batches import cancel_batch, create_batch, list_batches, retrieve_batch
from filmgate.api.catalog import list_models
from filmgate.api.docs import DOCS_HANDLERS
from filmgate.api.errors import handle_exception
from filmgate.api.face import STATE_KEY, ApiOptions, Face, Services
from filmgate.api.health import retrieve_health, retrieve_readiness
from filmgate.api.hooks import take_callback
from filmgate.api.hot import HotLane
from filmgate.api.middleware import HSTS, SECURITY_HEADERS, AccessLog, Envelope
from filmgate.api.openai.derivations import DERIVATION_HANDLERS
from filmgate.api.openai.file_operations import FILE_HANDLERS
from filmgate.api.openai.models import list_openai_models, retrieve_openai_model
from filmgate.api.openai.videos import (
    create_openai_video,
    delete_openai_video,
    list_openai_videos,
    retrieve_openai_content,
    retrieve_openai_video,
)
from filmgate.api.openai.webhook_operations import WEBHOOK_HANDLERS
from filmgate.api.options import options_handlers
from filmgate.api.usage import retrieve_usage
from filmgate.api.videos import (
    cancel_video,
    create_video,
    list_videos,
    retrieve_content,
    retrieve_result,
    retrieve_video,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from litestar.types import ASGIApp

__all__ = ["ApiOptions", "Services", "create_api"]

HANDLERS = (
    create_video,
    create_batch,
    list_videos,
    retrieve_video,
    retrieve_result,
    retrieve_content,
    cancel_video,
    list_batches,
    retrieve_batch,
    cancel_batch,
    list_models,
    retrieve_usage,
    retrieve_health,
    retrieve_readiness,
    take_callback,
    create_openai_video,
    list_openai_videos,
    retrieve_openai_video,
    retrieve_openai_content,
    delete_openai_video,
    *DERIVATION_HANDLERS,
    *FILE_HANDLERS,
    *WEBHOOK_HANDLERS,
    list_openai_models,
    retrieve_openai_model,
    *DOCS_HANDLERS,
)


def create_api(
    services: Services, options: ApiOptions, lifespan: Callable[[], AbstractAsyncContextManager[None]]
) -> ASGIApp:
    """Return the application; ``lifespan`` is entered when the server starts and left when it stops."""
    public_url = options.public_url.rstrip("/") if options.public_url else None
    face = Face(services, replace(options, public_url=public_url))

    def alive(_: Litestar) -> AbstractAsyncContextManager[None]:
        return lifespan()

    router = Litestar(
        route_handlers=[*options_handlers(HANDLERS), *HANDLERS],
        lifespan=[alive],
        state=State({STATE_KEY: face}),
        exception_handlers={Exception: handle_exception},
        request_max_body_size=options.max_body_bytes,
        # /openapi.json and /docs are our own: every request body is read by our own decoder, and
        # the framework's page would load its scripts from another host.
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    access_log = AccessLog()
    over_tls = options.production and (public_url or "").startswith("https://")
    fixed = (*SECURITY_HEADERS, HSTS) if over_tls else SECURITY_HEADERS
    return HotLane(face, Envelope(router, access_log, fixed), access_log, fixed)
