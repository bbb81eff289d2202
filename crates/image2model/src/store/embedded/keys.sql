-- One row per key, revoked ones too; `record` is what was made as JSON, the columns after it are what may change.
CREATE TABLE keys (
    id      TEXT PRIMARY KEY NOT NULL,
    record  TEXT NOT NULL,
    revoked INTEGER,
    used    INTEGER
) STRICT;

-- What links are signed with, by the time since when; the newest two are valid.
CREATE TABLE secrets (
    since  INTEGER NOT NULL,
    secret TEXT NOT NULL
) STRICT;
