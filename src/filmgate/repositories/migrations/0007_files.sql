-- What clients upload and what is written for them; the bytes lie in the asset store.
CREATE TABLE files (
    id text PRIMARY KEY,
    project text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN (
        'assistants', 'batch', 'batch_output', 'fine-tune', 'vision', 'user_data', 'evals')),
    filename text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 text NOT NULL,
    -- arriving: its bytes may not be in the store yet; leaving: they may be gone already. Only kept is shown.
    state text NOT NULL CHECK (state IN ('arriving', 'kept', 'leaving')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX files_newest ON files (project, id DESC) WHERE state = 'kept';
CREATE INDEX files_expiring ON files (expires_at) WHERE state = 'kept' AND expires_at IS NOT NULL;
CREATE INDEX files_astray ON files (created_at) WHERE state <> 'kept';

-- A batch that was asked for as a file. Its videos are those of the batch with the same id, which is there
-- from the moment the whole file was found good.
CREATE TABLE file_batches (
    id text PRIMARY KEY,
    project text NOT NULL,
    key_id text NOT NULL,
    status text NOT NULL CHECK (status IN (
        'validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling', 'cancelled')),
    endpoint text NOT NULL,
    input_file_id text NOT NULL,
    completion_window text NOT NULL,
    metadata jsonb,
    -- For how long its output is kept; null: until it is deleted.
    output_life interval,
    model text,
    total integer NOT NULL DEFAULT 0,
    -- As written into the files, once they are.
    completed integer,
    failed integer,
    -- What is wrong with the file as a whole, line by line.
    errors jsonb,
    -- Chosen before anything is written, so that writing twice makes no second file.
    output_file_id text,
    error_file_id text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    in_progress_at timestamptz,
    finalizing_at timestamptz,
    completed_at timestamptz,
    failed_at timestamptz,
    expired_at timestamptz,
    cancelling_at timestamptz,
    cancelled_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX file_batches_newest ON file_batches (project, id DESC);
CREATE INDEX file_batches_open ON file_batches (id)
    WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

-- One line of a file: the video that it became, or why it was refused.
CREATE TABLE file_batch_lines (
    batch_id text NOT NULL REFERENCES file_batches (id),
    line integer NOT NULL CHECK (line > 0),
    custom_id text NOT NULL,
    video_id text,
    refusal jsonb,
    PRIMARY KEY (batch_id, line),
    CHECK ((video_id IS NULL) <> (refusal IS NULL))
);
