-- Money: held when a video is accepted, settled at the provider's figure, released when nothing was made.
-- All amounts are micro-dollars.

-- What a job costs if it is made and its provider gives no figure of its own, and what it has cost.
ALTER TABLE attempts
    ADD COLUMN price_micros bigint NOT NULL DEFAULT 0,
    ADD COLUMN cost_micros bigint NOT NULL DEFAULT 0 CHECK (cost_micros >= 0);

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
) WITH (fillfactor = 50);

-- One hold a video, and the periods it was taken from. While it stands, what is not settled of it is held.
CREATE TABLE holds (
    video_id text PRIMARY KEY REFERENCES videos (id) DEFERRABLE INITIALLY DEFERRED,
    micros bigint NOT NULL CHECK (micros > 0),
    periods jsonb NOT NULL DEFAULT '[]',
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'settled', 'released')),
    settled_micros bigint NOT NULL DEFAULT 0 CHECK (settled_micros >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    CHECK ((state = 'held') = (settled_at IS NULL)),
    CHECK ((state = 'released') <= (settled_micros = 0))
);

-- Every movement, never changed: what stands in holds can be counted from here.
CREATE TABLE ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('hold', 'settle', 'release')),
    -- Below zero only where what was settled turned out to be too much.
    micros bigint NOT NULL CHECK (micros > 0 OR (kind = 'settle' AND micros < 0)),
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ledger_of_video ON ledger (video_id);

-- Rows are locked in one order everywhere: videos, their attempts, their holds, then periods by name; and
-- whoever changes several videos has them all before the first period. So nobody waits in a circle.

-- Settle what ended videos have cost and release the rest; one with an open attempt keeps its hold.
-- The caller has the rows of the videos locked, so that a video and its attempt, ending at the same moment
-- in two transactions, come here one after the other, and the later one sees both.
CREATE FUNCTION settle_holds(subjects text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM budget_periods p
    WHERE (p.scope, p.span, p.period) IN (
        SELECT share->>'scope', share->>'span', share->>'period'
        FROM holds h CROSS JOIN LATERAL jsonb_array_elements(h.periods) AS share
        WHERE h.video_id = ANY(subjects) AND h.state = 'held')
    ORDER BY p.scope, p.span, p.period FOR NO KEY UPDATE;

    WITH known AS (
        SELECT h.video_id, h.periods, greatest(0, h.micros - h.settled_micros) AS held,
               h.settled_micros AS before, coalesce(c.cost, 0)::bigint AS cost
        FROM holds h
        LEFT JOIN LATERAL (
            SELECT sum(a.cost_micros) AS cost,
                   bool_or(a.state IN ('sending', 'accepted', 'unknown', 'parked')) AS open
            FROM attempts a WHERE a.video_id = h.video_id
        ) AS c ON true
        WHERE h.video_id = ANY(subjects) AND h.state = 'held' AND c.open IS NOT TRUE
    ),
    closed AS (
        UPDATE holds h
        SET state = CASE WHEN k.cost = 0 THEN 'released' ELSE 'settled' END, settled_micros = k.cost,
            settled_at = now()
        FROM known k WHERE h.video_id = k.video_id
    ),
    shares AS (
        SELECT share->>'scope' AS scope, share->>'span' AS span, share->>'period' AS period,
               sum(k.held) AS held, sum(k.cost - k.before) AS spent
        FROM known k CROSS JOIN LATERAL jsonb_array_elements(k.periods) AS share GROUP BY 1, 2, 3
    ),
    counted AS (
        UPDATE budget_periods p
        SET held_micros = p.held_micros - s.held, spent_micros = p.spent_micros + s.spent
        FROM shares s WHERE (p.scope, p.span, p.period) = (s.scope, s.span, s.period)
    ),
    written AS (
        INSERT INTO ledger (video_id, kind, micros)
        SELECT k.video_id, line.kind, line.micros
        FROM known k CROSS JOIN LATERAL (VALUES
            ('settle', k.cost - k.before), ('release', k.held - (k.cost - k.before))) AS line (kind, micros)
        WHERE line.micros > 0 OR (line.kind = 'settle' AND line.micros < 0)
    )
    UPDATE videos v SET cost_micros = k.cost FROM known k WHERE v.id = k.video_id AND v.cost_micros <> k.cost;
END $$;

CREATE FUNCTION settle_after_video() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM settle_holds(ARRAY[NEW.id]);
    RETURN NULL;
END $$;

CREATE FUNCTION settle_after_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    standing text;
BEGIN
    SELECT status INTO standing FROM videos
    WHERE id = NEW.video_id AND price_micros > 0 FOR NO KEY UPDATE;
    IF standing IN ('completed', 'failed', 'cancelled') THEN
        PERFORM settle_holds(ARRAY[NEW.video_id]);
    END IF;
    RETURN NULL;
END $$;

-- A job turned up that was held for not made: if its hold has been released, it is held again, even beyond
-- the limit of a budget, since it may have to be paid.
CREATE FUNCTION hold_again() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    hold holds%ROWTYPE;
    again bigint;
BEGIN
    PERFORM 1 FROM videos WHERE id = NEW.video_id AND price_micros > 0 FOR NO KEY UPDATE;
    UPDATE holds SET state = 'held', settled_at = NULL
    WHERE video_id = NEW.video_id AND state <> 'held' RETURNING * INTO hold;
    again := greatest(0, hold.micros - hold.settled_micros);
    IF again > 0 THEN
        INSERT INTO ledger (video_id, kind, micros) VALUES (NEW.video_id, 'hold', again);
        PERFORM 1 FROM budget_periods p JOIN jsonb_array_elements(hold.periods) AS share
            ON (p.scope, p.span, p.period) = (share->>'scope', share->>'span', share->>'period')
        ORDER BY p.scope, p.span, p.period FOR NO KEY UPDATE OF p;
        UPDATE budget_periods p SET held_micros = p.held_micros + again
        FROM jsonb_array_elements(hold.periods) AS share
        WHERE (p.scope, p.span, p.period) = (share->>'scope', share->>'span', share->>'period');
    END IF;
    RETURN NULL;
END $$;

-- Free videos have no hold and pay for none of this.
CREATE TRIGGER videos_settle AFTER UPDATE OF status ON videos FOR EACH ROW
    WHEN (NEW.price_micros > 0 AND NEW.status IN ('completed', 'failed', 'cancelled'))
    EXECUTE FUNCTION settle_after_video();
CREATE TRIGGER attempts_settle AFTER UPDATE OF state ON attempts FOR EACH ROW
    WHEN (NEW.state IN ('succeeded', 'failed', 'cancelled', 'not_created'))
    EXECUTE FUNCTION settle_after_attempt();
CREATE TRIGGER attempts_hold_again AFTER UPDATE OF state ON attempts FOR EACH ROW
    WHEN (OLD.state = 'not_created' AND NEW.state = 'accepted')
    EXECUTE FUNCTION hold_again();
