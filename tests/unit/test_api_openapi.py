"""The documentation is complete, true to the structs, and needs no other host."""

import hashlib
import json
import re
import tomllib
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from filmgate.api.application import HANDLERS
from filmgate.api.docs import CONTENT_SECURITY, DOCS_HANDLERS
from filmgate.api.errors import ALL_KINDS
from filmgate.api.openapi import openapi_document
from filmgate.api.operations import OPERATIONS, TAGS, Operation

WEB = files("filmgate.web")
DOCUMENT: dict[str, Any] = json.loads(msgspec.json.encode(openapi_document("1.0.0")))
OPERATION_IDS = [f"{operation.method} {operation.path}" for operation in OPERATIONS]
ELSEWHERE = re.compile(r"(?:https?:)?//(?!www\.w3\.org)")


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set[str]()
        return own.union(*(references(value) for value in node.values()))
    return set[str]().union(*(references(value) for value in node)) if isinstance(node, list) else set()


def test_every_handler_is_documented_and_nothing_else() -> None:
    served = {
        (method.lower(), re.sub(r":\w+\}", "}", path))
        for handler in HANDLERS
        if handler not in DOCS_HANDLERS
        for method in handler.http_methods
        for path in handler.paths
    }
    documented = {
        (operation.method, operation.path) for operation in OPERATIONS if operation.method != "head"
    }
    assert documented == served


def test_the_document_is_openapi_3_1_with_a_bearer_scheme() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"
    assert [tag["name"] for tag in DOCUMENT["tags"]] == list(TAGS)


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        node = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_operation_ids_are_unique() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=OPERATION_IDS)
def test_an_operation_is_described_in_full(operation: Operation) -> None:
    described = DOCUMENT["paths"][operation.path][operation.method]
    assert described["summary"]
    assert described["description"].endswith(".")
    assert described["tags"][0] in TAGS
    assert all(parameter["description"] for parameter in described["parameters"])
    assert set(described["responses"]) >= {str(status) for status in (*operation.answers, 500)}
    assert operation.keyless or {"401", "503"} <= set(described["responses"])
    for response in described["responses"].values():
        for content in response.get("content", {}).values():
            assert not content or content["examples"]
    if operation.body is not None:
        assert described["requestBody"]["content"]["application/json"]["examples"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=OPERATION_IDS)
def test_the_examples_of_an_operation_are_what_the_structs_take(operation: Operation) -> None:
    for example in operation.body_examples.values():
        msgspec.convert(example, operation.body)
    for answer in operation.answers.values():
        for example in answer.examples.values():
            assert answer.struct is not None
            read = msgspec.convert(example, answer.struct)
            assert json.loads(msgspec.json.encode(read)) == example


def test_every_error_is_documented_with_an_example() -> None:
    shown = {
        code
        for response in DOCUMENT["components"]["responses"].values()
        for content in response["content"].values()
        for code in content["examples"]
    }
    assert shown == {kind.code for kind in ALL_KINDS}


def test_every_field_that_is_a_moment_says_so() -> None:
    properties = DOCUMENT["components"]["schemas"]["VideoBody"]["properties"]
    assert properties["createdAt"]["format"] == "date-time"


@pytest.mark.parametrize("page", ["docs.html", "errors.html", "docs.js", "docs.css"])
def test_a_page_loads_nothing_from_elsewhere_and_runs_no_inline_script(page: str) -> None:
    text = WEB.joinpath(page).read_text("utf-8")
    assert not ELSEWHERE.search(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|javascript:", text)
    assert "script-src" not in CONTENT_SECURITY
    assert "default-src 'self'" in CONTENT_SECURITY


def test_vendored_files_are_byte_for_byte_what_the_manifest_says() -> None:
    vendor = WEB.joinpath("vendor")
    manifest = tomllib.loads(vendor.joinpath("VENDOR.toml").read_text("utf-8"))
    stated = {name: digest for entry in manifest["package"] for name, digest in entry["sha256"].items()}
    found = {
        item.name: hashlib.sha256(item.read_bytes()).hexdigest()
        for item in vendor.iterdir()
        if item.name != "VENDOR.toml"
    }
    assert found == stated


def test_every_vendored_package_brings_its_licence() -> None:
    manifest = tomllib.loads(WEB.joinpath("vendor/VENDOR.toml").read_text("utf-8"))
    for entry in manifest["package"]:
        assert entry["version"]
        assert entry["licence"]
        assert set(entry["licence_files"]) <= set(entry["sha256"])
