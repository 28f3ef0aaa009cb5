-- at 1795976479981
CREATE TABLE account (
        one INTEGER PRIMARY KEY,
        schema INTEGER NOT NULL,
        device TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        revocations INTEGER NOT NULL,
        revoked_at INTEGER NOT NULL,
        last_seen_at INTEGER,
        last_receipt INTEGER NOT NULL,
        receipts_seen INTEGER NOT NULL DEFAULT 0,
        unseen_from BLOB,
        held TEXT,
        lost TEXT,
        truncated_before INTEGER,
        wake TEXT
    );
CREATE TABLE groups (
        first BLOB PRIMARY KEY,
        last BLOB NOT NULL,
        states INTEGER NOT NULL,
        done_at INTEGER NOT NULL,
        messages TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE inbox (
        rank INTEGER NOT NULL,
        id BLOB NOT NULL,
        sender TEXT NOT NULL,
        topic TEXT,
        expires_at INTEGER NOT NULL,
        size INTEGER NOT NULL,
        held_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        retry_at INTEGER NOT NULL,
        sent TEXT NOT NULL,
        settled TEXT,
        body TEXT NOT NULL,
        PRIMARY KEY (rank, id)
    ) WITHOUT ROWID;
CREATE TABLE jobs (
        id BLOB PRIMARY KEY,
        retry_at INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        audience BLOB,
        left_over TEXT,
        message TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE keys (
        idempotency_key TEXT PRIMARY KEY,
        id BLOB NOT NULL,
        fingerprint BLOB NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE outbox (
        id BLOB PRIMARY KEY,
        target TEXT NOT NULL,
        accepted_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        open INTEGER NOT NULL,
        states INTEGER NOT NULL,
        done_at INTEGER,
        idempotency_key TEXT,
        deliveries TEXT,
        receipt INTEGER,
        summary TEXT,
        plan TEXT,
        draft TEXT
    ) WITHOUT ROWID;
CREATE TABLE parts (
        id BLOB NOT NULL,
        first TEXT NOT NULL,
        deliveries TEXT NOT NULL,
        receipt INTEGER,
        PRIMARY KEY (id, first)
    ) WITHOUT ROWID;
CREATE INDEX inbox_again ON inbox (id) WHERE attempts > 0 AND settled IS NULL;
CREATE INDEX inbox_topic ON inbox (sender, topic) WHERE topic IS NOT NULL AND settled IS NULL;
INSERT INTO account VALUES (1, 6, 'hall-cam', 1795976472219, 0, 0, NULL, 0, 0, NULL, NULL, '', NULL, NULL);
