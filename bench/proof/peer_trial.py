"""Create one video a prompt with a vendor's own client as it comes; run by the peers' Python, not ours."""

import asyncio
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module


def with_openai(twin: str) -> Callable[[str], object]:
    """Return a create by OpenAI's client."""
    openai = import_module("openai")
    client = openai.OpenAI(api_key="sk-peer", base_url=f"{twin}/openai/v1")
    return lambda prompt: client.videos.create(model="sora-2", prompt=prompt, seconds="4", size="1280x720")


def with_litellm(twin: str) -> Callable[[str], object]:
    """Return a create by LiteLLM's function."""
    litellm = import_module("litellm")
    return lambda prompt: litellm.video_generation(
        model="openai/sora-2", prompt=prompt, seconds="4", size="1280x720",
        api_key="sk-peer", api_base=f"{twin}/openai/v1",
    )  # fmt: skip


def with_litellm_router(twin: str) -> Callable[[str], object]:
    """Return a create by LiteLLM's router, which its proxy uses."""
    litellm = import_module("litellm")
    parameters = {"model": "openai/sora-2", "api_key": "sk-peer", "api_base": f"{twin}/openai/v1"}
    router = litellm.Router(model_list=[{"model_name": "film", "litellm_params": parameters}])

    def create(prompt: str) -> object:
        return asyncio.run(
            router.avideo_generation(model="film", prompt=prompt, seconds="4", size="1280x720")
        )

    return create


def with_runwayml(twin: str) -> Callable[[str], object]:
    """Return a create by Runway's client."""
    runwayml = import_module("runwayml")
    client = runwayml.RunwayML(api_key="key_peer", base_url=f"{twin}/runway")
    return lambda prompt: client.text_to_video.create(
        model="gen4.5", prompt_text=prompt, ratio="1280:720", duration=2
    )


def with_fal_client(twin: str) -> Callable[[str], object]:
    """Return a submit by fal's client, which knows no other address than fal's unless told."""
    os.environ["FAL_KEY"] = "id:peer"
    fal_client = import_module("fal_client")
    import_module("fal_client.client").QUEUE_URL_FORMAT = f"{twin}/fal/queue/"
    client = fal_client.SyncClient(key="id:peer")
    return lambda prompt: client.submit(
        "fal-ai/veo3.1", {"prompt": prompt, "duration": "4s", "resolution": "720p", "aspect_ratio": "16:9"}
    )


def with_replicate(twin: str) -> Callable[[str], object]:
    """Return a create by Replicate's client."""
    replicate = import_module("replicate")
    client = replicate.Client(api_token="r8_peer", base_url=f"{twin}/replicate")
    return lambda prompt: client.models.predictions.create("google/veo-3.1-fast", input={"prompt": prompt})


CLIENTS = {
    "openai": (with_openai, "openai"),
    "litellm": (with_litellm, "litellm"),
    "litellm-router": (with_litellm_router, "litellm"),
    "runwayml": (with_runwayml, "runwayml"),
    "fal-client": (with_fal_client, "fal-client"),
    "replicate": (with_replicate, "replicate"),
}


def main() -> None:
    """Create once a prompt, whatever comes of it, and say with which version."""
    asked = json.loads(sys.argv[1])
    build, package = CLIENTS[asked["client"]]
    create = build(asked["twin"])
    ends = []
    for prompt in asked["prompts"]:
        try:
            create(prompt)
        except Exception as error:  # noqa: BLE001 - whatever the client ends with is its own affair
            ends.append(f"{type(error).__name__}: {error}"[:200])
        else:
            ends.append("answered")
    print(json.dumps({"version": importlib.metadata.version(package), "ends": ends}))


if __name__ == "__main__":
    main()
