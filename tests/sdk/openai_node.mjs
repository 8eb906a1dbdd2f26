// Use a gateway with the unmodified Node SDK, and print as JSON what went wrong where.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [URL_, CUT_URL, KEY, FOLDER, SDK] = process.argv.slice(2);
const require = createRequire(path.join(SDK, "package.json"));
const { default: OpenAI, toFile } = await import(pathToFileURL(require.resolve("openai")).href);
const { VERSION } = await import(pathToFileURL(require.resolve("openai/version")).href);

const IMAGE = path.join(FOLDER, "image.png");
const TINY = { model: "procedural-1", seconds: "1", size: "360x640" };
const KEYS = [
  "id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at", "prompt",
  "size", "seconds", "remixed_from_video_id", "error",
];
const client = new OpenAI({ baseURL: `${URL_}/v1`, apiKey: KEY, timeout: 60_000 });

async function ours(method, where) {
  const answer = await fetch(`${URL_}/api/v1${where}`, { method, headers: { Authorization: `Bearer ${KEY}` } });
  assert.ok(answer.ok, `${answer.status}`);
  return answer.json();
}

async function dropped(video) {
  await ours("DELETE", `/videos/${video.id}`);
  return video;
}

async function raises(kind, call) {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof kind, `${error}`);
    assert.ok(error.requestID);
    return error;
  }
  assert.fail(`${kind.name} was not raised`);
}

async function ended(id) {
  for (;;) {
    const { data, response } = await client.videos.retrieve(id).withResponse();
    if (data.status === "completed" || data.status === "failed") return data;
    await new Promise((resolve) => setTimeout(resolve, Number(response.headers.get("openai-poll-after-ms"))));
  }
}

const sections = {
  async a_video_lives_its_whole_life() {
    const made = await client.videos.create({ ...TINY, prompt: "A red kite over a harbour at dawn" });
    assert.deepEqual(Object.keys(made), KEYS);
    const video = await ended(made.id);
    assert.equal(video.status, "completed");
    assert.equal(video.progress, 100);
    const film = Buffer.from(await (await client.videos.downloadContent(video.id)).arrayBuffer());
    assert.equal(film.subarray(4, 8).toString(), "ftyp");
    for (const variant of ["thumbnail", "spritesheet"]) {
      const picture = await client.videos.downloadContent(video.id, { variant });
      assert.match(picture.headers.get("content-type"), /^image\//);
      assert.ok((await picture.arrayBuffer()).byteLength > 100);
    }
    assert.deepEqual(await client.videos.delete(video.id), {
      id: video.id, object: "video.deleted", deleted: true,
    });
    await raises(OpenAI.NotFoundError, () => client.videos.retrieve(video.id));
  },
  async an_image_may_be_a_file_a_stream_a_response_or_an_address() {
    const data = fs.readFileSync(IMAGE);
    const images = [
      fs.createReadStream(IMAGE),
      new File([data], "image.png"),
      await toFile(data, "x"),
      { image_url: `data:image/png;base64,${data.toString("base64")}` },
    ];
    for (const input_reference of images) {
      const video = await client.videos.create({ ...TINY, prompt: "a kite", input_reference });
      assert.match((await dropped(video)).status, /queued|in_progress/);
    }
  },
  async errors_are_the_sdks_own_and_are_not_tried_again() {
    let error = await raises(OpenAI.BadRequestError, () => client.videos.create({ prompt: "a", seconds: "99" }));
    assert.deepEqual([error.param, error.type, error.status], ["seconds", "invalid_request_error", 400]);
    error = await raises(OpenAI.NotFoundError, () => client.videos.create({ prompt: "a", model: "sora-9" }));
    assert.equal(error.code, "model_not_found");
    const stranger = new OpenAI({ baseURL: `${URL_}/v1`, apiKey: "wrong" });
    error = await raises(OpenAI.AuthenticationError, () => stranger.videos.list());
    assert.equal(error.code, "invalid_api_key");
    const video = await client.videos.create({ prompt: "a kite" });
    error = await raises(OpenAI.ConflictError, () => client.videos.delete(video.id));
    assert.equal(error.headers.get("x-should-retry"), "false");
    await dropped(video);
  },
  async a_cancelled_video_is_a_failed_one() {
    const video = await ended((await dropped(await client.videos.create({ prompt: "a kite" }))).id);
    assert.deepEqual([video.status, video.error.code], ["failed", "cancelled"]);
  },
  async lists_are_paged_through() {
    const made = [];
    for (const n of [0, 1, 2]) made.unshift((await dropped(await client.videos.create({ prompt: `kite ${n}` }))).id);
    const everything = [];
    for await (const video of client.videos.list({ limit: 2 })) everything.push(video.id);
    assert.deepEqual(everything.slice(0, 3), made);
  },
  async files_are_uploaded_listed_read_and_deleted() {
    const data = fs.readFileSync(IMAGE);
    const made = [];
    for (const file of [fs.createReadStream(IMAGE), await toFile(data, "a.png")]) {
      const one = await client.files.create({ file, purpose: "vision" });
      assert.deepEqual([one.bytes, one.purpose, one.status], [data.length, "vision", "processed"]);
      made.unshift(one.id);
    }
    const found = [];
    for await (const file of client.files.list({ limit: 1, purpose: "vision" })) found.push(file.id);
    assert.deepEqual(found.slice(0, 2), made);
    const bytes = Buffer.from(await (await client.files.content(made[0])).arrayBuffer());
    assert.ok(bytes.equals(data));
    const input_reference = { file_id: made[0] };
    await dropped(await client.videos.create({ prompt: "a kite", input_reference, ...TINY }));
    for (const id of made) assert.ok((await client.files.delete(id)).deleted);
    await raises(OpenAI.NotFoundError, () => client.files.retrieve(made[0]));
  },
  async a_file_becomes_a_batch_of_films() {
    const line = (name, body) =>
      JSON.stringify({ custom_id: name, method: "POST", url: "/v1/videos", body: { prompt: "a kite", ...body } });
    const lines = [line("one", TINY), line("bad", { ...TINY, seconds: "99" })].join("\n");
    const input = await client.files.create({ file: await toFile(Buffer.from(lines), "in.jsonl"), purpose: "batch" });
    const asked = { input_file_id: input.id, endpoint: "/v1/videos", completion_window: "24h" };
    let batch = await client.batches.create(asked);
    assert.equal(batch.status, "validating");
    for (let n = 0; n < 300 && !["completed", "failed"].includes(batch.status); n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      batch = await client.batches.retrieve(batch.id);
    }
    assert.deepEqual([batch.status, batch.request_counts], ["completed", { total: 2, completed: 1, failed: 1 }]);
    const output = JSON.parse(await (await client.files.content(batch.output_file_id)).text());
    assert.deepEqual([output.custom_id, output.response.body.status], ["one", "completed"]);
    const refused = JSON.parse(await (await client.files.content(batch.error_file_id)).text());
    assert.deepEqual([refused.custom_id, refused.response.status_code], ["bad", 400]);
    await raises(OpenAI.BadRequestError, () => client.batches.cancel(batch.id));
  },
  async models_are_listed() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    for (const name of ["sora-2", "sora-2-pro", "procedural-1"]) assert.ok(names.includes(name));
    assert.equal((await client.models.retrieve("sora-2")).object, "model");
  },
  async a_key_makes_a_create_the_same() {
    const create = () =>
      client.videos.create({ prompt: "a kite" }, { headers: { "Idempotency-Key": "key-node" } }).withResponse();
    const [first, again] = [await create(), await create()];
    assert.equal((await dropped(first.data)).id, again.data.id);
    assert.equal(again.response.headers.get("idempotent-replayed"), "true");
  },
  async a_lost_answer_makes_no_second_video() {
    const prompt = `lost by ${process.env.MARK}`;
    const cut = new OpenAI({ baseURL: `${CUT_URL}/v1`, apiKey: KEY, timeout: 60_000 });
    const { data, response } = await cut.videos.create({ prompt }).withResponse();
    assert.equal(response.headers.get("idempotent-replayed"), "true");
    const video = await dropped(data);
    const found = [];
    for await (const one of client.videos.list({ limit: 100 })) if (one.prompt === prompt) found.push(one.id);
    assert.deepEqual(found, [video.id]);
  },
};

const outcomes = { version: VERSION };
for (const [name, check] of Object.entries(sections)) {
  try {
    await check();
    outcomes[name] = "ok";
  } catch (error) {
    outcomes[name] = `${error.stack}`;
  }
}
console.log(JSON.stringify(outcomes));
process.exit(0);
