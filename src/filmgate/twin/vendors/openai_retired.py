"""Be OpenAI after 2026-09-24, when its videos API was switched off."""

from filmgate.twin.calls import Answer, Call, Route
from filmgate.twin.vendors.openai import OpenAI
from filmgate.twin.vendors.openai_objects import openai_error


class RetiredOpenAI(OpenAI):
    """Refuse everything; /model or /gone before /v1 picks another shape of the refusal."""

    name = "openai-retired"

    def routes(self) -> list[Route]:
        """Return every operation under every shape of refusal: route, model, gone."""
        alive = super().routes()
        paths = [(route, way) for route in alive for way in ("", "/model", "/gone")]
        return [Route(route.method, way + route.path, route.operation, self.refuse) for route, way in paths]

    async def refuse(self, call: Call) -> Answer:
        """Refuse, in the shape that the path asks for; which one OpenAI gives was not recorded."""
        path = call.request.path.removeprefix(f"/{self.name}")
        if path.startswith("/gone"):
            return Answer(openai_error("The Videos API has been retired.", "invalid_request_error"), 410)
        if path.startswith("/model"):
            message = "The model 'sora-2' does not exist or you do not have access to it."
            return Answer(openai_error(message, "invalid_request_error", code="model_not_found"), 404)
        return self.unrouted(404, call.request.method, path)
