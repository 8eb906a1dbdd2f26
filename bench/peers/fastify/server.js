// Create a video and read a video, as a careful team would write them on Fastify and PostgreSQL.
// Told by the environment: DATABASE_URL, and PORT (0 for any).
import { createHash, randomBytes } from "node:crypto";

import Fastify from "fastify";
import pg from "pg";
import Type from "typebox";

const KEY_MEMORY_MS = 5000;
const SECONDS_OF_WORK = 3;
const PRICE_MICROS = 0;
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const CAPABLE = {
  provider: "embedded",
  model: "procedural-1",
  sizes: new Set(["1280x720", "720x1280", "720x720", "1920x1080", "1080x1920", "854x480", "640x360"]),
  minSeconds: 1,
  maxSeconds: 20,
};
const MODELS = new Map(["procedural-1", "sora-2", "sora-1.0"].map((name) => [name, CAPABLE]));

// Not a union with null: fast-json-stringify would validate every branch for each answer.
const Nullable = (schema) => ({ ...schema, nullable: true });
const Price = Type.Object({ amount: Type.String(), currency: Type.String() });
const Metadata = Type.Record(Type.String({ minLength: 1, maxLength: 64 }), Type.String({ maxLength: 512 }), {
  maxProperties: 16,
});

const VideoCreate = Type.Object(
  {
    prompt: Type.String({ minLength: 1, maxLength: 32000 }),
    duration: Type.Optional(Type.Number()),
    resolution: Type.Optional(Type.String({ pattern: "^\\d{2,5}x\\d{2,5}$" })),
    aspect_ratio: Type.Optional(Type.String()),
    model: Type.Optional(Type.String()),
    webhookUrl: Type.Optional(Type.String({ maxLength: 2048 })),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    negativePrompt: Type.Optional(Type.String()),
    audio: Type.Optional(Type.Boolean()),
    metadata: Type.Optional(Metadata),
    priority: Type.Optional(Type.Integer({ minimum: -100, maximum: 100 })),
  },
  { additionalProperties: false },
);

const VideoAccepted = Type.Object({
  jobId: Type.String(),
  status: Type.String(),
  createdAt: Type.String(),
  estimatedCompletionTime: Type.String(),
  model: Type.String(),
  provider: Type.String(),
  estimatedCost: Price,
});

const VideoBody = Type.Object({
  jobId: Type.String(),
  status: Type.String(),
  progress: Type.Integer(),
  createdAt: Type.String(),
  completedAt: Nullable(Type.String()),
  result: Nullable(Type.Object({ videoUrl: Type.String(), thumbnailUrl: Type.String() })),
  model: Type.String(),
  provider: Type.String(),
  providerModel: Type.String(),
  prompt: Type.String(),
  requested: Type.Object({
    model: Type.Optional(Type.String()),
    duration: Type.Optional(Type.Number()),
    resolution: Type.Optional(Type.String()),
    aspect_ratio: Type.Optional(Type.String()),
    seed: Type.Optional(Type.Integer()),
    audio: Type.Optional(Type.Boolean()),
    negativePrompt: Type.Optional(Type.String()),
  }),
  sent: Type.Object({
    seconds: Type.Number(),
    size: Type.String(),
    seed: Type.Integer(),
    audio: Type.Boolean(),
    negativePrompt: Nullable(Type.String()),
  }),
  attempts: Type.Integer(),
  cost: Price,
  error: Nullable(Type.Object({ code: Type.String(), message: Type.String() })),
  metadata: Metadata,
});

const Refusal = Type.Object({ status: Type.Integer(), detail: Type.String() });

const INSERT = {
  name: "insert_video",
  text: `INSERT INTO videos (id, project, key_id, status, priority, model, provider, provider_model, prompt,
           request, requested, metadata, webhook_url, price_micros, created_at, estimated_at)
         VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
};
const SELECT = {
  name: "select_video",
  text: `SELECT id, project, status, progress, model, provider, provider_model, prompt, request, requested,
           metadata, attempts, cost_micros, result, error, created_at, completed_at
         FROM videos WHERE id = $1`,
};
const SELECT_KEY = {
  name: "select_key",
  text: "SELECT id, project FROM keys WHERE fingerprint = $1 AND revoked_at IS NULL",
};

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 16 });
const app = Fastify({ logger: { level: "info" }, disableRequestLogging: true });

function newId(prefix) {
  let time = Date.now();
  let head = "";
  for (let place = 0; place < 10; place += 1) {
    head = ALPHABET[time % 32] + head;
    time = Math.floor(time / 32);
  }
  let tail = "";
  for (const byte of randomBytes(16)) tail += ALPHABET[byte & 31];
  return `${prefix}_${head}${tail}`;
}

const price = (micros) => ({ amount: (micros / 1e6).toFixed(2), currency: "USD" });

function refused(status, message) {
  return Object.assign(new Error(message), { statusCode: status });
}

const remembered = new Map();

async function authenticate(request) {
  const header = request.headers.authorization ?? "";
  if (!header.startsWith("Bearer ")) throw refused(401, "No key was given.");
  const secret = header.slice(7);
  const known = remembered.get(secret);
  if (known !== undefined && known.until > Date.now()) {
    request.key = known.key;
    return;
  }
  const fingerprint = createHash("sha256").update(secret).digest();
  const found = await pool.query({ ...SELECT_KEY, values: [fingerprint] });
  if (found.rows.length === 0) throw refused(401, "This key is not known here.");
  if (remembered.size >= 10000) remembered.clear();
  remembered.set(secret, { key: found.rows[0], until: Date.now() + KEY_MEMORY_MS });
  request.key = found.rows[0];
}

function fit(asked) {
  const able = MODELS.get(asked.model ?? "sora-2");
  if (able === undefined) throw refused(400, `There is no model "${asked.model}" here.`);
  const size = asked.resolution ?? "1280x720";
  if (!able.sizes.has(size)) throw refused(400, `${able.model} does not make ${size}.`);
  const seconds = asked.duration ?? 5;
  if (seconds < able.minSeconds || seconds > able.maxSeconds) {
    throw refused(400, `${able.model} does not make films of ${seconds} s.`);
  }
  if (asked.prompt.trim() === "") throw refused(400, "The prompt is empty.");
  const [width, height] = size.split("x").map(Number);
  const request = {
    prompt: asked.prompt.trim(),
    seconds,
    width,
    height,
    seed: asked.seed ?? randomBytes(4).readUInt32LE() >>> 1,
    audio: asked.audio ?? true,
    negative_prompt: asked.negativePrompt ?? null,
  };
  return { able, request };
}

app.decorateRequest("key", null);
app.addHook("onRequest", authenticate);
app.addHook("onResponse", (request, reply, done) => {
  request.log.info({
    method: request.method,
    route: request.routeOptions.url,
    status: reply.statusCode,
    ms: reply.elapsedTime,
    key: request.key?.id,
  });
  done();
});

app.post(
  "/api/v1/videos",
  { schema: { body: VideoCreate, response: { 202: VideoAccepted, "4xx": Refusal } } },
  async (request, reply) => {
    const { prompt, metadata, webhookUrl, priority, ...requested } = request.body;
    const { able, request: fitted } = fit(request.body);
    const id = newId("job");
    const now = new Date();
    const ready = new Date(now.getTime() + (SECONDS_OF_WORK + fitted.seconds) * 1000);
    const model = requested.model ?? "sora-2";
    await pool.query({
      ...INSERT,
      values: [
        id,
        request.key.project,
        request.key.id,
        priority ?? 0,
        model,
        able.provider,
        able.model,
        fitted.prompt,
        JSON.stringify(fitted),
        JSON.stringify(requested),
        JSON.stringify(metadata ?? {}),
        webhookUrl ?? null,
        PRICE_MICROS,
        now,
        ready,
      ],
    });
    reply.code(202).header("location", `/api/v1/videos/${id}`).header("cache-control", "no-store");
    return {
      jobId: id,
      status: "pending",
      createdAt: now.toISOString(),
      estimatedCompletionTime: ready.toISOString(),
      model,
      provider: able.provider,
      estimatedCost: price(PRICE_MICROS),
    };
  },
);

app.get(
  "/api/v1/videos/:jobId",
  {
    schema: {
      params: Type.Object({ jobId: Type.String({ pattern: "^job_[0-9a-z]{26}$" }) }),
      response: { 200: VideoBody, "4xx": Refusal },
    },
  },
  async (request, reply) => {
    const found = await pool.query({ ...SELECT, values: [request.params.jobId] });
    const row = found.rows[0];
    if (row === undefined || row.project !== request.key.project) throw refused(404, "There is no such video.");
    reply.header("cache-control", "no-store");
    return {
      jobId: row.id,
      status: row.status,
      progress: row.progress,
      createdAt: row.created_at.toISOString(),
      completedAt: row.completed_at?.toISOString() ?? null,
      result: row.result,
      model: row.model,
      provider: row.provider,
      providerModel: row.provider_model,
      prompt: row.prompt,
      requested: row.requested,
      sent: {
        seconds: row.request.seconds,
        size: `${row.request.width}x${row.request.height}`,
        seed: row.request.seed,
        audio: row.request.audio,
        negativePrompt: row.request.negative_prompt,
      },
      attempts: row.attempts,
      cost: price(row.cost_micros),
      error: row.error,
      metadata: row.metadata,
    };
  },
);

app.setErrorHandler((error, request, reply) => {
  const status = error.statusCode ?? 500;
  if (status >= 500) request.log.error(error);
  reply.code(status).send({ status, detail: status >= 500 ? "Something went wrong." : error.message });
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT ?? 0), backlog: 2048 });
process.stderr.write(`LISTENING ${app.server.address().port}\n`);

process.on("SIGTERM", async () => {
  await app.close();
  await pool.end();
});
