"""Make the OpenAPI 3.1 document from the operations, the structs and the table of errors."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from filmgate.api.dialect import is_openai, status_of
from filmgate.api.errors import ALL_KINDS, JSON_TYPE, PROBLEM_TYPE, Kind, example_of
from filmgate.api.operations import OPERATIONS, TAGS, Answer, Operation
from filmgate.api.schemas import Problem

Document = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_COMMON_ERRORS: Final = (401, 500, 503)
_KEYLESS_ERRORS: Final = (500,)
_ABOUT: Final = (
    "A self-hosted gateway for video generation. A job once accepted is never lost, and no video is paid "
    "for twice.\n\nEvery call but the health checks needs a key: `Authorization: Bearer <key>`. Every error "
    "has the same body, explained at [/docs/errors](/docs/errors)."
)


def openapi_document(version: str) -> Document:
    """Return the whole document."""
    paths: dict[str, Document] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "filmgate",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": {
                _error_name(status, openai=openai): _error_response(status, openai=openai)
                for openai in (False, True)
                for status in _error_statuses(openai=openai)
            },
            "headers": {
                "RequestId": {
                    "description": "Yours if you sent a usable one, else ours; it is in the log.",
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {
                "bearerAuth": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of this server: API_KEY, or one made with `filmgate keys create`.",
                },
                "signedLink": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "signature",
                    "description": "The signature of a link that an answer gave; not to be made by hand.",
                },
            },
        },
    }


def _schemas() -> Document:
    structs: dict[str, Any] = {"Problem": Problem}
    for operation in OPERATIONS:
        for struct in (operation.body, *(answer.struct for answer in operation.answers.values())):
            if struct is not None:
                structs[struct.__name__] = struct
    _, components = msgspec.json.schema_components(structs.values(), ref_template=_REF)
    return components


def _operation(operation: Operation) -> Document:
    described: Document = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
        "security": _security(operation),
    }
    if operation.body is not None:
        content = _json_content(operation.body, operation.body_examples)
        if operation.multipart is not None:
            content["multipart/form-data"] = {"schema": _form_schema(operation.body, operation.multipart)}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _security(operation: Operation) -> list[Document]:
    if operation.keyless:
        return []
    ways: list[Document] = [{"bearerAuth": []}]
    if operation.path.endswith("/content"):
        ways.append({"signedLink": []})
    return ways


def _parameters(operation: Operation) -> list[Document]:
    parameters: list[Document] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"The {name.removesuffix('Id')}'s id, as the create gave it.",
            "schema": {"type": "string"},
            "example": _example_id(name),
        }
        for name in _PATH_PARAMETER.findall(operation.path)
    ]
    if operation.query is not None:
        _, components = msgspec.json.schema_components([operation.query], ref_template=_REF)
        properties = components[operation.query.__name__]["properties"]
        parameters.extend(_query_parameter(name, schema) for name, schema in properties.items())
    parameters.extend(
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in operation.headers.items()
    )
    return parameters


def _query_parameter(name: str, schema: Document) -> Document:
    # Left out and null are the same to a query, so only the kind that can be written is shown.
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    shown = dict(kinds[0])
    description = shown.pop("description", "")
    if schema.get("default") is not None:
        shown["default"] = schema["default"]
    return {"name": name, "in": "query", "description": description, "schema": shown}


def _responses(operation: Operation) -> Document:
    responses = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    common = _KEYLESS_ERRORS if operation.keyless else _COMMON_ERRORS
    for status in sorted({*operation.errors, *common}):
        name = _error_name(status, openai=is_openai(operation.path))
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{name}"})
    return responses


def _answer(answer: Answer) -> Document:
    headers: Document = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
    for name, text in answer.headers.items():
        headers[name] = {"description": text, "schema": {"type": "string"}}
    response: Document = {"description": answer.description, "headers": headers}
    if answer.struct is not None:
        response["content"] = _json_content(answer.struct, answer.examples)
    if answer.files:
        response.setdefault("content", {}).update({kind: {} for kind in answer.files})
    return response


def _json_content(struct: type[msgspec.Struct], examples: Mapping[str, Any]) -> Document:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": {"schema": {"$ref": _REF.format(name=struct.__name__)}, "examples": named}}


def _form_schema(struct: type[msgspec.Struct], files: tuple[str, ...]) -> Document:
    _, components = msgspec.json.schema_components([struct], ref_template=_REF)
    schema: Document = components[struct.__name__]
    properties = schema["properties"] | {name: {"type": "string", "format": "binary"} for name in files}
    return {"type": "object", "properties": properties, "required": schema.get("required", [])}


def _error_statuses(*, openai: bool) -> list[int]:
    return sorted({status_of(kind, openai=openai) for kind in ALL_KINDS})


def _error_name(status: int, *, openai: bool) -> str:
    return f"OpenAIError{status}" if openai else f"Error{status}"


def _error_response(status: int, *, openai: bool) -> Document:
    kinds: list[Kind] = [kind for kind in ALL_KINDS if status_of(kind, openai=openai) == status]
    return {
        "description": " ".join(f"`{kind.code}`: {kind.meaning}" for kind in kinds),
        "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}},
        "content": {
            JSON_TYPE if openai else PROBLEM_TYPE: {
                "schema": {"$ref": _REF.format(name="Problem")},
                "examples": {kind.code: {"value": example_of(kind, openai=openai)} for kind in kinds},
            }
        },
    }


def _example_id(name: str) -> str:
    return f"{name.removesuffix('Id')}_01k7m3z9f4t8q2v6x0c5b1n7dh"
