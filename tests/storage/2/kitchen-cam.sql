-- at 1795530534986
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
INSERT INTO account VALUES (1, 2, 'kitchen-cam', 1795530526511, 0, 0, 1795530532536, 0, 0, NULL);
INSERT INTO inbox VALUES (0, x'01a20df5a6d37fa3c632a25ef5e10fde', 'doorbell', 'motion', 1797530532563, 15, 1795530532563, 0, 0, '[]', NULL, '{"id":"01M86ZB9PKFYHWCCN2BVTY23YY","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795530532563,"expires_at":1797530532563,"urgency":"high","topic":"motion","size":15,"content_type":"application/json","payload":{"motion":true}}');
INSERT INTO inbox VALUES (1, x'01a20df5a6af7fa3c632a2695eee8d7d', 'doorbell', NULL, 1797530532527, 8, 1795530532527, 1, 1795530562536, '[1795530532536]', NULL, '{"id":"01M86ZB9NFFYHWCCN2D5FEX3BX","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795530532527,"expires_at":1797530532527,"urgency":"normal","topic":null,"size":8,"content_type":"application/json","payload":"polled"}');
INSERT INTO inbox VALUES (1, x'01a20df5a6c77fa3c632a21b2472c2c0', 'doorbell', NULL, 1797530532551, 7, 1795530532556, 0, 0, '[]', NULL, '{"id":"01M86ZB9P7FYHWCCN23CJ75GP0","from":"doorbell","to":{"device":"kitchen-cam"},"sent_at":1795530532551,"expires_at":1797530532551,"urgency":"normal","topic":null,"size":7,"content_type":"application/json","payload":"keyed"}');
