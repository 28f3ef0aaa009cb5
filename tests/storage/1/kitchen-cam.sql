-- at 1795527127748
CREATE TABLE account (
        one INTEGER PRIMARY KEY,
        schema INTEGER NOT NULL,
        device TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        revocations INTEGER NOT NULL,
        revoked_at INTEGER NOT NULL,
        last_seen_at INTEGER,
        last_receipt INTEGER NOT NULL
    );
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
        deliveries TEXT
    ) WITHOUT ROWID;
CREATE TABLE parts (
        id BLOB NOT NULL,
        first TEXT NOT NULL,
        deliveries TEXT NOT NULL,
        PRIMARY KEY (id, first)
    ) WITHOUT ROWID;
CREATE TABLE receipts (
        seq INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        receipt TEXT NOT NULL
    );
CREATE INDEX inbox_again ON inbox (id) WHERE attempts > 0 AND settled IS NULL;
CREATE INDEX inbox_topic ON inbox (sender, topic) WHERE topic IS NOT NULL AND settled IS NULL;
INSERT INTO account VALUES (1, 1, 'kitchen-cam', 1795527117741, 0, 0, 1795527125133, 0);
INSERT INTO inbox VALUES (0, x'01a20dc1a8bf7fa3c632a27afc3a43b0', 'doorbell', 'motion', 1797527125183, 15, 1795527125183, 0, 0, '[]', NULL, '{"id":"01M86W3A5ZFYHWCCN2FBY3MGXG","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795527125183,"expires_at":1797527125183,"urgency":"high","topic":"motion","size":15,"content_type":"application/json","payload":{"motion":true}}');
INSERT INTO inbox VALUES (1, x'01a20dc1a86e7fa3c632a216d9b4d17a', 'doorbell', NULL, 1797527125102, 8, 1795527125102, 1, 1795527155133, '[1795527125133]', NULL, '{"id":"01M86W3A3EFYHWCCN22VCV9MBT","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795527125102,"expires_at":1797527125102,"urgency":"normal","topic":null,"size":8,"content_type":"application/json","payload":"polled"}');
INSERT INTO inbox VALUES (1, x'01a20dc1a8a17fa3c632a202f27882f4', 'doorbell', NULL, 1797527125153, 7, 1795527125176, 0, 0, '[]', NULL, '{"id":"01M86W3A51FYHWCCN20BS7H0QM","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795527125153,"expires_at":1797527125153,"urgency":"normal","topic":null,"size":7,"content_type":"application/json","payload":"keyed"}');
