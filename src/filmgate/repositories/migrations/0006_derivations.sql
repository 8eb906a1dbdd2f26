-- What a video was made from, where that was more than words: another film, or characters.
ALTER TABLE videos ADD COLUMN origin jsonb;

-- Whoever or whatever is seen in a clip, to be seen again in other films.
CREATE TABLE characters (
    id text PRIMARY KEY,
    project text NOT NULL,
    key_id text NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    asset text NOT NULL,
    seconds double precision NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    created_at timestamptz NOT NULL
);
