"""Bundle what the handlers need, handed over by whoever composes the process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar import Request

    from filmgate.domain.video import Variant
    from filmgate.services.batches import BatchService
    from filmgate.services.catalog import CatalogService
    from filmgate.services.characters import CharacterService
    from filmgate.services.deletions import DeletionService
    from filmgate.services.derivations import DerivationService
    from filmgate.services.file_batches import FileBatchService
    from filmgate.services.files import FileService
    from filmgate.services.health import HealthService
    from filmgate.services.idempotency import IdempotencyService
    from filmgate.services.keys import KeyService
    from filmgate.services.links import LinkService
    from filmgate.services.notices import NoticeService
    from filmgate.services.sora_videos import SoraVideoService
    from filmgate.services.uploads import UploadService
    from filmgate.services.usage import UsageService
    from filmgate.services.videos import VideoService
    from filmgate.services.webhook_endpoints import WebhookEndpointService

VIDEOS_PATH: Final = "/api/v1/videos"
BATCHES_PATH: Final = "/api/v1/batches"
STATE_KEY: Final = "face"

_SCHEMES: Final = frozenset({b"http", b"https"})
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1"})
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases this face can call."""

    videos: VideoService
    batches: BatchService
    keys: KeyService
    catalog: CatalogService
    health: HealthService
    notices: NoticeService
    links: LinkService
    idempotency: IdempotencyService
    usage: UsageService
    webhook_endpoints: WebhookEndpointService
    uploads: UploadService
    sora: SoraVideoService
    derivations: DerivationService
    characters: CharacterService
    deletions: DeletionService
    files: FileService
    file_batches: FileBatchService


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What the face must know of its surroundings; ``public_url`` None means the request's own host."""

    version: str
    public_url: str | None
    max_body_bytes: int = 32 * 1024 * 1024
    production: bool = False


@dataclass(frozen=True, slots=True)
class Face:
    """The services and options, as handlers find them."""

    services: Services
    options: ApiOptions

    def links(self, scope: Mapping[str, Any]) -> Links:
        """Return the maker of absolute links for one request."""
        return Links(self.services.links, self.options.public_url or own_address(scope))


@dataclass(frozen=True, slots=True)
class Links:
    """Make absolute, signed links to the files of a video."""

    service: LinkService
    base: str

    def content(self, video_id: str, variant: Variant) -> str:
        """Return the address of one file, good without a key until it expires."""
        signed = self.service.sign(video_id, variant)
        return f"{self.base}{VIDEOS_PATH}/{video_id}/content?variant={variant.value}&{signed}"


def face_of(request: Request[Any, Any, Any]) -> Face:
    """Return the services and options of the application that serves this request."""
    return cast("Face", request.app.state[STATE_KEY])


def own_address(scope: Mapping[str, Any]) -> str:
    """Return ``scheme://host`` as the client wrote it, or the socket's own where that is unusable."""
    headers = dict(scope["headers"])
    scheme = _scheme_of(scope, headers)
    host = headers.get(b"host", b"").decode("latin-1")
    if _HOST.fullmatch(host):
        return f"{scheme}://{host}"
    server = scope.get("server") or ("localhost", None)
    return f"{scheme}://{server[0]}" + (f":{server[1]}" if server[1] else "")


def _scheme_of(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
    forwarded = headers.get(b"x-forwarded-proto")
    # Only a proxy on this machine is believed; for any other there is the setting PUBLIC_URL.
    if forwarded in _SCHEMES and (scope.get("client") or ("",))[0] in _THIS_MACHINE:
        return forwarded.decode("ascii")
    return scope["scheme"]
