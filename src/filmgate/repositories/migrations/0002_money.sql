-- Money: held when a video is accepted, settled at the provider's figure, released when nothing was made.
-- All amounts are micro-dollars.

ALTER TABLE attempts ADD COLUMN cost_micros bigint NOT NULL DEFAULT 0;

-- What a key or a batch may spend: in all, by day or by month (UTC).
CREATE TABLE budgets (
    scope text NOT NULL,
    span text NOT NULL CHECK (span IN ('total', 'day', 'month')),
    limit_micros bigint NOT NULL CHECK (limit_micros >= 0),
    PRIMARY KEY (scope, span)
);

-- What of a budget is held and spent in one period; the row lock serialises those who hold at once.
CREATE TABLE budget_periods (
    scope text NOT NULL,
    span text NOT NULL,
    period text NOT NULL,
    held_micros bigint NOT NULL DEFAULT 0 CHECK (held_micros >= 0),
    spent_micros bigint NOT NULL DEFAULT 0 CHECK (spent_micros >= 0),
    PRIMARY KEY (scope, span, period)
);

-- One hold a video, and the periods it was taken from.
CREATE TABLE holds (
    video_id text PRIMARY KEY REFERENCES videos (id),
    micros bigint NOT NULL CHECK (micros > 0),
    periods jsonb NOT NULL DEFAULT '[]',
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'settled', 'released')),
    settled_micros bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    CHECK ((state = 'held') = (settled_micros IS NULL))
);

-- Every movement, never changed: what stands in holds can be counted from here.
CREATE TABLE ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('hold', 'settle', 'release')),
    micros bigint NOT NULL CHECK (micros >= 0),
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ledger_of_video ON ledger (video_id);

-- Settle a video's hold once it is known what it has cost: the video has ended, and no attempt is open.
CREATE FUNCTION settle_hold(subject text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    hold holds%ROWTYPE;
    cost bigint;
    share jsonb;
BEGIN
    SELECT * INTO hold FROM holds WHERE video_id = subject AND state = 'held' FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    IF EXISTS (SELECT 1 FROM videos WHERE id = subject AND status IN ('queued', 'in_progress')) THEN RETURN; END IF;
    IF EXISTS (SELECT 1 FROM attempts WHERE video_id = subject
               AND state IN ('sending', 'accepted', 'unknown', 'parked')) THEN RETURN; END IF;
    SELECT coalesce(sum(cost_micros), 0) INTO cost FROM attempts WHERE video_id = subject;
    UPDATE holds
    SET state = CASE WHEN cost = 0 THEN 'released' ELSE 'settled' END, settled_micros = cost, settled_at = now()
    WHERE video_id = subject;
    FOR share IN SELECT jsonb_array_elements(hold.periods) LOOP
        UPDATE budget_periods
        SET held_micros = held_micros - hold.micros, spent_micros = spent_micros + cost
        WHERE scope = share->>'scope' AND span = share->>'span' AND period = share->>'period';
    END LOOP;
    IF cost > 0 THEN
        INSERT INTO ledger (video_id, kind, micros) VALUES (subject, 'settle', cost);
    END IF;
    IF cost < hold.micros THEN
        INSERT INTO ledger (video_id, kind, micros) VALUES (subject, 'release', hold.micros - cost);
    END IF;
    UPDATE videos SET cost_micros = cost WHERE id = subject;
END $$;

CREATE FUNCTION settle_after_video() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM settle_hold(NEW.id);
    RETURN NULL;
END $$;

CREATE FUNCTION settle_after_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM settle_hold(NEW.video_id);
    RETURN NULL;
END $$;

-- Free videos have no hold and pay for none of this.
CREATE TRIGGER videos_settle AFTER UPDATE OF status ON videos FOR EACH ROW
    WHEN (NEW.price_micros > 0 AND NEW.status IN ('completed', 'failed', 'cancelled'))
    EXECUTE FUNCTION settle_after_video();
CREATE TRIGGER attempts_settle AFTER UPDATE OF state ON attempts FOR EACH ROW
    WHEN (NEW.state IN ('succeeded', 'failed', 'cancelled', 'not_created'))
    EXECUTE FUNCTION settle_after_attempt();
