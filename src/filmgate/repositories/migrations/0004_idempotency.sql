-- A create that came with an Idempotency-Key, and what it made; kept for 72 hours.
CREATE TABLE idempotency_keys (
    project text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    subject text NOT NULL,
    -- What of the first answer may read differently later, where a video moves on to another provider.
    terms jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, route, key)
);
CREATE INDEX idempotency_keys_oldest ON idempotency_keys (created_at);

-- A create without a key, by a client that counts how often it has sent it; kept for 15 minutes.
CREATE TABLE counted_creates (
    id text PRIMARY KEY,
    key_id text NOT NULL,
    route text NOT NULL,
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    -- begun: nothing is made yet; open: made, and its answer is on its way; lost: the answer did not leave us
    -- whole; answered: it did.
    state text NOT NULL CHECK (state IN ('begun', 'open', 'lost', 'answered')),
    tries integer NOT NULL CHECK (tries >= 0),
    subject text,
    terms jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'begun') = (subject IS NULL))
) WITH (fillfactor = 85);
CREATE INDEX counted_creates_alike ON counted_creates (fingerprint);
