-- What a job adds to its owner's holding, 0 where the owner is `open`.
ALTER TABLE jobs ADD COLUMN images INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

-- What each owner has: kept by every change of a job, within its transition.
CREATE TABLE holdings (
    owner  TEXT PRIMARY KEY NOT NULL,
    images INTEGER NOT NULL,
    bytes  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER job_comes AFTER INSERT ON jobs WHEN NEW.owner <> 'open' BEGIN
    INSERT INTO holdings VALUES (NEW.owner, NEW.images, NEW.bytes)
    ON CONFLICT DO UPDATE SET images = images + NEW.images, bytes = bytes + NEW.bytes;
END;
CREATE TRIGGER job_changes AFTER UPDATE OF images, bytes ON jobs
WHEN NEW.owner <> 'open' AND (NEW.images <> OLD.images OR NEW.bytes <> OLD.bytes) BEGIN
    INSERT INTO holdings VALUES (NEW.owner, NEW.images, NEW.bytes)
    ON CONFLICT DO UPDATE SET images = images + NEW.images - OLD.images, bytes = bytes + NEW.bytes - OLD.bytes;
END;
CREATE TRIGGER job_goes AFTER DELETE ON jobs WHEN OLD.owner <> 'open' BEGIN
    UPDATE holdings SET images = images - OLD.images, bytes = bytes - OLD.bytes WHERE owner = OLD.owner;
    DELETE FROM holdings WHERE owner = OLD.owner AND images = 0 AND bytes = 0;
END;

-- Jobs of a store of before, counted by the triggers.
UPDATE jobs SET
    images = (SELECT count(*) FROM json_each(record, '$.items')
        WHERE value ->> 'status' IN ('queued', 'processing', 'retrying')),
    bytes = (SELECT coalesce(sum(value ->> 'size'), 0) FROM json_each(record, '$.items'))
        + (SELECT coalesce(sum(file.value ->> 'size'), 0)
            FROM json_each(record, '$.items') AS item, json_each(item.value, '$.files') AS file)
WHERE owner <> 'open';

-- Jobs that are gone before a repeat under their idempotency key could make a second one.
CREATE TABLE remembered (
    job         BLOB PRIMARY KEY NOT NULL,
    fingerprint TEXT NOT NULL,
    until       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX remembered_until ON remembered (until);
