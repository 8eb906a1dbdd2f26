"""The unmodified SDK remixes, edits, extends and casts, against a started process."""

from collections.abc import Generator
from pathlib import Path

import openai
import pytest
from openai.types import Video, VideoCreateCharacterResponse
from pydantic import ConfigDict

from tests.e2e.conftest import Server, start_server, stop_server
from tests.integration.makers import film

# The SDK still warns that OpenAI's own service was to end.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")

SMALL = {"model": "procedural-1", "seconds": "1", "size": "360x360"}
CLIP = film(1.0)


class StrictVideo(Video):
    """A video in which nothing may be that the SDK does not know, but a size that Sora did not make."""

    model_config = ConfigDict(extra="forbid", strict=True)
    size: str  # type: ignore[assignment] # small films are made here


class StrictCharacter(VideoCreateCharacterResponse):
    """A character in which nothing may be that the SDK does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    started = start_server(tmp_path_factory.mktemp("derivations") / "data")
    yield started
    stop_server(started)


@pytest.fixture(scope="module")
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, timeout=60)


@pytest.fixture(scope="module")
def source(client: openai.OpenAI) -> Video:
    made = client.videos.create_and_poll(prompt="waves on a lake", **SMALL)  # type: ignore[arg-type] # any size is taken
    assert made.status == "completed"
    return made


def strict(video: Video) -> Video:
    return StrictVideo.model_validate(video.to_dict())


def test_remix(client: openai.OpenAI, source: Video) -> None:
    remix = strict(client.videos.remix(source.id, prompt="the same at night"))
    assert remix.remixed_from_video_id == source.id
    assert strict(client.videos.poll(remix.id)).status == "completed"


def test_edit_by_file_and_by_id(client: openai.OpenAI, source: Video) -> None:
    by_file = client.videos.edit(
        prompt="silk", video=("clip.mp4", CLIP), extra_body={"model": "procedural-1"}
    )
    assert strict(by_file).remixed_from_video_id is None
    # The SDK cannot send a video by id itself; with extra_body it sends an empty file beside the id.
    by_id = client.videos.edit(prompt="snow", video=b"", extra_body={"video": {"id": source.id}})
    assert strict(by_id).remixed_from_video_id == source.id
    assert client.videos.poll(by_id.id).status == "completed"


def test_extend_by_id_and_by_path(client: openai.OpenAI, source: Video, tmp_path: Path) -> None:
    extension = client.videos.extend(
        prompt="it goes on", seconds="4", video=b"", extra_body={"video": {"id": source.id}}
    )
    assert strict(extension).seconds == "5"
    assert client.videos.poll(extension.id).status == "completed"
    path = tmp_path / "whole.mp4"
    client.videos.download_content(extension.id).write_to_file(path)
    again = client.videos.extend(
        prompt="and on", seconds="4", video=path, extra_body={"model": "procedural-1"}
    )
    assert strict(again).seconds == "9"
    client.videos.poll(again.id)
    assert client.videos.retrieve(again.id).status == "completed"


def test_characters(client: openai.OpenAI) -> None:
    made = client.videos.create_character(name="Mossy", video=("mossy.mp4", CLIP))
    character = StrictCharacter.model_validate(made.to_dict())
    assert client.videos.get_character(made.id or "").to_dict() == made.to_dict()
    assert character.name == "Mossy"
    video = client.videos.create(
        prompt="Mossy dances",
        extra_body={"characters": [{"id": made.id}]},
        **SMALL,  # type: ignore[arg-type] # any size is taken
    )
    assert strict(client.videos.poll(video.id)).status == "completed"
    with pytest.raises(openai.BadRequestError, match="does not mention Mossy"):
        client.videos.create(
            prompt="a frog dances",
            extra_body={"characters": [{"id": made.id}]},
            **SMALL,  # type: ignore[arg-type] # any size is taken
        )
    with pytest.raises(openai.NotFoundError):
        client.videos.get_character("char_nobody")


def test_a_file_that_is_no_film_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create_character(name="Mossy", video=b"not a film at all")
    assert (refused.value.param, refused.value.code) == ("video", "bad_video")
