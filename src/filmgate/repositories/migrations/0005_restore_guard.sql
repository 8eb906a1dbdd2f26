-- A database that went back (a restore, a failover that lost commits) no longer knows what was sent and paid.
-- It is told by sends in the journal that have no row in attempts: rows there are kept for longer than the
-- seven days of the journal.

-- Whose data this is, as last seen: the cluster with its history, and the journal of sends that lies beside it.
CREATE TABLE restore_guard (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    identity text,
    journal text,
    -- How often the database was found to have gone back.
    epoch integer NOT NULL DEFAULT 0,
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- Sends that the database had forgotten; account, model, time and job are what the journal says of them.
CREATE TABLE restored_sends (
    attempt_id text PRIMARY KEY,
    video_id text NOT NULL,
    account text NOT NULL,
    provider_model text NOT NULL,
    sent_at timestamptz NOT NULL,
    provider_job_id text,
    epoch integer NOT NULL,
    -- adopted: its job was known; looked_for: it is asked for; parked: nobody can tell; lost: the database has
    -- nothing to bind it to.
    outcome text NOT NULL CHECK (outcome IN ('adopted', 'looked_for', 'parked', 'lost')),
    found_at timestamptz NOT NULL DEFAULT now(),
    -- When an operator let sending go on regardless.
    released_at timestamptz
);

-- Nothing is sent to an account as long as what was sent to it before is not settled.
CREATE VIEW stopped_accounts AS
SELECT r.account, count(*) AS sends
FROM restored_sends r JOIN attempts a ON a.id = r.attempt_id
WHERE r.released_at IS NULL AND a.state IN ('unknown', 'parked')
GROUP BY r.account;

-- The cluster and the branch of its history that is written now; null where a service does not say.
CREATE FUNCTION database_identity() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT system_identifier::text FROM pg_control_system())
        || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8);
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;

-- Differs whenever these rows may be others than a moment ago: after a restart, a failover, a restore.
CREATE FUNCTION database_incarnation() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws('/', database_identity(), pg_postmaster_start_time()::text,
                     (SELECT oid FROM pg_database WHERE datname = current_database()),
                     pg_relation_filenode('attempts'::regclass))
$$;

-- A send on an operator's word may have to be paid a second time: a second hold is taken for it, and it says so.
ALTER TABLE ledger ADD COLUMN may_pay_twice boolean NOT NULL DEFAULT false;
