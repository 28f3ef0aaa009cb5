-- at 1795895621525
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
        lost TEXT
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
        receipt INTEGER
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
INSERT INTO account VALUES (1, 3, 'kitchen-cam', 1795895618778, 0, 0, 1795895621176, 0, 0, NULL, NULL, '');
INSERT INTO inbox VALUES (0, x'01a223b8764e7fa3c632a20f92d18bd8', 'doorbell', 'motion', 1797895621198, 15, 1795895621198, 0, 0, '{}', NULL, '{"id":"01M8HVGXJEFYHWCCN21Y9D32YR","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795895621198,"expires_at":1797895621198,"urgency":"high","topic":"motion","size":15,"content_type":"application/json","payload":{"motion":true}}');
INSERT INTO inbox VALUES (1, x'01a223b876327fa3c632a2350841e2a3', 'doorbell', NULL, 1797895621170, 8, 1795895621170, 1, 1795895651176, '{"n":1,"t":[[1,1795895621176,0]]}', NULL, '{"id":"01M8HVGXHJFYHWCCN26M443RN3","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795895621170,"expires_at":1797895621170,"urgency":"normal","topic":null,"size":8,"content_type":"application/json","payload":"polled"}');
INSERT INTO inbox VALUES (1, x'01a223b8763d7fa3c632a26f935fb6e0', 'doorbell', NULL, 1797895621181, 7, 1795895621183, 0, 0, '{}', NULL, '{"id":"01M8HVGXHXFYHWCCN2DY9NZDQ0","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795895621181,"expires_at":1797895621181,"urgency":"normal","topic":null,"size":7,"content_type":"application/json","payload":"keyed"}');
