"""Every operation, asked by another project with the ids of the first: nothing is seen or touched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
import pytest

from filmgate.api.operations import OPERATIONS, Operation
from filmgate.app import Gate
from filmgate.domain.ids import new_id
from tests.integration import filing
from tests.integration.makers import until
from tests.integration.openai_wire import TINY, create, finished, picture

pytestmark = pytest.mark.anyio

Headers = dict[str, str]
BY_NAME = {operation.name: operation for operation in OPERATIONS}
# What providers call, and what tells nothing of anybody.
KEYLESS = {"takeCallback", "getHealth", "getReadiness"}


@dataclass(frozen=True)
class Probe:
    """A request that names things; ``{job}`` and the like stand for their ids."""

    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])


# With ids in their path: whatever else they bring, another project's is not there.
IN_PATH: dict[str, Probe] = {
    "getVideo": Probe(),
    "getVideoResult": Probe(),
    "getVideoContent": Probe(),
    "headVideoContent": Probe(),
    "cancelVideo": Probe(),
    "getBatch": Probe(),
    "cancelBatch": Probe(),
    "getOpenAIVideo": Probe(),
    "deleteOpenAIVideo": Probe(),
    "getOpenAIVideoContent": Probe(),
    "remixOpenAIVideo": Probe({"prompt": "the same in snow"}),
    "getOpenAICharacter": Probe(),
    "getFile": Probe(),
    "getFileContent": Probe(),
    "deleteFile": Probe(),
    "getFileBatch": Probe(),
    "cancelFileBatch": Probe(),
    "getWebhookEndpoint": Probe(),
    "updateWebhookEndpoint": Probe({"name": "mine now"}),
    "deleteWebhookEndpoint": Probe(),
    "rotateWebhookEndpointSecret": Probe({}),
    "testWebhookEndpoint": Probe({"event_type": "video.completed"}),
    "listWebhookDeliveries": Probe(),
    "getWebhookDelivery": Probe(),
    "resendWebhookDelivery": Probe(),
}
# With ids in their bodies: the answer is that to an id that nobody has.
_FILM = {"video": {"id": "{job}"}}
IN_BODY: dict[str, tuple[Probe, ...]] = {
    "createOpenAIVideo": (
        Probe(TINY | {"input_reference": {"file_id": "{image}"}}),
        Probe(TINY | {"input_reference": "{image}"}),
        Probe(TINY | {"prompt": "Mossy", "characters": [{"id": "{character}"}]}),
    ),
    "editOpenAIVideo": (Probe(_FILM | {"prompt": "x"}), Probe({"video": "{job}", "prompt": "x"})),
    "extendOpenAIVideo": (Probe(_FILM | {"prompt": "x", "seconds": "1"}),),
    "createOpenAICharacter": (Probe(_FILM | {"name": "Mossy"}),),
    "createFileBatch": (
        Probe({"input_file_id": "{file}", "endpoint": "/v1/videos", "completion_window": "24h"}),
        Probe({"input_file_id": "{output}", "endpoint": "/v1/videos", "completion_window": "24h"}),
    ),
}
# Lists and sums, also from behind another project's thing: empty.
LISTS: dict[str, tuple[Probe, ...]] = {
    "listVideos": (Probe(), Probe(query={"batchId": "{batch}"})),
    "listBatches": (Probe(),),
    "getUsage": (
        Probe(),
        Probe(query={"by": "batch"}),
    ),
    "listOpenAIVideos": (Probe(), Probe(query={"after": "{job}", "order": "asc"})),
    "listFiles": (Probe(), Probe(query={"after": "{file}", "order": "asc"})),
    "listFileBatches": (Probe(), Probe(query={"after": "{batch}"})),
    "listWebhookEndpoints": (Probe(), Probe(query={"after": "{endpoint}"})),
}
# What names nothing, and tells what is the same for everybody.
OPEN = {
    "createVideo",
    "createBatch",
    "listModels",
    "listOpenAIModels",
    "getOpenAIModel",
    "createFile",
    "createWebhookEndpoint",
    "listWebhookEventTypes",
}
WITH_KEY = sorted(set(BY_NAME) - KEYLESS)


@dataclass
class Estate:
    """Everything that there can be in a project, by the word that stands for it."""

    api: httpx2.AsyncClient
    owner: Headers
    stranger: Headers
    ids: dict[str, str]

    @property
    def nobodys(self) -> dict[str, str]:
        """Ids of the same kinds that nothing has."""
        return {word: _alike(name) for word, name in self.ids.items()}

    async def ask(
        self, operation: Operation, probe: Probe, ids: Mapping[str, str], headers: Headers
    ) -> httpx2.Response:
        path = operation.path.format(**_in_path(operation.path, ids))
        return await self.api.request(
            operation.method.upper(),
            path,
            params={name: _put(value, ids) for name, value in probe.query.items()},
            json=None if probe.body is None else _put(probe.body, ids),
            headers=headers,
        )

    async def shown(self) -> dict[str, Any]:
        """Return all that the owner sees of it, but for when it was last asked."""
        paths = {
            "video": f"/v1/videos/{self.ids['job']}",
            "content": f"/v1/videos/{self.ids['job']}/content",
            "waiting": f"/api/v1/videos/{self.ids['waiting']}",
            "videos": "/v1/videos",
            "character": f"/v1/videos/characters/{self.ids['character']}",
            "files": "/v1/files",
            "batch": f"/v1/batches/{self.ids['batch']}",
            "endpoint": f"/v1/webhook_endpoints/{self.ids['endpoint']}",
            "delivery": f"/v1/webhook_endpoints/{self.ids['endpoint']}/deliveries/{self.ids['delivery']}",
        }
        seen: dict[str, Any] = {}
        for name, path in paths.items():
            answer = await self.api.get(path, headers=self.owner)
            assert answer.status_code == 200, (path, answer.text)
            seen[name] = len(answer.content) if name == "content" else answer.json()
        # It goes on meanwhile, but nobody else may stop it.
        seen["waiting"] = seen["waiting"]["status"] in {"pending", "processing", "completed"}
        seen["videos"] = [video["id"] for video in seen["videos"]["data"]]
        seen["delivery"] = seen["delivery"]["subject_id"]
        return seen


@pytest.fixture
async def estate(working_gate: Gate, working_api: httpx2.AsyncClient, key: Headers) -> Estate:
    _, secret = await working_gate.services.keys.create("stranger")
    ids = await _furnish(working_api, key)
    return Estate(working_api, key, {"Authorization": f"Bearer {secret}"}, ids)


async def _furnish(api: httpx2.AsyncClient, owner: Headers) -> dict[str, str]:
    hook = {"name": "Room", "url": "http://127.0.0.1:9/hook", "event_types": ["video.completed"]}
    endpoint = (await api.post("/v1/webhook_endpoints", json=hook, headers=owner)).json()["id"]
    job = (await create(api, owner, **TINY))["id"]
    assert (await finished(api, owner, job))["status"] == "completed"
    told: list[dict[str, Any]] = []

    async def noted() -> bool:
        page = await api.get(f"/v1/webhook_endpoints/{endpoint}/deliveries", headers=owner)
        told[:] = page.json()["data"]
        return bool(told)

    await until(noted, seconds=30)
    film = {"name": "Mossy", "video": {"id": job}}
    character = await api.post("/v1/videos/characters", json=film, headers=owner)
    image = await filing.upload(api, owner, picture(), "vision")
    batch = await filing.ask(api, owner, filing.written(filing.line("one")))
    ended = await filing.ended(api, owner, batch["id"], "completed")
    waiting = await create(api, owner, **TINY | {"seconds": "20", "prompt": "a long one"})
    return {
        "job": job,
        "waiting": waiting["id"],
        "character": character.json()["id"],
        "image": image["id"],
        "file": ended["input_file_id"],
        "output": ended["output_file_id"],
        "batch": ended["id"],
        "endpoint": endpoint,
        "delivery": told[0]["id"],
    }


def _alike(name: str) -> str:
    kind, _, _ = name.partition("_")
    return new_id(kind)


def _in_path(path: str, ids: Mapping[str, str]) -> dict[str, str]:
    words = {"file": "file", "batch": "batch", "character": "character", "job": "job"}
    words |= {"endpoint": "endpoint", "delivery": "delivery"}
    named = {f"{word}Id": ids[known] for word, known in words.items()}
    return {**named, "modelId": "sora-2"}


def _put(value: Any, ids: Mapping[str, str]) -> Any:
    """Return a value with ids in the places of their words."""
    if isinstance(value, str):
        return value.format(**ids)
    if isinstance(value, list):
        return [_put(one, ids) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _put(one, ids) for name, one in cast("dict[str, Any]", value).items()}
    return value


def _plain(answer: httpx2.Response, ids: Mapping[str, str]) -> tuple[int, str]:
    """Return an answer without what differs from one request to the next."""
    text = answer.text
    for word, name in ids.items():
        text = text.replace(name, f"<{word}>")
    return answer.status_code, text.replace(answer.headers.get("x-request-id", "\0"), "<request>")


def test_every_operation_has_its_place_here() -> None:
    placed = [*KEYLESS, *IN_PATH, *IN_BODY, *LISTS, *OPEN]
    assert len(placed) == len(set(placed)), "an operation is in two places"
    assert set(placed) == set(BY_NAME), "say what a new operation tells to strangers"
    assert {operation.name for operation in OPERATIONS if operation.keyless} == KEYLESS
    # Whatever has an id in its path has to be asked for another project's.
    for operation in OPERATIONS:
        if "{" in operation.path:
            assert operation.name in {*IN_PATH, "takeCallback", "getOpenAIModel"}, operation.path


async def test_strangers_are_told_that_nothing_is_there(estate: Estate) -> None:
    before = await estate.shown()
    for name, probe in IN_PATH.items():
        operation = BY_NAME[name]
        theirs = await estate.ask(operation, probe, estate.ids, estate.stranger)
        assert theirs.status_code == 404, (name, theirs.text)
        nobodys = estate.nobodys
        none = await estate.ask(operation, probe, nobodys, estate.stranger)
        assert _plain(theirs, estate.ids) == _plain(none, nobodys), f"{name} tells them apart"
        # A video in the making is no more there than a finished one.
        if "{jobId}" in operation.path:
            waiting = await estate.ask(
                operation, probe, estate.ids | {"job": estate.ids["waiting"]}, estate.stranger
            )
            assert waiting.status_code == 404, (name, waiting.text)
    assert await estate.shown() == before


async def test_a_delivery_is_not_found_through_an_endpoint_of_ones_own(estate: Estate) -> None:
    hook = {"name": "Mine", "url": "http://127.0.0.1:9/hook", "event_types": ["video.failed"]}
    own = (await estate.api.post("/v1/webhook_endpoints", json=hook, headers=estate.stranger)).json()["id"]
    mixed = estate.ids | {"endpoint": own}
    for name in ("getWebhookDelivery", "resendWebhookDelivery"):
        answer = await estate.ask(BY_NAME[name], Probe(), mixed, estate.stranger)
        assert answer.status_code == 404, (name, answer.text)
    behind = Probe(query={"after": "{delivery}"})
    page = await estate.ask(BY_NAME["listWebhookDeliveries"], behind, mixed, estate.stranger)
    assert (page.status_code, page.json()["data"]) == (200, [])


async def test_ids_of_a_stranger_in_a_body_are_ids_of_nobody(estate: Estate) -> None:
    before = await estate.shown()
    for name, probes in IN_BODY.items():
        for probe in probes:
            theirs = await estate.ask(BY_NAME[name], probe, estate.ids, estate.stranger)
            assert theirs.status_code in {400, 404}, (name, theirs.text)
            nobodys = estate.nobodys
            none = await estate.ask(BY_NAME[name], probe, nobodys, estate.stranger)
            assert _plain(theirs, estate.ids) == _plain(none, nobodys), f"{name} tells them apart"
            mine = await estate.ask(BY_NAME[name], probe, estate.ids, estate.owner)
            if probe.body is None or "{output}" not in str(probe.body):
                assert mine.status_code == 200, ("the probe itself is wrong", name, mine.text)
    seen = await estate.api.get("/v1/videos", headers=estate.stranger)
    assert seen.json()["data"] == []
    after = await estate.shown()
    for name in ("video", "content", "character", "endpoint", "delivery", "files"):
        assert after[name] == before[name]


async def test_lines_of_a_file_name_nothing_of_a_stranger(estate: Estate) -> None:
    # With a picture the line is right but for whose picture it is.
    lines = filing.written(
        filing.line("image", input_reference={"file_id": estate.ids["image"]}),
        filing.line("character", prompt="Mossy", characters=[{"id": estate.ids["character"]}]),
    )
    batch = await filing.ask(estate.api, estate.stranger, lines)
    ended = await filing.ended(estate.api, estate.stranger, batch["id"], "completed")
    assert ended["request_counts"] == {"total": 2, "completed": 0, "failed": 2}
    refused = await filing.lines_of(estate.api, estate.stranger, ended["error_file_id"])
    for custom_id, param in (("image", "input_reference[file_id]"), ("character", "characters")):
        response = refused[custom_id]["response"]
        assert response["status_code"] in {400, 404}
        assert response["body"]["error"]["param"] == param
        assert response["body"]["error"]["code"] == "not_found"


async def test_lists_and_sums_hold_nothing_of_a_stranger(estate: Estate) -> None:
    for name, probes in LISTS.items():
        for probe in probes:
            answer = await estate.ask(BY_NAME[name], probe, estate.ids, estate.stranger)
            assert answer.status_code == 200, (name, answer.text)
            for word, owned in estate.ids.items():
                assert owned not in answer.text, f"{name} shows a stranger's {word}"
            found: dict[str, Any] = answer.json()
            assert [] in found.values(), (name, answer.text)


async def test_without_a_key_nothing_is_told_at_all(estate: Estate) -> None:
    probes = {**dict.fromkeys(WITH_KEY, Probe()), **IN_PATH}
    probes |= {name: some[0] for name, some in {**IN_BODY, **LISTS}.items()}
    before = await estate.shown()
    for name in WITH_KEY:
        for headers in ({}, {"Authorization": "Bearer fg_nobody"}):
            answer = await estate.ask(BY_NAME[name], probes[name], estate.ids, headers)
            assert answer.status_code == 401, (name, answer.text)
            for word, owned in estate.ids.items():
                if owned not in str(answer.request.url):
                    assert owned not in answer.text, f"{name} shows a stranger's {word}"
    assert await estate.shown() == before


async def test_a_link_opens_the_video_that_it_was_signed_for_and_no_other(estate: Estate) -> None:
    own = (await create(estate.api, estate.stranger, **TINY))["id"]
    assert (await finished(estate.api, estate.stranger, own))["status"] == "completed"
    shown = await estate.api.get(f"/api/v1/videos/{own}", headers=estate.stranger)
    link = str(shown.json()["result"]["videoUrl"])
    assert (await estate.api.get(link)).status_code == 200
    assert (await estate.api.get(link.replace(own, estate.ids["job"]))).status_code == 401
