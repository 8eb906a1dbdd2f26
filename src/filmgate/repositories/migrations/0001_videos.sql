-- One row says who this installation is and signs its download links.
CREATE TABLE installation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id text NOT NULL,
    link_secret bytea NOT NULL CHECK (length(link_secret) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE keys (
    id text PRIMARY KEY,
    name text NOT NULL,
    project text NOT NULL,
    hint text NOT NULL,
    fingerprint bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    last_used_at timestamptz
);

-- A lane is one provider account; its clock is the share tag last let through (start-time fair queueing).
CREATE TABLE lanes (
    name text PRIMARY KEY,
    max_in_flight integer NOT NULL CHECK (max_in_flight > 0),
    share_clock bigint NOT NULL DEFAULT 0,
    paused_until timestamptz,
    pause_reason text,
    -- A token bucket: how many may still go this minute, and since when that was so.
    per_minute integer CHECK (per_minute > 0),
    tokens double precision NOT NULL DEFAULT 0,
    refilled_at timestamptz NOT NULL DEFAULT now(),
    -- Learnt from real traffic: how many at once go well for now; null while nothing has gone wrong.
    ceiling double precision CHECK (ceiling >= 1),
    failures integer NOT NULL DEFAULT 0,
    openings integer NOT NULL DEFAULT 0
);

CREATE TABLE batches (
    id text PRIMARY KEY,
    project text NOT NULL,
    key_id text NOT NULL,
    name text,
    total integer NOT NULL CHECK (total > 0),
    webhook_url text,
    created_at timestamptz NOT NULL
);
CREATE INDEX batches_newest ON batches (project, id DESC);

CREATE TABLE videos (
    id text PRIMARY KEY,
    project text NOT NULL,
    key_id text NOT NULL,
    -- No foreign key, which would look the batch up again for each of its rows: both are inserted in one
    -- transaction, and a batch is never deleted.
    batch_id text,
    batch_index integer,
    status text NOT NULL CHECK (status IN ('queued', 'in_progress', 'completed', 'failed', 'cancelled')),
    priority smallint NOT NULL DEFAULT 0,
    share_tag bigint NOT NULL,
    model text NOT NULL,
    provider text NOT NULL,
    provider_model text NOT NULL,
    lane text NOT NULL,
    prompt text NOT NULL,
    request jsonb NOT NULL,
    requested jsonb NOT NULL,
    adjustments jsonb NOT NULL DEFAULT '[]',
    metadata jsonb NOT NULL DEFAULT '{}',
    webhook_url text,
    progress smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    price_micros bigint NOT NULL,
    cost_micros bigint NOT NULL DEFAULT 0,
    attempts smallint NOT NULL DEFAULT 0,
    result jsonb,
    error jsonb,
    created_at timestamptz NOT NULL,
    estimated_at timestamptz NOT NULL,
    not_before timestamptz,
    admitted_at timestamptz,
    started_at timestamptz,
    completed_at timestamptz,
    CHECK ((status = 'completed') = (result IS NOT NULL)),
    CHECK (status <> 'failed' OR error IS NOT NULL)
) WITH (fillfactor = 85);
CREATE INDEX videos_newest ON videos (project, id DESC);
CREATE INDEX videos_of_batch ON videos (batch_id, batch_index) WHERE batch_id IS NOT NULL;
-- Who is next in a lane.
CREATE INDEX videos_waiting ON videos (lane, priority DESC, share_tag, id)
    WHERE status = 'queued' AND admitted_at IS NULL;
-- How far ahead a key already stands in a lane.
CREATE INDEX videos_share ON videos (lane, key_id, share_tag)
    WHERE status = 'queued' AND admitted_at IS NULL;
-- How many slots of a lane are taken.
CREATE INDEX videos_in_flight ON videos (lane, admitted_at)
    WHERE status IN ('queued', 'in_progress') AND admitted_at IS NOT NULL;

CREATE TABLE attempts (
    id text PRIMARY KEY,
    video_id text NOT NULL REFERENCES videos (id),
    ordinal smallint NOT NULL,
    provider text NOT NULL,
    provider_model text NOT NULL,
    account text NOT NULL,
    state text NOT NULL CHECK (state IN (
        'sending', 'accepted', 'succeeded', 'failed', 'cancelled', 'not_created', 'unknown', 'parked')),
    body bytea NOT NULL,
    sent_by text NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    quiet_at timestamptz NOT NULL,
    provider_job_id text,
    accepted_at timestamptz,
    next_poll_at timestamptz,
    polls integer NOT NULL DEFAULT 0,
    collects smallint NOT NULL DEFAULT 0,
    reason text,
    ended_at timestamptz,
    UNIQUE (video_id, ordinal),
    UNIQUE (account, provider_job_id),
    CHECK (state NOT IN ('accepted', 'succeeded') OR provider_job_id IS NOT NULL)
) WITH (fillfactor = 85);
-- The database itself refuses a second live send for one video.
CREATE UNIQUE INDEX attempts_one_live ON attempts (video_id)
    WHERE state IN ('sending', 'accepted', 'succeeded', 'unknown', 'parked');
CREATE INDEX attempts_due ON attempts (next_poll_at) WHERE state = 'accepted';
CREATE INDEX attempts_sending ON attempts (lease_until) WHERE state = 'sending';
-- Jobs that still run at a provider though their video has ended take a slot too.
CREATE INDEX attempts_running ON attempts (account) WHERE state IN ('sending', 'accepted', 'unknown');
CREATE INDEX attempts_unsettled ON attempts (state, quiet_at) WHERE state IN ('unknown', 'parked');

-- What the built-in renderer was asked to make: its jobs, as a provider keeps them.
CREATE TABLE renders (
    id text PRIMARY KEY,
    order_body bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'processing', 'succeeded', 'failed', 'cancelled')),
    frames_done integer NOT NULL DEFAULT 0,
    frames integer NOT NULL CHECK (frames > 0),
    tries smallint NOT NULL DEFAULT 0,
    runner text,
    asset text,
    code text,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX renders_ended ON renders (ended_at) WHERE ended_at IS NOT NULL;

-- Who is at work, so that every process can tell whether anybody is.
CREATE TABLE workers (
    id text PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
