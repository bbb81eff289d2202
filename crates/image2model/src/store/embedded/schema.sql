-- One row per job; `record` is the whole of it as JSON, the columns before it are what is searched by. `ended` of a
-- deleted job is 0, so that it is removed first.
CREATE TABLE jobs (
    id      BLOB PRIMARY KEY NOT NULL,
    owner   TEXT NOT NULL,
    created INTEGER NOT NULL,
    ended   INTEGER,
    record  TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_by_owner ON jobs (owner, created, id);
CREATE INDEX jobs_by_end ON jobs (ended) WHERE ended IS NOT NULL;

-- `state`: 0 ready, 1 delayed, 2 leased, 3 dead. `due`: end of delay or lease, or time of death.
CREATE TABLE tasks (
    place    INTEGER PRIMARY KEY,
    job      BLOB NOT NULL,
    work     TEXT NOT NULL,
    queue    TEXT NOT NULL,
    lane     TEXT NOT NULL,
    flow     TEXT NOT NULL,
    enqueued INTEGER NOT NULL,
    score    REAL NOT NULL,
    attempts INTEGER NOT NULL,
    crashes  INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    due      INTEGER,
    worker   TEXT,
    token    TEXT,
    started  INTEGER,
    code     TEXT,
    message  TEXT,
    UNIQUE (job, work)
) STRICT;
CREATE INDEX tasks_ready ON tasks (queue, lane, score) WHERE state = 0;
CREATE INDEX tasks_due ON tasks (state, due) WHERE state > 0;

-- Fair queueing: the highest score handed out, and each busy flow's newest score.
CREATE TABLE served (
    queue TEXT NOT NULL,
    lane  TEXT NOT NULL,
    score REAL NOT NULL,
    PRIMARY KEY (queue, lane)
) STRICT, WITHOUT ROWID;
CREATE TABLE flows (
    queue TEXT NOT NULL,
    lane  TEXT NOT NULL,
    flow  TEXT NOT NULL,
    last  REAL NOT NULL,
    PRIMARY KEY (queue, lane, flow)
) STRICT, WITHOUT ROWID;
CREATE INDEX flows_by_last ON flows (queue, lane, last);

-- What `ping` writes.
CREATE TABLE pings (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
