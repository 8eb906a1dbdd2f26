"""Batches as files over OpenAI's wire: looked through before anything is spent, made once, written down."""

import asyncio
import base64
from datetime import timedelta
from io import BytesIO
from typing import Any

import httpx2
import pytest
from openai.types import Batch, Video
from PIL import Image

from filmgate.app import Gate
from filmgate.domain.errors import DatabaseUnavailable
from filmgate.domain.file_batch import MAX_LINES
from filmgate.domain.ids import new_id
from tests.integration.filing import (
    BATCHES,
    FILES,
    ask,
    codes,
    count,
    end_videos,
    ended,
    line,
    lines_of,
    show,
    steps_on,
    upload,
    written,
)

pytestmark = pytest.mark.anyio

OURS = "/api/v1/batches"
# One of the sizes that the SDK's types know.
SORA = {"size": "720x1280"}


async def test_a_batch_lives_from_its_file_to_its_films(
    working_api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    api = working_api
    content = written(
        line("one", **SORA), line("two", prompt="a street", **SORA), line("three", size="a lot")
    )
    life = {"anchor": "created_at", "seconds": 7200}
    made = await ask(api, key, content, metadata={"film": "harbour"}, output_expires_after=life)
    Batch.model_validate(made, strict=True)
    assert set(made) == set(Batch.model_fields)
    assert (made["status"], made["metadata"], made["errors"]) == ("validating", {"film": "harbour"}, None)
    assert made["expires_at"] - made["created_at"] == timedelta(hours=24).total_seconds()
    batch = await ended(api, key, made["id"], "completed", "failed", seconds=120)
    Batch.model_validate(batch, strict=True)
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    assert (batch["status"], batch["model"]) == ("completed", "procedural-1")
    assert batch["in_progress_at"] <= batch["finalizing_at"] <= batch["completed_at"]
    await check_output(api, key, batch)
    ours = (await api.get(f"{OURS}/{batch['id']}", headers=key)).json()
    assert (ours["status"], ours["totalVideos"], ours["name"]) == ("completed", 2, "shots.jsonl")
    listed = (await api.get(BATCHES, headers=key)).json()
    assert (listed["data"], listed["has_more"]) == ([batch], False)


async def check_output(api: httpx2.AsyncClient, key: dict[str, str], batch: dict[str, Any]) -> None:
    output = await lines_of(api, key, batch["output_file_id"])
    assert set(output) == {"one", "two"}
    for one in output.values():
        assert (one["error"], one["response"]["status_code"]) == (None, 200)
        assert one["id"].startswith("batch_req_")
        assert one["response"]["request_id"].startswith("req_")
        video = one["response"]["body"]
        Video.model_validate(video, strict=True)
        assert (video["status"], video["seconds"], video["size"]) == ("completed", "1", "720x1280")
        film = await api.get(f"/v1/videos/{video['id']}/content", headers=key)
        assert (film.status_code, film.headers["content-type"]) == (200, "video/mp4")
    errors = await lines_of(api, key, batch["error_file_id"])
    assert set(errors) == {"three"}
    answer = errors["three"]["response"]
    assert (answer["status_code"], answer["body"]["error"]["param"]) == (400, "size")
    kept = (await api.get(f"{FILES}/{batch['output_file_id']}", headers=key)).json()
    assert (kept["purpose"], kept["expires_at"] - kept["created_at"]) == ("batch_output", 7200)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\n \n", [("empty_file", None, None)]),
        (b"not json\n", [("invalid_json_line", 1, None)]),
        (b"[1]", [("invalid_json_line", 1, None)]),
        (b"\xff\xfe", [("invalid_json_line", 1, None)]),
        (written(line("a"), line("b"), line("a")), [("duplicate_custom_id", 3, "custom_id")]),
        (written(line("a"), {"custom_id": "b"}), [("missing_required_parameter", 2, "method")]),
        (written(line("")), [("invalid_custom_id", 1, "custom_id")]),
        (written(line("a\x00b")), [("invalid_custom_id", 1, "custom_id")]),
        (written(line("a") | {"custom_id": 7}), [("invalid_custom_id", 1, "custom_id")]),
        (written(line("a") | {"method": "GET"}), [("invalid_method", 1, "method")]),
        (written(line("a") | {"url": "/v1/responses"}), [("invalid_url", 1, "url")]),
        (written(line("a") | {"body": "a lake"}), [("invalid_body", 1, "body")]),
        (
            written(line("a")) + b"\n{\n" + written(line("a")),
            [("invalid_json_line", 3, None), ("duplicate_custom_id", 4, "custom_id")],
        ),
    ],
)
async def test_a_file_that_is_wrong_fails_as_a_whole_and_nothing_is_made(
    content: bytes,
    expected: list[tuple[str, int | None, str | None]],
    api: httpx2.AsyncClient,
    key: dict[str, str],
    gate: Gate,
) -> None:
    made = await ask(api, key, content)
    await steps_on(gate).advance(made["id"])
    batch = await show(api, key, made["id"])
    Batch.model_validate(batch, strict=True)
    assert (batch["status"], codes(batch)) == ("failed", expected)
    assert batch["failed_at"] is not None
    assert (await count(gate, "videos"), await count(gate, "batches")) == (0, 0)


async def test_a_file_with_many_errors_lists_the_first_hundred(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(*(line("a") for _ in range(300))))
    await steps_on(gate).advance(made["id"])
    found = codes(await show(api, key, made["id"]))
    assert len(found) == 101
    assert found[-1] == ("too_many_errors", None, None)
    assert [number for _, number, _ in found[:-1]] == list(range(2, 102))


async def test_a_file_with_too_many_lines_is_refused(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, b"".join(written(line(f"{number}")) for number in range(MAX_LINES + 1)))
    await steps_on(gate).advance(made["id"])
    batch = await show(api, key, made["id"])
    assert (batch["status"], codes(batch)) == ("failed", [("too_many_lines", None, None)])


async def test_ten_thousand_lines_become_ten_thousand_videos_in_order(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(*(line(f"shot {number}") for number in range(10_000))))
    await steps_on(gate).advance(made["id"])
    batch = await show(api, key, made["id"])
    assert (batch["status"], batch["request_counts"]["total"]) == ("in_progress", 10_000)
    rows = await gate.database.fetch(
        """
        SELECT l.custom_id, v.batch_index FROM file_batch_lines l JOIN videos v ON v.id = l.video_id
        WHERE l.batch_id = v.batch_id ORDER BY l.line
        """
    )
    assert [(row["custom_id"], row["batch_index"]) for row in rows] == [
        (f"shot {number}", number) for number in range(10_000)
    ]


async def test_lines_that_are_refused_do_not_keep_the_others_from_being_made(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    content = written(
        line("good"),
        line("size", size="a lot"),
        line("model", model="no-such-model"),
        line("empty", prompt=" "),
        line("field", colour="red"),
        line("file", input_reference={"file_id": new_id("file")}),
        line("nul", prompt="a\x00b"),
    )
    made = await ask(api, key, content)
    await steps_on(gate).advance(made["id"])
    assert await count(gate, "videos") == 1
    assert (await show(api, key, made["id"]))["request_counts"] == {"total": 7, "completed": 0, "failed": 6}
    await end_videos(gate, made["id"], good="completed")
    await steps_on(gate).advance(made["id"])
    batch = await show(api, key, made["id"])
    assert (batch["status"], batch["request_counts"]["failed"]) == ("completed", 6)
    errors = await lines_of(api, key, batch["error_file_id"])
    told = {
        name: (one["response"]["status_code"], one["response"]["body"]["error"]["param"])
        for name, one in errors.items()
    }
    assert told == {
        "size": (400, "size"),
        "model": (404, "model"),
        "empty": (400, "prompt"),
        "field": (400, "colour"),
        "file": (400, "input_reference[file_id]"),
        "nul": (400, "prompt"),
    }


async def test_validating_twice_at_once_makes_every_video_once(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(*(line(f"{number}") for number in range(200))))
    await asyncio.gather(*(steps_on(gate).advance(made["id"]) for _ in range(4)))
    assert (await count(gate, "videos"), await count(gate, "lines")) == (200, 200)
    batch = await show(api, key, made["id"])
    assert (batch["status"], batch["request_counts"]["total"]) == ("in_progress", 200)


async def test_a_worker_that_dies_anywhere_in_validating_leaves_all_or_nothing(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(*(line(f"{number}") for number in range(400))))
    for turns in (1, 3, 8, 20, 50, 120):
        task = asyncio.create_task(steps_on(gate).advance(made["id"]))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await count(gate, "videos") in {0, 400}
    await steps_on(gate).advance(made["id"])
    assert (await count(gate, "videos"), await count(gate, "lines")) == (400, 400)
    assert (await show(api, key, made["id"]))["status"] == "in_progress"


async def test_a_worker_that_dies_between_two_slices_of_an_insert_leaves_nothing(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("a"), line("b")))
    await gate.database.execute(
        """
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$
        """
    )
    await gate.database.execute(
        "CREATE TRIGGER dying AFTER INSERT ON file_batch_lines FOR EACH STATEMENT EXECUTE FUNCTION die()"
    )
    with pytest.raises(DatabaseUnavailable):
        await steps_on(gate).advance(made["id"])
    assert (await count(gate, "videos"), await count(gate, "batches")) == (0, 0)
    await gate.database.execute("DROP TRIGGER dying ON file_batch_lines")
    await steps_on(gate).advance(made["id"])
    assert (await count(gate, "videos"), await count(gate, "lines")) == (2, 2)


async def test_another_project_sees_nothing_of_a_batch_and_cannot_use_its_file(
    api: httpx2.AsyncClient, key: dict[str, str], other_key: dict[str, str]
) -> None:
    made = await ask(api, key, written(line("a")))
    assert (await api.get(f"{BATCHES}/{made['id']}", headers=other_key)).status_code == 404
    assert (await api.post(f"{BATCHES}/{made['id']}/cancel", headers=other_key)).status_code == 404
    assert (await api.get(BATCHES, headers=other_key)).json()["data"] == []
    asked = {"endpoint": "/v1/videos", "completion_window": "24h", "input_file_id": made["input_file_id"]}
    answer = await api.post(BATCHES, json=asked, headers=other_key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "file_not_found")
    assert (await show(api, key, made["id"]))["status"] == "validating"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"endpoint": "/v1/responses"}, "endpoint"),
        ({"completion_window": "48h"}, "completion_window"),
        ({"input_file_id": "file_nothing"}, "input_file_id"),
        ({"metadata": {f"{number}": "x" for number in range(17)}}, "metadata"),
        ({"metadata": {"a": "x" * 513}}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 60}}, "output_expires_after"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_create_that_is_wrong_is_refused(
    changes: dict[str, Any], param: str, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    file = await upload(api, key, written(line("a")))
    asked = {"input_file_id": file["id"], "endpoint": "/v1/videos", "completion_window": "24h", **changes}
    answer = await api.post(BATCHES, json=asked, headers=key)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert (await api.get(BATCHES, headers=key)).json()["data"] == []


async def test_a_file_for_another_purpose_is_no_input(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    file = await upload(api, key, written(line("a")), "user_data")
    asked = {"input_file_id": file["id"], "endpoint": "/v1/videos", "completion_window": "24h"}
    answer = await api.post(BATCHES, json=asked, headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_purpose")


async def test_an_input_file_that_was_deleted_meanwhile_fails_the_batch(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("a")))
    await api.delete(f"{FILES}/{made['input_file_id']}", headers=key)
    await steps_on(gate).advance(made["id"])
    assert codes(await show(api, key, made["id"])) == [("input_file_not_found", None, "input_file_id")]


async def test_a_create_sent_again_with_its_key_makes_one_batch(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    file = await upload(api, key, written(line("a")))
    asked = {"input_file_id": file["id"], "endpoint": "/v1/videos", "completion_window": "24h"}
    headers = key | {"Idempotency-Key": "batch-1"}
    first = await api.post(BATCHES, json=asked, headers=headers)
    await steps_on(gate).advance(first.json()["id"])
    again = await api.post(BATCHES, json=asked, headers=headers)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    other = await api.post(BATCHES, json=asked | {"metadata": {"a": "b"}}, headers=headers)
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert len((await api.get(BATCHES, headers=key)).json()["data"]) == 1


async def test_images_come_in_a_line_and_as_uploaded_files(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    sink = BytesIO()
    Image.new("RGB", (64, 64), (200, 80, 40)).save(sink, "PNG")
    picture = sink.getvalue()
    file = await upload(api, key, picture, "vision")
    address = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    content = written(
        line("file", input_reference={"file_id": file["id"]}),
        line("data", input_reference={"image_url": address}),
        line("bad", input_reference={"image_url": "data:image/png;base64,AAAA"}),
    )
    made = await ask(api, key, content)
    await steps_on(gate).advance(made["id"])
    folder = gate.settings.data / "assets" / "references"
    assert [path.read_bytes() for path in folder.iterdir()] == [picture, picture]
    assert (await show(api, key, made["id"]))["request_counts"] == {"total": 3, "completed": 0, "failed": 1}


async def test_the_images_of_a_batch_that_was_cancelled_meanwhile_are_removed(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    sink = BytesIO()
    Image.new("RGB", (64, 64)).save(sink, "PNG")
    address = f"data:image/png;base64,{base64.b64encode(sink.getvalue()).decode()}"
    made = await ask(api, key, written(line("a", input_reference={"image_url": address})))
    await gate.database.execute(
        """
        CREATE FUNCTION overtake() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RETURN NULL; END $$
        """
    )
    await gate.database.execute(
        """
        CREATE TRIGGER overtaking BEFORE UPDATE ON file_batches FOR EACH ROW
        WHEN (NEW.status = 'in_progress') EXECUTE FUNCTION overtake()
        """
    )
    await steps_on(gate).advance(made["id"])
    folder = gate.settings.data / "assets" / "references"
    assert (await count(gate, "videos"), list(folder.rglob("*.png"))) == (0, [])


async def test_a_batch_that_could_not_be_validated_is_given_up_with_why(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await ask(api, key, written(line("a")))
    await steps_on(gate).give_up(made["id"], "the disk is full")
    batch = await show(api, key, made["id"])
    assert (batch["status"], codes(batch)) == ("failed", [("internal_error", None, None)])
    assert "the disk is full" in batch["errors"]["data"][0]["message"]


async def test_batches_are_listed_in_pages_newest_first(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    names = [(await ask(api, key, written(line("a"))))["id"] for _ in range(3)]
    first = (await api.get(BATCHES, params={"limit": 2}, headers=key)).json()
    assert ([batch["id"] for batch in first["data"]], first["has_more"]) == (names[:0:-1], True)
    rest = (await api.get(BATCHES, params={"limit": 2, "after": first["last_id"]}, headers=key)).json()
    assert ([batch["id"] for batch in rest["data"]], rest["has_more"]) == (names[:1], False)
    assert (await api.get(BATCHES, params={"limit": 101}, headers=key)).status_code == 400
