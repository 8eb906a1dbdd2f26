"""Hold one file per vendor; the table names where each is found."""

from collections.abc import Mapping

PROVIDERS: Mapping[str, str] = {
    "embedded": "filmgate.providers.embedded:Embedded",
    "fal": "filmgate.providers.fal:connect",
    "openai_wire": "filmgate.providers.openai_wire:connect",
    "replicate": "filmgate.providers.replicate:connect",
}
