"""Read and write the bodies of a batch's lines as `POST /v1/videos` reads and writes its own."""

from typing import Any, Final

import msgspec

from filmgate.api.answers import encode
from filmgate.api.decoding import decode_object
from filmgate.api.errors import answer_error
from filmgate.api.openai.shapes import video_object
from filmgate.domain.errors import FilmgateError
from filmgate.domain.file_batch import ENDPOINT, Refusal
from filmgate.domain.key import Key
from filmgate.domain.video import Video
from filmgate.services.asked import AskedVideo
from filmgate.services.sora import read_sora_video
from filmgate.services.sora_videos import SoraOrder, SoraVideoService


class _Refused(msgspec.Struct):
    """What of an error's body goes into an error file."""

    error: dict[str, Any]


_refused: Final = msgspec.json.Decoder(_Refused).decode


class VideoLines:
    """Be `POST /v1/videos` for the lines of a file."""

    def __init__(self, videos: SoraVideoService) -> None:
        self._videos = videos

    async def read(self, key: Key, body: bytes) -> AskedVideo:
        """Return the video that a line asks for, or raise with what is wrong with it."""
        return await self._videos.asked(key, SoraOrder(read_sora_video(decode_object(body))))

    def refuse(self, error: FilmgateError) -> Refusal:
        """Return what the endpoint answers for an error."""
        answer = answer_error(error, "", "POST", ENDPOINT)
        return Refusal(answer.status, _refused(answer.body).error)

    def show(self, video: Video) -> bytes:
        """Return the body that the endpoint answers with for a video."""
        return encode(video_object(video))
