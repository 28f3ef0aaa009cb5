-- at 1795530770652
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
        unseen_from BLOB
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
INSERT INTO account VALUES (1, 2, 'kitchen-cam', 1795530761872, 0, 0, 1795530768773, 0, 0, NULL);
INSERT INTO inbox VALUES (0, x'01a20df941e37fa3c632a2722ef7a659', 'doorbell', 'motion', 1797530768867, 15, 1795530768867, 0, 0, '[]', NULL, '{"id":"01M86ZJGF3FYHWCCN2E8QFF9JS","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795530768867,"expires_at":1797530768867,"urgency":"high","topic":"motion","size":15,"content_type":"application/json","payload":{"motion":true}}');
INSERT INTO inbox VALUES (1, x'01a20df9413a7fa3c632a203da1091f8', 'doorbell', NULL, 1797530768698, 8, 1795530768698, 1, 1795530798773, '[1795530768773]', NULL, '{"id":"01M86ZJG9TFYHWCCN20FD114FR","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795530768698,"expires_at":1797530768698,"urgency":"normal","topic":null,"size":8,"content_type":"application/json","payload":"polled"}');
INSERT INTO inbox VALUES (1, x'01a20df941b37fa3c632a216cba5c76c', 'doorbell', NULL, 1797530768819, 7, 1795530768844, 0, 0, '[]', NULL, '{"id":"01M86ZJGDKFYHWCCN22V5TBHVC","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795530768819,"expires_at":1797530768819,"urgency":"normal","topic":null,"size":7,"content_type":"application/json","payload":"keyed"}');
