-- What is to be told to whom; the database itself writes it down, with the change that it tells of.
CREATE TABLE deliveries (
    id text PRIMARY KEY DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
    project text NOT NULL,
    subject text NOT NULL,
    event text NOT NULL,
    url text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'exhausted')),
    tries smallint NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT now(),
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    UNIQUE (subject, event)
);
CREATE INDEX deliveries_due ON deliveries (next_try_at) WHERE state = 'pending';
CREATE INDEX deliveries_newest ON deliveries (project, created_at DESC);
CREATE INDEX videos_open_of_batch ON videos (batch_id) WHERE status IN ('queued', 'in_progress');

CREATE FUNCTION tell_of_video() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    address text;
BEGIN
    IF NEW.webhook_url IS NOT NULL THEN
        INSERT INTO deliveries (project, subject, event, url)
        VALUES (NEW.project, NEW.id, 'video.' || NEW.status, NEW.webhook_url) ON CONFLICT DO NOTHING;
    END IF;
    IF NEW.batch_id IS NOT NULL THEN
        SELECT webhook_url INTO address FROM batches WHERE id = NEW.batch_id AND webhook_url IS NOT NULL;
        IF FOUND THEN
            -- Of two videos that end at once, the second waits here and then sees the first.
            PERFORM 1 FROM batches WHERE id = NEW.batch_id FOR UPDATE;
            IF NOT EXISTS (SELECT 1 FROM videos
                           WHERE batch_id = NEW.batch_id AND status IN ('queued', 'in_progress')) THEN
                INSERT INTO deliveries (project, subject, event, url)
                VALUES (NEW.project, NEW.batch_id, 'batch.completed', address) ON CONFLICT DO NOTHING;
            END IF;
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER videos_tell AFTER UPDATE OF status ON videos FOR EACH ROW
    WHEN ((NEW.webhook_url IS NOT NULL OR NEW.batch_id IS NOT NULL)
          AND NEW.status IN ('completed', 'failed', 'cancelled') AND OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION tell_of_video();
