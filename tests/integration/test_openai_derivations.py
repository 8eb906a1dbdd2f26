"""Remixes, edits, extensions and characters over HTTP, with the built-in renderer and real films."""

import json
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest

from filmgate.app import Gate
from tests.integration.makers import film, until

pytestmark = pytest.mark.anyio

Key = dict[str, str]
MODEL, SIZE = "procedural-1", "640x360"
WAIT = 60.0
CLIP = film(1.0)


async def answered(api: httpx2.AsyncClient, key: Key, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body, headers=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def made(api: httpx2.AsyncClient, key: Key, **asked: Any) -> dict[str, Any]:
    """Make a small video and return it finished."""
    body = {"prompt": "waves on a lake", "model": MODEL, "size": SIZE, "seconds": 1, **asked}
    return await finished(api, key, await answered(api, key, "/v1/videos", body))


async def finished(api: httpx2.AsyncClient, key: Key, video: dict[str, Any]) -> dict[str, Any]:
    """Wait until a video has ended, well."""
    latest = video

    async def ended() -> bool:
        nonlocal latest
        latest = (await api.get(f"/v1/videos/{video['id']}", headers=key)).json()
        return latest["status"] in {"completed", "failed"}

    await until(ended, WAIT)
    assert latest["status"] == "completed", latest
    return latest


async def content(api: httpx2.AsyncClient, key: Key, video: dict[str, Any], folder: Path) -> Path:
    answer = await api.get(f"/v1/videos/{video['id']}/content", headers=key)
    assert answer.status_code == 200, answer.text
    path = folder / f"{video['id']}.mp4"
    path.write_bytes(answer.content)
    return path


async def ours(api: httpx2.AsyncClient, key: Key, video: dict[str, Any]) -> dict[str, Any]:
    """Return what /api/v1 says of a video."""
    return (await api.get(f"/api/v1/videos/{video['id']}", headers=key)).json()


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        return [np.asarray(frame.to_image(), np.float32) for frame in file.decode(video=0)]


def packets(path: Path, kind: str) -> int:
    with av.open(str(path)) as file:
        (stream,) = (stream for stream in file.streams if stream.type == kind)
        return sum(packet.pts is not None for packet in file.demux(stream))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return how far two pictures are apart, of 255, seen from so far that their grain vanishes."""
    return float(abs(_from_afar(one) - _from_afar(other)).mean())


def _from_afar(picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    blocks = picture[: height // 8 * 8, : width // 8 * 8].reshape(height // 8, 8, width // 8, 8, 3)
    return blocks.mean(axis=(1, 3))


def error_of(answer: httpx2.Response, status: int = 400) -> tuple[str, str, str]:
    body = answer.json()
    assert answer.status_code == status, body
    return body["error"]["param"], body["error"]["code"], body["error"]["message"]


async def test_a_remix_starts_from_the_sources_first_frame_with_its_size_length_and_model(
    working_api: httpx2.AsyncClient, key: Key, tmp_path: Path
) -> None:
    source = await made(working_api, key)
    answer = await working_api.post(
        f"/v1/videos/{source['id']}/remix", json={"prompt": "the same at night"}, headers=key
    )
    remix = answer.json()
    assert answer.status_code == 200, remix
    assert remix["remixed_from_video_id"] == source["id"]
    assert remix["id"] != source["id"]
    assert (remix["model"], remix["size"], remix["seconds"]) == (MODEL, SIZE, "1")
    how = f"made by filmgate from the first frame of {source['id']} and the new prompt"
    assert json.loads(answer.headers["x-filmgate-adjustments"]) == [how]
    remix = await finished(working_api, key, remix)
    before = frames(await content(working_api, key, source, tmp_path))
    after = frames(await content(working_api, key, remix, tmp_path))
    assert len(after) == len(before)
    assert difference(before[0], after[0]) < 4
    told = await ours(working_api, key, remix)
    assert told["derivedFrom"] == {"kind": "remix", "videoId": source["id"], "how": how}
    assert told["adjustments"] == [how]
    plain = await ours(working_api, key, source)
    assert plain["derivedFrom"] is None


async def test_a_remix_of_a_remix_uses_the_same_image_again(
    working_api: httpx2.AsyncClient, key: Key
) -> None:
    source = await made(working_api, key)
    path = f"/v1/videos/{source['id']}/remix"
    first = await finished(working_api, key, await answered(working_api, key, path, {"prompt": "rain"}))
    second = await answered(working_api, key, f"/v1/videos/{first['id']}/remix", {"prompt": "snow"})
    assert second["remixed_from_video_id"] == first["id"]
    told = await ours(working_api, key, second)
    assert told["derivedFrom"]["how"] == (
        f"made by filmgate from the image reference of {first['id']} and the new prompt"
    )


async def test_an_edit_takes_a_video_by_id_in_json_and_in_a_form(
    working_api: httpx2.AsyncClient, key: Key
) -> None:
    source = await made(working_api, key)
    by_json = await answered(
        working_api, key, "/v1/videos/edits", {"prompt": "in snow", "video": {"id": source["id"]}}
    )
    answer = await working_api.post(
        "/v1/videos/edits",
        files={"prompt": (None, "in snow"), "video[id]": (None, source["id"])},
        headers=key,
    )
    assert answer.status_code == 200, answer.text
    for edit in (by_json, answer.json()):
        assert edit["remixed_from_video_id"] == source["id"]
        assert (edit["size"], edit["seconds"]) == (SIZE, "1")
    assert by_json["id"] != answer.json()["id"]


async def test_an_edit_takes_a_film_that_comes_along_and_tells_what_was_changed_to_fit(
    working_api: httpx2.AsyncClient, key: Key
) -> None:
    answer = await working_api.post(
        "/v1/videos/edits",
        data={"prompt": "stripes of silk", "model": MODEL},
        files={"video": ("clip.mp4", film(1.5), "video/mp4")},
        headers=key,
    )
    edit = answer.json()
    assert answer.status_code == 200, edit
    assert edit["remixed_from_video_id"] is None
    assert (edit["size"], edit["seconds"]) == ("360x360", "1.5")
    assert json.loads(answer.headers["x-filmgate-adjustments"]) == [
        "made by filmgate from the first frame of the uploaded film and the new prompt",
        "size 64x64 became 360x360, the nearest that procedural-1 makes",
    ]
    assert (await finished(working_api, key, edit))["status"] == "completed"


async def test_an_extension_continues_the_film_without_a_seam_or_a_new_encoding(
    working_api: httpx2.AsyncClient, working_gate: Gate, key: Key, tmp_path: Path
) -> None:
    source = await made(working_api, key, seconds=2)
    body = {"prompt": "the camera moves on", "seconds": "1", "video": {"id": source["id"]}}
    extension = await answered(working_api, key, "/v1/videos/extensions", body)
    assert extension["seconds"] == "3"
    assert extension["remixed_from_video_id"] is None
    extension = await finished(working_api, key, extension)
    assert extension["seconds"] == "3"
    before = await content(working_api, key, source, tmp_path)
    whole = await content(working_api, key, extension, tmp_path)
    assert packets(whole, "video") == packets(before, "video") + 24
    assert abs(packets(whole, "audio") - packets(before, "audio") * 1.5) <= 2
    old, new = frames(before), frames(whole)
    # The source's own frames, bit for bit; the new part takes up where they end.
    assert len(new) == len(old) + 24
    assert all(np.array_equal(one, other) for one, other in zip(old, new, strict=False))
    assert difference(new[47], new[48]) < 4
    told = await ours(working_api, key, extension)
    assert told["derivedFrom"]["kind"] == "extension"
    assert told["derivedFrom"]["videoId"] == source["id"]
    assert told["adjustments"][-1] == "joined packet by packet, nothing was encoded anew"
    assert told["sent"]["seconds"] == 1
    assert (told["delivered"]["seconds"], told["delivered"]["audioCodec"]) == (3, "aac")
    kept = working_gate.settings.data / "assets" / "references"
    assert list(kept.glob("film_*")) == []


async def test_an_extension_can_be_extended_and_outlives_its_source(
    working_api: httpx2.AsyncClient, key: Key, tmp_path: Path
) -> None:
    source = await made(working_api, key)
    asked = {"prompt": "on and on", "seconds": "1"}
    once = await answered(working_api, key, "/v1/videos/extensions", asked | {"video": {"id": source["id"]}})
    gone = await working_api.delete(f"/v1/videos/{source['id']}", headers=key)
    assert gone.status_code == 200, gone.text
    once = await finished(working_api, key, once)
    twice = await answered(working_api, key, "/v1/videos/extensions", asked | {"video": {"id": once["id"]}})
    twice = await finished(working_api, key, twice)
    assert twice["seconds"] == "3"
    assert packets(await content(working_api, key, twice, tmp_path), "video") == 72
    refused = await working_api.post(
        "/v1/videos/extensions", json=asked | {"video": {"id": source["id"]}}, headers=key
    )
    assert refused.status_code == 404


async def test_an_uploaded_film_is_extended_in_its_own_size_and_the_answer_says_what_was_done(
    working_api: httpx2.AsyncClient, key: Key, tmp_path: Path
) -> None:
    answer = await working_api.post(
        "/v1/videos/extensions",
        data={"prompt": "more stripes", "seconds": "1", "model": MODEL},
        files={"video": ("clip.mp4", film(2.0), "video/mp4")},
        headers=key,
    )
    extension = answer.json()
    assert answer.status_code == 200, extension
    assert extension["seconds"] == "3"
    extension = await finished(working_api, key, extension)
    told = await ours(working_api, key, extension)
    assert told["delivered"]["size"] == "64x64"
    assert abs(told["delivered"]["seconds"] - 3) < 0.1
    assert told["adjustments"][-1] == "joined and encoded anew: their frames are 64x64 and 360x360"
    assert len(frames(await content(working_api, key, extension, tmp_path))) == 72


@pytest.mark.parametrize(
    ("seconds", "code"), [("20.5", "out_of_range"), ("0", "out_of_range"), ("soon", "invalid_value")]
)
async def test_a_length_that_no_extension_has_is_refused(
    api: httpx2.AsyncClient, key: Key, seconds: str, code: str
) -> None:
    body = {"prompt": "on", "seconds": seconds, "video": {"id": "job_x"}}
    param, found, message = error_of(await api.post("/v1/videos/extensions", json=body, headers=key))
    assert (param, found) == ("seconds", code)
    assert message


async def test_a_film_does_not_grow_beyond_two_minutes(
    working_api: httpx2.AsyncClient, key: Key, tmp_path: Path
) -> None:
    answer = await working_api.post(
        "/v1/videos/extensions",
        data={"prompt": "on", "seconds": "8", "model": MODEL},
        files={"video": ("clip.mp4", film(115, rate=2), "video/mp4")},
        headers=key,
    )
    param, code, message = error_of(answer)
    assert (param, code) == ("seconds", "too_long")
    assert "123 s long; 120 s is the limit" in message
    assert "At most 5 s can be added." in message


async def test_two_characters_are_seen_side_by_side_where_the_prompt_names_them(
    working_api: httpx2.AsyncClient, working_gate: Gate, key: Key, tmp_path: Path
) -> None:
    ids: list[str] = []
    for name in ("Mossy", "Old Fern"):
        answer = await working_api.post(
            "/v1/videos/characters",
            data={"name": name},
            files={"video": ("clip.mp4", CLIP, "application/octet-stream")},
            headers=key,
        )
        character = answer.json()
        assert answer.status_code == 200, character
        assert set(character) == {"id", "name", "created_at"}
        assert character["name"] == name
        again = await working_api.get(f"/v1/videos/characters/{character['id']}", headers=key)
        assert again.json() == character
        ids.append(character["id"])
    body = {
        "prompt": "Mossy and Old Fern walk",
        "model": MODEL,
        "size": SIZE,
        "seconds": "1",
        "characters": [{"id": name} for name in ids],
    }
    video = await finished(working_api, key, await answered(working_api, key, "/v1/videos", body))
    told = await ours(working_api, key, video)
    assert told["derivedFrom"]["kind"] == "characters"
    assert told["derivedFrom"]["how"] == (
        "made by filmgate from the pictures, side by side, of Mossy and Old Fern as image reference"
    )
    first = frames(await content(working_api, key, video, tmp_path))[0]
    # The same clip twice, so the stripes of the left half come again in the right one.
    left, right = first[180, 5:315, 0], first[180, 325:635, 0]
    assert left.std() > 30
    assert np.corrcoef(left, right)[0, 1] > 0.8


async def test_a_form_names_characters_too(working_api: httpx2.AsyncClient, key: Key) -> None:
    source = await made(working_api, key)
    by_id = await answered(
        working_api, key, "/v1/videos/characters", {"name": "Lake", "video": {"id": source["id"]}}
    )
    answer = await working_api.post(
        "/v1/videos",
        files={
            "prompt": (None, "a lake at dawn"),
            "model": (None, MODEL),
            "size": (None, SIZE),
            "seconds": (None, "1"),
            "characters[][id]": (None, by_id["id"]),
        },
        headers=key,
    )
    assert answer.status_code == 200, answer.text
    told = await ours(working_api, key, answer.json())
    assert told["derivedFrom"]["how"] == "made by filmgate from the picture of Lake as image reference"


async def test_what_cannot_be_cast_is_refused_with_the_reason(
    api: httpx2.AsyncClient, key: Key, other_key: Key
) -> None:
    answer = await api.post(
        "/v1/videos/characters", data={"name": "Mossy"}, files={"video": CLIP}, headers=key
    )
    mossy = answer.json()["id"]
    image = "data:image/png;base64,iVBORw0KGgo="
    wrong = [
        ({"prompt": "a frog", "characters": [{"id": mossy}]}, "prompt", "character_not_mentioned"),
        (
            {"prompt": "Mossy", "characters": [{"id": mossy}], "input_reference": {"image_url": image}},
            "characters",
            "unsupported",
        ),
        ({"prompt": "Mossy", "characters": [{"id": "char_nobody"}]}, "characters", "not_found"),
    ]
    for body, param, code in wrong:
        assert error_of(await api.post("/v1/videos", json=body, headers=key))[:2] == (param, code)
    stranger = await api.post(
        "/v1/videos", json={"prompt": "Mossy", "characters": [{"id": mossy}]}, headers=other_key
    )
    assert error_of(stranger)[:2] == ("characters", "not_found")
    hidden = await api.get(f"/v1/videos/characters/{mossy}", headers=other_key)
    assert hidden.status_code == 404


@pytest.mark.parametrize("name", ["", "x" * 81, "a\tb\x07"])
async def test_a_character_needs_a_name_that_a_prompt_can_mention(
    api: httpx2.AsyncClient, key: Key, name: str
) -> None:
    answer = await api.post("/v1/videos/characters", data={"name": name}, files={"video": CLIP}, headers=key)
    assert error_of(answer)[0] == "name"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/videos/edits", {"prompt": "x"}),
        ("/v1/videos/extensions", {"prompt": "x", "seconds": "4"}),
        ("/v1/videos/characters", {"name": "Mossy"}),
    ],
)
async def test_a_file_that_is_no_film_is_refused_with_the_evidence(
    api: httpx2.AsyncClient, key: Key, path: str, fields: dict[str, str]
) -> None:
    bad = {"video": ("clip.mp4", CLIP[: len(CLIP) // 2], "video/mp4")}
    assert error_of(await api.post(path, data=fields, files=bad, headers=key))[:2] == ("video", "bad_video")
    page = {"video": ("clip.mp4", b"<!DOCTYPE html><title>404</title>", "video/mp4")}
    param, code, message = error_of(await api.post(path, data=fields, files=page, headers=key))
    assert (param, code) == ("video", "bad_video")
    assert "HTML" in message
    # An SDK's empty file part is no file.
    empty = {"video": ("upload", b"", "application/octet-stream")}
    assert error_of(await api.post(path, data=fields, files=empty, headers=key))[:2] == ("video", "required")


async def test_a_source_must_be_finished_ones_own_and_there(
    api: httpx2.AsyncClient, key: Key, other_key: Key
) -> None:
    waiting = (await api.post("/v1/videos", json={"prompt": "x", "model": MODEL}, headers=key)).json()["id"]
    prompt = {"prompt": "anew"}
    param, code, message = error_of(await api.post(f"/v1/videos/{waiting}/remix", json=prompt, headers=key))
    assert (param, code) == ("video", "not_finished")
    assert "0 % done" in message
    foreign = await api.post(f"/v1/videos/{waiting}/remix", json=prompt, headers=other_key)
    assert foreign.status_code == 404
    nobody = await api.post("/v1/videos/edits", json={"video": {"id": "video_123"}, **prompt}, headers=key)
    assert nobody.status_code == 404
    await api.delete(f"/api/v1/videos/{waiting}", headers=key)
    cancelled = await api.post(f"/v1/videos/{waiting}/remix", json=prompt, headers=key)
    assert error_of(cancelled)[:2] == ("video", "no_film")


async def test_a_field_that_the_source_decides_is_refused(api: httpx2.AsyncClient, key: Key) -> None:
    body = {"prompt": "x", "size": "640x360", "video": {"id": "job_x"}}
    param, code, message = error_of(await api.post("/v1/videos/extensions", json=body, headers=key))
    assert (param, code) == ("size", "unknown_parameter")
    assert "the source decides it" in message


async def test_the_same_request_with_the_same_key_makes_one_video(
    working_api: httpx2.AsyncClient, working_gate: Gate, key: Key
) -> None:
    source = await made(working_api, key)
    once = key | {"Idempotency-Key": "remix-1"}
    path = f"/v1/videos/{source['id']}/remix"
    first = await working_api.post(path, json={"prompt": "rain"}, headers=once)
    second = await working_api.post(path, json={"prompt": "rain"}, headers=once)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"
    other = await working_api.post(path, json={"prompt": "snow"}, headers=once)
    assert other.status_code in {400, 409}
    files, data = {"video": ("clip.mp4", CLIP, "video/mp4")}, {"prompt": "on", "seconds": "1", "model": MODEL}
    marked = key | {"Idempotency-Key": "extend-1"}
    answers = [
        await working_api.post("/v1/videos/extensions", data=data, files=files, headers=marked)
        for _ in range(2)
    ]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    count = await working_gate.database.value("SELECT count(*) FROM videos WHERE origin IS NOT NULL")
    assert count == 2
    named = key | {"Idempotency-Key": "character-1"}
    characters = [
        await working_api.post(
            "/v1/videos/characters", data={"name": "Mossy"}, files={"video": CLIP}, headers=named
        )
        for _ in range(2)
    ]
    assert characters[0].json() == characters[1].json()
