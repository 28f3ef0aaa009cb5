-- The directory: which devices there are, and which tags lead to them.

CREATE TABLE devices (
    device TEXT PRIMARY KEY,
    -- 40 bits of the name's hash that every id of a message it sent carries; names can share them.
    address INTEGER NOT NULL,
    -- Milliseconds since the Unix epoch.
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- From a message id to its sender.
CREATE INDEX devices_by_address ON devices (address);

CREATE TABLE tags (
    tag TEXT NOT NULL,
    device TEXT NOT NULL,
    PRIMARY KEY (tag, device)
) STRICT, WITHOUT ROWID;

-- The tags of one device: to show them, and to forget them with it.
CREATE INDEX tags_by_device ON tags (device);
