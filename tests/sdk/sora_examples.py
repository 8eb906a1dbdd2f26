"""The examples that OpenAI's SDK and guide had for Sora: the client is made of the environment alone.

Run by the interpreter of a venv that holds one version of the SDK, in an empty folder; what was seen is
printed as JSON.
"""

import json
import sys
import threading
import time
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from openai import OpenAI

warnings.filterwarnings("ignore", category=DeprecationWarning)

client = OpenAI()
told: list[Any] = []
secret: list[str] = []


class Receiver(BaseHTTPRequestHandler):
    """A webhook receiver, as the guide had it, without a framework."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        event = client.webhooks.unwrap(body, dict(self.headers), secret=secret[0])
        told.append(event)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing: what is printed is the outcome."""


def create_and_poll_by_hand() -> dict[str, Any]:
    video = client.videos.create(model="sora-2", prompt="A video of a cool cat on a motorcycle in the night")
    while video.status in ("in_progress", "queued"):
        time.sleep(0.5)
        video = client.videos.retrieve(video.id)
    return {"id": video.id, "status": video.status, "progress": video.progress}


def download_all_variants(video_id: str) -> dict[str, str]:
    client.videos.download_content(video_id, variant="video").write_to_file("video.mp4")
    client.videos.download_content(video_id, variant="thumbnail").write_to_file("thumbnail.webp")
    client.videos.download_content(video_id, variant="spritesheet").write_to_file("spritesheet.jpg")
    heads = {}
    for name in ("video.mp4", "thumbnail.webp", "spritesheet.jpg"):
        with Path(name).open("rb") as file:
            heads[name] = file.read(12).decode("latin-1")
    return heads


def remix(video_id: str) -> dict[str, Any]:
    video = client.videos.remix(video_id=video_id, prompt="Shift the palette to teal, sand and rust")
    return {"source": video.remixed_from_video_id, "status": client.videos.poll(video.id).status}


def extension(video_id: str) -> dict[str, Any]:
    video = client.videos.extend(
        prompt="The cat rides on", seconds="4", video=b"", extra_body={"video": {"id": video_id}}
    )
    video = client.videos.poll(video.id)
    return {"seconds": video.seconds, "status": video.status}


def extension_of_a_file() -> dict[str, Any]:
    with Path("video.mp4").open("rb") as file:
        video = client.videos.extend(prompt="The cat rides on", seconds="4", video=file)
    return {"seconds": video.seconds, "status": client.videos.poll(video.id).status}


def batch_file() -> dict[str, Any]:
    body = {"model": "sora-2", "prompt": "A cat", "seconds": "4", "size": "1280x720"}
    line = {"custom_id": "shot-1", "method": "POST", "url": "/v1/videos", "body": body}
    Path("batch.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    with Path("batch.jsonl").open("rb") as file:
        uploaded = client.files.create(file=file, purpose="batch")
    batch = client.batches.create(input_file_id=uploaded.id, endpoint="/v1/videos", completion_window="24h")
    batch = waited(lambda: client.batches.retrieve(batch.id), lambda one: one.status == "completed")
    (output,) = client.files.content(batch.output_file_id).text.splitlines()
    answer = json.loads(output)
    film = client.videos.download_content(answer["response"]["body"]["id"]).read()
    return {"custom_id": answer["custom_id"], "film": film[4:8].decode()}


def webhook_receiver() -> dict[str, Any]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked = {
        "name": "Examples",
        "url": f"http://127.0.0.1:{server.server_port}/webhook",
        "event_types": ["video.completed"],
    }
    # The SDK has client.webhooks.create since 3.0 alone.
    endpoint: Any = client.post("/webhook_endpoints", cast_to=object, body=asked)
    secret.append(endpoint["signing_secret"])
    video = client.videos.create_and_poll(model="sora-2", prompt="A cat")
    waited(lambda: told, lambda events: [one for one in events if one.data.id == video.id])
    (event,) = (one for one in told if one.data.id == video.id)
    client.delete(f"/webhook_endpoints/{endpoint['id']}", cast_to=object)
    server.shutdown()
    return {"type": event.type, "object": event.object}


def waited(look: Callable[[], Any], enough: Callable[[Any], Any]) -> Any:
    deadline = time.monotonic() + 120
    while not enough(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)
    return seen


def main() -> None:
    video = create_and_poll_by_hand()
    seen: dict[str, Any] = {
        "polled": video,
        "variants": download_all_variants(video["id"]),
        "remix": remix(video["id"]),
        "extension": extension(video["id"]),
        "extension_of_a_file": extension_of_a_file(),
        "batch": batch_file(),
        "webhook": webhook_receiver(),
    }
    sys.stdout.write(json.dumps(seen))


main()
