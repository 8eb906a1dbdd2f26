"""Everything is killed while a batch from a file is looked through, made and written down: each line once."""

import json
import random
import time

import openai
from openai.types import Batch

from tests.chaos.processes import KEY, Member, World, note, until

LINES = 2_000
FILMS = 6


def client_of(server: Member) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, timeout=60)


def create(server: Member, count: int) -> str:
    lines = [
        {
            "custom_id": f"shot {number}",
            "method": "POST",
            "url": "/v1/videos",
            "body": {
                "model": "procedural-1",
                "prompt": f"rain number {number}",
                "seconds": "1",
                "size": "360x360",
                "audio": False,
            },
        }
        for number in range(count)
    ]
    content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    client = client_of(server)
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/videos", completion_window="24h")
    return made.id


def ended(server: Member, batch_id: str, seconds: float) -> Batch:
    """Wait until a batch has ended."""

    def look() -> Batch | None:
        batch = client_of(server).batches.retrieve(batch_id)
        return batch if batch.status in {"completed", "failed", "expired", "cancelled"} else None

    batch = until(look, seconds, "the batch to end")
    assert batch is not None
    return batch


def names_in(server: Member, file_id: str | None) -> list[str]:
    if file_id is None:
        return []
    text = client_of(server).files.content(file_id).text
    return [json.loads(line)["custom_id"] for line in text.splitlines()]


def test_a_large_file_is_validated_once_and_as_a_whole_whatever_is_killed(world: World) -> None:
    seed = random.SystemRandom().randrange(10**6)
    server = world.serve()
    batch_id = create(server, LINES)
    moment = random.Random(seed).uniform(0.02, 1.0)
    time.sleep(moment)
    server.kill()
    server = world.serve()
    stored = world.value("SELECT count(*) FROM videos")
    note(f"seed {seed}: killed after {moment:.2f} s with {stored} videos")
    assert stored in {0, LINES}
    client = client_of(server)
    until(lambda: client.batches.retrieve(batch_id).status != "validating", 90, "the file to be validated")
    assert world.value("SELECT count(*) FROM videos") == LINES
    assert world.value("SELECT count(DISTINCT video_id) FROM file_batch_lines") == LINES
    client.batches.cancel(batch_id)
    batch = ended(server, batch_id, 90)
    names = names_in(server, batch.output_file_id) + names_in(server, batch.error_file_id)
    assert batch.status == "cancelled"
    assert sorted(names) == sorted(f"shot {number}" for number in range(LINES))


def test_a_batch_from_a_file_survives_power_cuts_and_is_written_down_once(world: World) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    server = world.serve()
    batch_id = create(server, FILMS)
    for _ in range(2):
        moment = chance.uniform(0.2, 4.0)
        note(f"seed {seed}: power cut after {moment:.2f} s")
        time.sleep(moment)
        world.power_cut()
        server = world.serve()
    batch = ended(server, batch_id, 120)
    assert batch.status == "completed"
    assert names_in(server, batch.output_file_id) == [f"shot {number}" for number in range(FILMS)]
    assert batch.error_file_id is None
    assert world.value("SELECT count(*) FROM files WHERE purpose = 'batch_output'") == 1
    ids = [row["id"] for row in world.rows("SELECT id FROM videos")]
    tally = world.settled_tally(ids)
    assert tally.videos == {"completed": FILMS}
    assert tally.clean, tally
