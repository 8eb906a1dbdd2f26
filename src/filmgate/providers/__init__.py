"""Hold one file per vendor; the table names where each is found."""

from collections.abc import Mapping

PROVIDERS: Mapping[str, str] = {
    "ark": "filmgate.providers.ark:connect",
    "embedded": "filmgate.providers.embedded:Embedded",
    "fal": "filmgate.providers.fal:connect",
    "gemini": "filmgate.providers.gemini:connect",
    "litellm": "filmgate.providers.openai_wire:connect",
    "openai": "filmgate.providers.openai_wire:connect",
    "replicate": "filmgate.providers.replicate:connect",
    "runway": "filmgate.providers.runway:connect",
    "sglang": "filmgate.providers.openai_wire:connect",
    "vllm": "filmgate.providers.openai_wire:connect",
}
