CREATE TABLE keys (
    id text PRIMARY KEY,
    project text NOT NULL,
    fingerprint bytea NOT NULL UNIQUE,
    revoked_at timestamptz
);

CREATE TABLE videos (
    id text PRIMARY KEY,
    project text NOT NULL,
    key_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    priority smallint NOT NULL DEFAULT 0,
    model text NOT NULL,
    provider text NOT NULL,
    provider_model text NOT NULL,
    prompt text NOT NULL,
    request jsonb NOT NULL,
    requested jsonb NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    webhook_url text,
    progress smallint NOT NULL DEFAULT 0,
    price_micros bigint NOT NULL,
    cost_micros bigint NOT NULL DEFAULT 0,
    attempts smallint NOT NULL DEFAULT 0,
    result jsonb,
    error jsonb,
    created_at timestamptz NOT NULL,
    estimated_at timestamptz NOT NULL,
    completed_at timestamptz
) WITH (fillfactor = 85);
CREATE INDEX videos_newest ON videos (project, id DESC);
CREATE INDEX videos_waiting ON videos (priority DESC, id) WHERE status = 'pending';
