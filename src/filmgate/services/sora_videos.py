"""Accept videos as OpenAI's API asks for them: their image is found first, then they are like any other."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound
from filmgate.domain.key import Key
from filmgate.domain.video import Video
from filmgate.infrastructure.fetching import Fetcher, FetchFailed
from filmgate.services.asked import AskedVideo
from filmgate.services.casting import CastingService
from filmgate.services.files import FileService
from filmgate.services.idempotency import Creation
from filmgate.services.references import MAX_IMAGE_BYTES
from filmgate.services.sora import ImageSource, SoraVideo
from filmgate.services.uploads import Upload
from filmgate.services.videos import VideoService

_FIELD = "input_reference"


@dataclass(frozen=True, slots=True)
class SoraOrder:
    """A video as it was asked for, with the image that came as a file, where one did."""

    wanted: SoraVideo
    upload: Upload | None = None

    def mark(self) -> Mapping[str, Any]:
        """Return what tells this order from another."""
        return {
            "asked": self.wanted.asked,
            "image": self.wanted.image,
            "characters": self.wanted.characters,
            "upload": None if self.upload is None else self.upload.sha256,
        }


class SoraVideoService:
    """Hold the verbs for videos asked for through OpenAI's API."""

    def __init__(
        self, videos: VideoService, files: FileService, fetcher: Fetcher, casting: CastingService
    ) -> None:
        self._videos = videos
        self._files = files
        self._fetcher = fetcher
        self._casting = casting

    async def create(self, key: Key, order: SoraOrder) -> Video:
        """Accept a video: when this returns, it is on disk and will be made."""
        return await self._videos.create(key, await self.asked(key, order))

    def creation(self, key: Key, order: SoraOrder) -> Creation[Video]:
        """Return the steps of ``create``, to be carried out once however often they are asked for."""

        async def accept() -> Video:
            return await self._videos.creation(key, await self.asked(key, order)).accept()

        plain = self._videos.creation(key, order.wanted.asked)
        return replace(plain, asked=order.mark(), accept=accept)

    async def asked(self, key: Key, order: SoraOrder) -> AskedVideo:
        """Return what is asked for with its image in it, wherever that had to be fetched from."""
        image, asked = await self._image(key, order), order.wanted.asked
        if image is not None:
            asked = replace(asked, input_reference=image)
        return (
            await self._casting.cast(key, asked, order.wanted.characters)
            if order.wanted.characters
            else asked
        )

    async def _image(self, key: Key, order: SoraOrder) -> str | None:
        source = order.wanted.image
        if order.upload is not None:
            if source is not None:
                message = "input_reference is a file and an address at once."
                raise InvalidRequest([FieldProblem(_FIELD, message, "repeated", "Send one of them.")])
            _check_size(order.upload.size)
            return _data_url(await order.upload.read())
        return None if source is None else await self._found(key, source)

    async def _found(self, key: Key, source: ImageSource) -> str:
        if source.file_id is not None:
            try:
                return _data_url((await self._files.open(key, source.file_id, MAX_IMAGE_BYTES)).data)
            except NotFound as error:
                field = f"{_FIELD}[file_id]"
                mend = "Upload it with POST /v1/files first."
                raise InvalidRequest([FieldProblem(field, str(error), "not_found", mend)]) from error
        url = source.url or ""
        if url.startswith("data:"):
            return url
        try:
            return _data_url(await self._fetcher.get(url, MAX_IMAGE_BYTES))
        except FetchFailed as error:
            message = f"The image cannot be fetched: {error}."
            mend = "Give an https address that anyone can open, or send the file itself."
            raise InvalidRequest(
                [FieldProblem(f"{_FIELD}[image_url]", message, "bad_reference", mend)]
            ) from None


def _data_url(image: bytes) -> str:
    # What kind of image it is, its first bytes say.
    return f"data:image/any;base64,{base64.b64encode(image).decode()}"


def _check_size(size: int) -> None:
    if size > MAX_IMAGE_BYTES:
        message = f"The image has {size:,} bytes; {MAX_IMAGE_BYTES:,} is the limit."
        raise InvalidRequest([FieldProblem(_FIELD, message, "bad_reference", "Make the image smaller.")])
