"""Files over OpenAI's wire: uploaded, listed, downloaded, deleted, cleared away."""

import hashlib
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from openai.types import FileDeleted, FileObject

from filmgate.app import Gate
from filmgate.domain.errors import InvalidRequest, NotFound
from filmgate.domain.file import MAX_FILE_BYTES, File, Purpose
from filmgate.domain.ids import new_id
from filmgate.domain.key import ROOT_KEY_ID, Key
from filmgate.repositories.files import FileRepository
from tests.integration.filing import FILES, upload

pytestmark = pytest.mark.anyio

CONTENT = b'{"custom_id": "a"}\n' * 3
NOWHERE = new_id("file")


def assets(gate: Gate) -> list[str]:
    folder = gate.settings.data / "assets" / "files"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


async def rows(gate: Gate) -> dict[str, str]:
    return {row["id"]: row["state"] for row in await gate.database.fetch("SELECT id, state FROM files")}


async def test_a_file_is_uploaded_shown_and_downloaded_whole_and_in_part(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await upload(api, key, CONTENT)
    FileObject.model_validate(made, strict=True)
    assert set(made) == set(FileObject.model_fields)
    assert (made["bytes"], made["filename"], made["purpose"]) == (len(CONTENT), "shots.jsonl", "batch")
    assert made["expires_at"] - made["created_at"] == timedelta(days=30).total_seconds()
    shown = await api.get(f"{FILES}/{made['id']}", headers=key)
    assert shown.json() == made
    answer = await api.get(f"{FILES}/{made['id']}/content", headers=key)
    assert (answer.content, answer.headers["content-type"]) == (CONTENT, "application/jsonl")
    assert answer.headers["content-disposition"] == 'attachment; filename="shots.jsonl"'
    assert answer.headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()[:32]}"'
    part = await api.get(f"{FILES}/{made['id']}/content", headers=key | {"range": "bytes=2-9"})
    assert (part.status_code, part.content) == (206, CONTENT[2:10])
    assert assets(gate) == [made["id"]]


async def test_a_file_is_kept_for_as_long_as_was_asked(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    life = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = await upload(api, key, CONTENT, "vision", **life)
    assert made["expires_at"] - made["created_at"] == 3600
    assert (await upload(api, key, CONTENT, "user_data"))["expires_at"] is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "purpose"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"purpose": "poetry"}, "purpose"),
        ({"purpose": "batch", "colour": "red"}, "colour"),
        ({"purpose": "batch", "expires_after[anchor]": "created_at"}, "expires_after[seconds]"),
        (
            {"purpose": "batch", "expires_after[anchor]": "now", "expires_after[seconds]": "3600"},
            "expires_after[anchor]",
        ),
        (
            {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"},
            "expires_after[seconds]",
        ),
    ],
)
async def test_an_upload_that_is_wrong_is_refused_and_leaves_nothing(
    fields: dict[str, str], param: str, api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    form = {name: (None, text) for name, text in fields.items()}
    answer = await api.post(FILES, files={**form, "file": ("a.jsonl", CONTENT)}, headers=key)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert (await rows(gate), assets(gate)) == ({}, [])
    assert list((gate.settings.data / "assets" / ".work").glob("*")) == []


@pytest.mark.parametrize("content", [None, b""])
async def test_an_upload_without_bytes_is_refused(
    content: bytes | None, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    form: dict[str, Any] = {"purpose": (None, "batch")}
    if content is not None:
        form["file"] = ("a.jsonl", content)
    answer = await api.post(FILES, files=form, headers=key)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


async def test_a_file_that_is_too_large_is_refused_while_it_arrives(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    form = {"purpose": (None, "batch"), "file": ("a.jsonl", bytes(MAX_FILE_BYTES + 1))}
    answer = await api.post(FILES, files=form, headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert (await rows(gate), assets(gate)) == ({}, [])


async def test_files_are_listed_in_pages_either_way(api: httpx2.AsyncClient, key: dict[str, str]) -> None:
    made = [
        (await upload(api, key, CONTENT, "vision" if number % 2 else "batch"))["id"] for number in range(5)
    ]
    page = (await api.get(FILES, headers=key)).json()
    assert [file["id"] for file in page["data"]] == made[::-1]
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, made[-1], made[0])
    first = (await api.get(FILES, params={"limit": 2, "order": "asc"}, headers=key)).json()
    assert ([file["id"] for file in first["data"]], first["has_more"]) == (made[:2], True)
    params = {"limit": 3, "order": "asc", "after": first["last_id"]}
    rest = (await api.get(FILES, params=params, headers=key)).json()
    assert ([file["id"] for file in rest["data"]], rest["has_more"]) == (made[2:], False)
    seen = (await api.get(FILES, params={"purpose": "vision"}, headers=key)).json()
    assert [file["id"] for file in seen["data"]] == [made[3], made[1]]
    assert (await api.get(FILES, params={"limit": 0}, headers=key)).status_code == 400
    assert (await api.get(FILES, params={"purpose": "poetry"}, headers=key)).status_code == 400


async def test_a_deleted_file_is_gone_with_its_bytes(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await upload(api, key, CONTENT)
    answer = await api.delete(f"{FILES}/{made['id']}", headers=key)
    FileDeleted.model_validate(answer.json(), strict=True)
    assert answer.json() == {"id": made["id"], "object": "file", "deleted": True}
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert (await api.request(method, f"{FILES}/{made['id']}{path}", headers=key)).status_code == 404
    assert (await rows(gate), assets(gate)) == ({}, [])


async def test_another_project_sees_nothing_of_a_file(
    api: httpx2.AsyncClient, key: dict[str, str], other_key: dict[str, str]
) -> None:
    made = await upload(api, key, CONTENT)
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = await api.request(method, f"{FILES}/{made['id']}{path}", headers=other_key)
        assert answer.status_code == 404
    assert (await api.get(FILES, headers=other_key)).json()["data"] == []
    assert (await api.get(f"{FILES}/{made['id']}", headers=key)).status_code == 200


@pytest.mark.parametrize("name", ["file_nothing", "%00", "file-abc123", "job_01m81yg0dp1nyzs5x1mbqn4c4j"])
async def test_a_file_that_is_not_there_is_not_found(
    name: str, api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    answer = await api.get(f"{FILES}/{name}", headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_files_need_a_key(api: httpx2.AsyncClient) -> None:
    for method, path in (("POST", ""), ("GET", ""), ("GET", f"/{NOWHERE}"), ("DELETE", f"/{NOWHERE}")):
        assert (await api.request(method, f"{FILES}{path}")).status_code == 401


async def test_an_upload_sent_again_with_its_key_makes_one_file(
    api: httpx2.AsyncClient, key: dict[str, str]
) -> None:
    headers = key | {"Idempotency-Key": "upload-1"}
    first = await upload(api, headers, CONTENT)
    assert await upload(api, headers, CONTENT) == first
    assert len((await api.get(FILES, headers=key)).json()["data"]) == 1
    form = {"purpose": (None, "batch"), "file": ("shots.jsonl", b"something else")}
    other = await api.post(FILES, files=form, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_key_reused")


async def test_what_has_expired_is_not_shown_and_is_cleared_away(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    old, kept = await upload(api, key, CONTENT), await upload(api, key, CONTENT)
    await gate.database.execute("UPDATE files SET expires_at = now() WHERE id = $1", old["id"])
    assert (await api.get(f"{FILES}/{old['id']}", headers=key)).status_code == 404
    assert [file["id"] for file in (await api.get(FILES, headers=key)).json()["data"]] == [kept["id"]]
    await gate.services.files.clear()
    assert (await rows(gate), assets(gate)) == ({kept["id"]: "kept"}, [kept["id"]])


async def test_what_a_crash_left_half_there_is_cleared_away(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    cut, leaving, fresh = [(await upload(api, key, CONTENT))["id"] for _ in range(3)]
    await gate.database.execute(
        "UPDATE files SET state = 'arriving', created_at = now() - interval '2 hours' WHERE id = $1", cut
    )
    await gate.database.execute("UPDATE files SET state = 'leaving' WHERE id = $1", leaving)
    await gate.database.execute("UPDATE files SET state = 'arriving' WHERE id = $1", fresh)
    assert (await api.get(FILES, headers=key)).json()["data"] == []
    await gate.services.files.clear()
    assert (await rows(gate), assets(gate)) == ({fresh: "arriving"}, [fresh])


async def test_a_file_is_opened_for_its_own_project_only_and_up_to_a_size(
    api: httpx2.AsyncClient, key: dict[str, str], gate: Gate
) -> None:
    made = await upload(api, key, b"\x89PNG\r\n\x1a\nrest", "vision")
    project = await gate.database.value("SELECT project FROM files")
    owner = Key(ROOT_KEY_ID, "", project, "")
    opened = await gate.services.files.open(owner, made["id"])
    assert (opened.media_type, opened.data[:4]) == ("image/png", b"\x89PNG")
    with pytest.raises(NotFound):
        await gate.services.files.open(Key("key_x", "", "another", ""), made["id"])
    with pytest.raises(InvalidRequest):
        await gate.services.files.open(owner, made["id"], limit=3)


async def test_a_file_that_was_cleared_away_while_it_arrived_is_not_called_kept(gate: Gate) -> None:
    made = await gate.database.value("SELECT now()")
    file = File(new_id("file"), "p", Purpose.BATCH, "a", "text/plain", 1, "00", made)
    files = FileRepository(gate.database)
    await files.announce(file)
    assert await files.keep(file)
    assert await files.keep(file)
    await gate.database.execute("DELETE FROM files")
    assert not await files.keep(file)
