-- A deleted video keeps its row, for what it has cost; its files go at once, or with the next upkeep.
ALTER TABLE videos ADD COLUMN deleted_at timestamptz, ADD COLUMN purged_at timestamptz;
CREATE INDEX videos_to_purge ON videos (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
