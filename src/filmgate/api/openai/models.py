"""Answer for models on OpenAI's wire: list, retrieve."""

from datetime import UTC, datetime, time
from typing import Any, Final

from litestar import Request, Response, get

from filmgate.api.answers import encode
from filmgate.api.auth import authenticate
from filmgate.api.bodies import json_response
from filmgate.api.face import face_of
from filmgate.api.openai.shapes import ModelObject, ModelObjectList
from filmgate.api.openai.words import unix_seconds
from filmgate.domain.errors import FieldProblem, UnknownModel
from filmgate.domain.routing import Route

HttpRequest = Request[Any, Any, Any]
MODELS_PATH: Final = "/v1/models"
_SHOWN: Final = 100


@get(MODELS_PATH)
async def list_openai_models(request: HttpRequest) -> Response[bytes]:
    """List every name that can be asked for."""
    await authenticate(request)
    routes = face_of(request).services.catalog.models()
    return json_response(encode(ModelObjectList(data=tuple(map(model_object, routes)))))


@get(f"{MODELS_PATH}/{{modelId:path}}")
async def retrieve_openai_model(request: HttpRequest) -> Response[bytes]:
    """Tell what is known of one name; names may hold slashes."""
    await authenticate(request)
    name = str(request.path_params["modelId"]).removeprefix("/")
    for route in face_of(request).services.catalog.models():
        if route.name == name:
            return json_response(encode(model_object(route)))
    message = f"The model '{name[:_SHOWN]}' does not exist here."
    raise UnknownModel([FieldProblem("model", message, "model_not_found", "See GET /v1/models.")])


def model_object(route: Route) -> ModelObject:
    """Return a name that can be asked for as OpenAI's SDKs know it."""
    first = route.targets[0].capability
    since = datetime.combine(first.price_date, time(), UTC)
    owner = "filmgate" if route.alias else first.provider
    return ModelObject(id=route.name, created=unix_seconds(since), owned_by=owner)
