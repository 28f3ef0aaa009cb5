-- Failed deliveries. Those past RETENTION are deleted as others are added.

CREATE TABLE failures (
    -- Milliseconds since the Unix epoch. First in the key, so that the newest are found without an index.
    at INTEGER NOT NULL,
    -- The message.
    id TEXT NOT NULL,
    -- The recipient.
    device TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    sender TEXT NOT NULL,
    -- The tag or the expression that the message was published to; NULL if that was one device.
    tag TEXT,
    -- The last message that sent it again.
    resent_as TEXT,
    PRIMARY KEY (at, id, device)
) STRICT, WITHOUT ROWID;
