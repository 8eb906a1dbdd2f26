"""Use a gateway with the unmodified LiteLLM, as its OpenAI provider, and print as JSON what it saw.

Run by the interpreter of a venv that holds LiteLLM: it imports nothing of this project.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# What models cost is read from the package, and not from the Internet.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

URL, KEY, IMAGE = sys.argv[1:4]
GATE: dict[str, Any] = {"api_base": f"{URL}/v1", "api_key": KEY}
TINY: dict[str, Any] = {"model": "openai/procedural-1", "seconds": "1", "size": "360x640"}
_FILM_SECONDS = 180


def a_film() -> dict[str, Any]:
    """Create, poll and download, as LiteLLM's users do."""
    video = litellm.video_generation(prompt="A red kite over a harbour", model="openai/sora-2", **GATE)
    created = video.status
    deadline = time.monotonic() + _FILM_SECONDS
    while video.status not in {"completed", "failed"} and time.monotonic() < deadline:
        time.sleep(0.5)
        video = litellm.video_status(video_id=video.id, **GATE)
    listed = litellm.video_list(limit=1, custom_llm_provider="openai", **GATE)
    remix = litellm.video_remix(video_id=video.id, prompt="the same at night", **GATE)
    return {
        "id": video.id,
        "created": created,
        "ended": video.status,
        "made": [video.model, video.seconds, video.size],
        "film": litellm.video_content(video_id=video.id, **GATE)[4:8].decode(),
        "poster": litellm.video_content(video_id=video.id, variant="thumbnail", **GATE)[:4].decode(),
        "listed": [one["status"] for one in listed["data"]],
        "remixed_from": remix.remixed_from_video_id,
    }


def extra_fields() -> str:
    """Send all that LiteLLM can send at once, and return the video's id."""
    with Path(IMAGE).open("rb") as image:
        video = litellm.video_generation(
            prompt="a kite",
            input_reference=image,
            user="u-1",
            extra_body={"seed": 7, "negative_prompt": "rain"},
            **TINY,
            **GATE,
        )
    return video.id


def a_key() -> list[str]:
    """Create twice with one key, and return both ids."""
    asked: dict[str, Any] = {**TINY, **GATE, "extra_headers": {"Idempotency-Key": "litellm-1"}}
    return [litellm.video_generation(prompt="a kite", **asked).id for _ in range(2)]


def a_refusal() -> dict[str, Any]:
    """Ask for what no model makes, and return what LiteLLM raised."""
    try:
        litellm.video_generation(prompt="a kite", **{**TINY, "seconds": "99"}, **GATE)
    except litellm.exceptions.BadRequestError as error:
        return {"status": error.status_code, "message": str(error)}
    return {}


def main() -> None:
    seen = {"film": a_film(), "extra": extra_fields(), "key": a_key(), "refusal": a_refusal()}
    sys.stdout.write(f"\n{json.dumps(seen)}")


main()
