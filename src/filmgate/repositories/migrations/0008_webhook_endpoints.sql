-- Where a project wants to be told of everything, whichever request it came from.
CREATE TABLE webhook_endpoints (
    id text PRIMARY KEY,
    project text NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 256),
    url text NOT NULL,
    event_types text[] NOT NULL CHECK (cardinality(event_types) > 0),
    secret bytea NOT NULL CHECK (length(secret) >= 24),
    -- Signs too until then, so that receivers can change over in their own time.
    old_secret bytea,
    old_secret_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- Since when nothing has arrived; null while the last delivery did.
    failing_since timestamptz,
    disabled_at timestamptz,
    disabled_reason text,
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhook_endpoints_of_project ON webhook_endpoints (project, id);

-- A delivery goes to the address of one request, or to an endpoint, wherever that is by then.
ALTER TABLE deliveries
    ADD COLUMN endpoint_id text,
    -- The tries before it was last sent anew; the pauses between tries begin again there.
    ADD COLUMN tries_before integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT deliveries_subject_event_key;
CREATE UNIQUE INDEX deliveries_once ON deliveries (subject, event, coalesce(endpoint_id, ''));
CREATE INDEX deliveries_of_endpoint ON deliveries (endpoint_id, created_at DESC, id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- Every try of a delivery and what came of it.
CREATE TABLE delivery_tries (
    delivery_id text NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number integer NOT NULL,
    status integer,
    error text,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (delivery_id, number)
);

-- Tell a project's endpoints, each of which has said what it wants to hear of.
CREATE FUNCTION tell_endpoints(of_project text, of_subject text, happened text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO deliveries (project, subject, event, url, endpoint_id)
    SELECT of_project, of_subject, chosen.event, e.url, e.id
    FROM webhook_endpoints e
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN happened = ANY(e.event_types) THEN happened
            -- OpenAI's wire has no word for a cancelled video: whoever waits for its end hears that it failed.
            WHEN happened = 'video.cancelled' AND 'video.failed' = ANY(e.event_types) THEN 'video.failed'
        END AS event
    ) AS chosen
    WHERE e.project = of_project AND e.disabled_at IS NULL AND chosen.event IS NOT NULL
    ON CONFLICT DO NOTHING
$$;

CREATE OR REPLACE FUNCTION tell_of_video() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    address text;
BEGIN
    IF NEW.webhook_url IS NOT NULL THEN
        INSERT INTO deliveries (project, subject, event, url)
        VALUES (NEW.project, NEW.id, 'video.' || NEW.status, NEW.webhook_url) ON CONFLICT DO NOTHING;
    END IF;
    PERFORM tell_endpoints(NEW.project, NEW.id, 'video.' || NEW.status);
    IF NEW.batch_id IS NOT NULL THEN
        SELECT webhook_url INTO address FROM batches WHERE id = NEW.batch_id;
        IF address IS NOT NULL
            OR EXISTS (SELECT 1 FROM webhook_endpoints
                       WHERE project = NEW.project AND 'batch.completed' = ANY(event_types)) THEN
            -- Of two videos that end at once, the second waits here and then sees the first.
            PERFORM 1 FROM batches WHERE id = NEW.batch_id FOR UPDATE;
            IF NOT EXISTS (SELECT 1 FROM videos
                           WHERE batch_id = NEW.batch_id AND status IN ('queued', 'in_progress')) THEN
                IF address IS NOT NULL THEN
                    INSERT INTO deliveries (project, subject, event, url)
                    VALUES (NEW.project, NEW.batch_id, 'batch.completed', address) ON CONFLICT DO NOTHING;
                END IF;
                -- A batch that came as a file has ended when its output is written.
                IF NOT EXISTS (SELECT 1 FROM file_batches WHERE id = NEW.batch_id) THEN
                    PERFORM tell_endpoints(NEW.project, NEW.batch_id, 'batch.completed');
                END IF;
            END IF;
        END IF;
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER videos_tell ON videos;
CREATE TRIGGER videos_tell AFTER UPDATE OF status ON videos FOR EACH ROW
    WHEN (NEW.status IN ('completed', 'failed', 'cancelled') AND OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION tell_of_video();

CREATE FUNCTION tell_of_file_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_endpoints(NEW.project, NEW.id, 'batch.' || NEW.status);
    RETURN NULL;
END $$;

CREATE TRIGGER file_batches_tell AFTER UPDATE OF status ON file_batches FOR EACH ROW
    WHEN (NEW.status IN ('completed', 'failed', 'expired', 'cancelled')
          AND OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION tell_of_file_batch();
