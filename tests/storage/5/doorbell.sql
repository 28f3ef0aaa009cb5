-- at 1795951601076
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
        truncated_before INTEGER
    );
CREATE TABLE endings (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE escalations (
        id BLOB PRIMARY KEY,
        bytes INTEGER NOT NULL,
        message TEXT NOT NULL
    ) WITHOUT ROWID;
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
INSERT INTO account VALUES (1, 5, 'doorbell', 1795951592616, 0, 0, 1795951600028, 1795951600072, 1795951599925, x'01a2270ea1af7fa3c632a26a14296e71', NULL, '', NULL);
INSERT INTO outbox VALUES (x'01a2270ea0a07fa3c632a22af67e6b2e', '{"device":"garage"}', 1795951599776, 1796037999776, 0, 64, 1795951599925, NULL, '[{"device":"garage","state":"refused","at":1795951599848,"attempts":0,"reason":"device_removed","steps":[{"event":"held","at":1795951599779,"attempt":0},{"event":"refused","at":1795951599848,"attempt":0}],"receipt":1795951599925}]', 1795951599925, NULL, NULL, NULL);
INSERT INTO outbox VALUES (x'01a2270ea1af7fa3c632a26a14296e71', '{"device":"hall-cam"}', 1795951600047, 1797951600047, 0, 4, 1795951600072, NULL, '[{"device":"hall-cam","state":"delivered","at":1795951600065,"attempts":1,"reply":"late","steps":[{"event":"sent","at":1795951600047,"attempt":1},{"event":"delivered","at":1795951600065,"attempt":1}],"receipt":1795951600072}]', 1795951600072, NULL, NULL, NULL);
INSERT INTO outbox VALUES (x'01a2270ea1ee7fa3c632a2224d12982c', '{"device":"kitchen-cam"}', 1795951600110, 1797951600110, 1, 1, NULL, NULL, '[{"device":"kitchen-cam","state":"held","at":1795951600111,"attempts":0,"steps":[{"event":"held","at":1795951600111,"attempt":0}]}]', NULL, NULL, NULL, NULL);
INSERT INTO outbox VALUES (x'01a2270ea2007fa3c632a21bcbe77aca', '{"device":"kitchen-cam"}', 1795951600128, 1797951600128, 1, 1, NULL, 'ring-1', '[{"device":"kitchen-cam","state":"held","at":1795951600132,"attempts":0,"steps":[{"event":"held","at":1795951600132,"attempt":0}]}]', NULL, NULL, NULL, NULL);
INSERT INTO outbox VALUES (x'01a2270ea2097fa3c632a2177b2f79bc', '{"device":"kitchen-cam"}', 1795951600137, 1797951600137, 1, 1, NULL, NULL, '[{"device":"kitchen-cam","state":"held","at":1795951600137,"attempts":0,"steps":[{"event":"held","at":1795951600137,"attempt":0}]}]', NULL, NULL, NULL, NULL);
INSERT INTO outbox VALUES (x'01a2270ea21a7fa3c632a2236eedf8f1', '{"tag":"tag-b3a717f8-99ca"}', 1795951600154, 1797951600154, 101, 1, NULL, NULL, NULL, NULL, '{"held":101}', NULL, NULL);
INSERT INTO outbox VALUES (x'01a2270ea4d57fa3c632a225e52531ef', '{"device":"hall-cam"}', 1795951600853, 1797951600853, 1, 1, NULL, 'job-1', '[{"device":"hall-cam","state":"held","at":1795951600853,"attempts":0}]', NULL, NULL, NULL, NULL);
INSERT INTO parts VALUES (x'01a2270ea21a7fa3c632a2236eedf8f1', 'camera-100', '[{"device":"camera-100","state":"held","at":1795951600185,"attempts":0,"steps":[{"event":"held","at":1795951600185,"attempt":0}]},{"device":"camera-101","state":"held","at":1795951600185,"attempts":0,"steps":[{"event":"held","at":1795951600185,"attempt":0}]},{"device":"camera-102","state":"held","at":1795951600186,"attempts":0,"steps":[{"event":"held","at":1795951600186,"attempt":0}]},{"device":"camera-103","state":"held","at":1795951600186,"attempts":0,"steps":[{"event":"held","at":1795951600186,"attempt":0}]},{"device":"camera-104","state":"held","at":1795951600186,"attempts":0,"steps":[{"event":"held","at":1795951600186,"attempt":0}]},{"device":"camera-105","state":"held","at":1795951600186,"attempts":0,"steps":[{"event":"held","at":1795951600186,"attempt":0}]},{"device":"camera-106","state":"held","at":1795951600186,"attempts":0,"steps":[{"event":"held","at":1795951600186,"attempt":0}]},{"device":"camera-107","state":"held","at":1795951600187,"attempts":0,"steps":[{"event":"held","at":1795951600187,"attempt":0}]},{"device":"camera-108","state":"held","at":1795951600187,"attempts":0,"steps":[{"event":"held","at":1795951600187,"attempt":0}]},{"device":"camera-109","state":"held","at":1795951600187,"attempts":0,"steps":[{"event":"held","at":1795951600187,"attempt":0}]},{"device":"camera-110","state":"held","at":1795951600187,"attempts":0,"steps":[{"event":"held","at":1795951600187,"attempt":0}]},{"device":"camera-111","state":"held","at":1795951600200,"attempts":0,"steps":[{"event":"held","at":1795951600200,"attempt":0}]},{"device":"camera-112","state":"held","at":1795951600200,"attempts":0,"steps":[{"event":"held","at":1795951600200,"attempt":0}]},{"device":"camera-113","state":"held","at":1795951600201,"attempts":0,"steps":[{"event":"held","at":1795951600201,"attempt":0}]},{"device":"camera-114","state":"held","at":1795951600201,"attempts":0,"steps":[{"event":"held","at":1795951600201,"attempt":0}]},{"device":"camera-115","state":"held","at":1795951600201,"attempts":0,"steps":[{"event":"held","at":1795951600201,"attempt":0}]},{"device":"camera-116","state":"held","at":1795951600201,"attempts":0,"steps":[{"event":"held","at":1795951600201,"attempt":0}]},{"device":"camera-117","state":"held","at":1795951600202,"attempts":0,"steps":[{"event":"held","at":1795951600202,"attempt":0}]},{"device":"camera-118","state":"held","at":1795951600202,"attempts":0,"steps":[{"event":"held","at":1795951600202,"attempt":0}]},{"device":"camera-119","state":"held","at":1795951600216,"attempts":0,"steps":[{"event":"held","at":1795951600216,"attempt":0}]},{"device":"camera-120","state":"held","at":1795951600216,"attempts":0,"steps":[{"event":"held","at":1795951600216,"attempt":0}]},{"device":"camera-121","state":"held","at":1795951600217,"attempts":0,"steps":[{"event":"held","at":1795951600217,"attempt":0}]},{"device":"camera-122","state":"held","at":1795951600217,"attempts":0,"steps":[{"event":"held","at":1795951600217,"attempt":0}]},{"device":"camera-123","state":"held","at":1795951600217,"attempts":0,"steps":[{"event":"held","at":1795951600217,"attempt":0}]},{"device":"camera-124","state":"held","at":1795951600217,"attempts":0,"steps":[{"event":"held","at":1795951600217,"attempt":0}]},{"device":"camera-125","state":"held","at":1795951600218,"attempts":0,"steps":[{"event":"held","at":1795951600218,"attempt":0}]},{"device":"camera-126","state":"held","at":1795951600218,"attempts":0,"steps":[{"event":"held","at":1795951600218,"attempt":0}]},{"device":"camera-127","state":"held","at":1795951600218,"attempts":0,"steps":[{"event":"held","at":1795951600218,"attempt":0}]},{"device":"camera-128","state":"held","at":1795951600218,"attempts":0,"steps":[{"event":"held","at":1795951600218,"attempt":0}]},{"device":"camera-129","state":"held","at":1795951600219,"attempts":0,"steps":[{"event":"held","at":1795951600219,"attempt":0}]},{"device":"camera-130","state":"held","at":1795951600219,"attempts":0,"steps":[{"event":"held","at":1795951600219,"attempt":0}]},{"device":"camera-131","state":"held","at":1795951600219,"attempts":0,"steps":[{"event":"held","at":1795951600219,"attempt":0}]},{"device":"camera-132","state":"held","at":1795951600219,"attempts":0,"steps":[{"event":"held","at":1795951600219,"attempt":0}]},{"device":"camera-133","state":"held","at":1795951600220,"attempts":0,"steps":[{"event":"held","at":1795951600220,"attempt":0}]},{"device":"camera-134","state":"held","at":1795951600281,"attempts":0,"steps":[{"event":"held","at":1795951600281,"attempt":0}]},{"device":"camera-135","state":"held","at":1795951600281,"attempts":0,"steps":[{"event":"held","at":1795951600281,"attempt":0}]},{"device":"camera-136","state":"held","at":1795951600281,"attempts":0,"steps":[{"event":"held","at":1795951600281,"attempt":0}]},{"device":"camera-137","state":"held","at":1795951600281,"attempts":0,"steps":[{"event":"held","at":1795951600281,"attempt":0}]},{"device":"camera-138","state":"held","at":1795951600312,"attempts":0,"steps":[{"event":"held","at":1795951600312,"attempt":0}]},{"device":"camera-139","state":"held","at":1795951600313,"attempts":0,"steps":[{"event":"held","at":1795951600313,"attempt":0}]},{"device":"camera-140","state":"held","at":1795951600313,"attempts":0,"steps":[{"event":"held","at":1795951600313,"attempt":0}]},{"device":"camera-141","state":"held","at":1795951600313,"attempts":0,"steps":[{"event":"held","at":1795951600313,"attempt":0}]},{"device":"camera-142","state":"held","at":1795951600314,"attempts":0,"steps":[{"event":"held","at":1795951600314,"attempt":0}]},{"device":"camera-143","state":"held","at":1795951600314,"attempts":0,"steps":[{"event":"held","at":1795951600314,"attempt":0}]},{"device":"camera-144","state":"held","at":1795951600314,"attempts":0,"steps":[{"event":"held","at":1795951600314,"attempt":0}]},{"device":"camera-145","state":"held","at":1795951600314,"attempts":0,"steps":[{"event":"held","at":1795951600314,"attempt":0}]},{"device":"camera-146","state":"held","at":1795951600315,"attempts":0,"steps":[{"event":"held","at":1795951600315,"attempt":0}]},{"device":"camera-147","state":"held","at":1795951600315,"attempts":0,"steps":[{"event":"held","at":1795951600315,"attempt":0}]},{"device":"camera-148","state":"held","at":1795951600315,"attempts":0,"steps":[{"event":"held","at":1795951600315,"attempt":0}]},{"device":"camera-149","state":"held","at":1795951600315,"attempts":0,"steps":[{"event":"held","at":1795951600315,"attempt":0}]},{"device":"camera-150","state":"held","at":1795951600336,"attempts":0,"steps":[{"event":"held","at":1795951600336,"attempt":0}]},{"device":"camera-151","state":"held","at":1795951600337,"attempts":0,"steps":[{"event":"held","at":1795951600337,"attempt":0}]},{"device":"camera-152","state":"held","at":1795951600337,"attempts":0,"steps":[{"event":"held","at":1795951600337,"attempt":0}]},{"device":"camera-153","state":"held","at":1795951600337,"attempts":0,"steps":[{"event":"held","at":1795951600337,"attempt":0}]},{"device":"camera-154","state":"held","at":1795951600338,"attempts":0,"steps":[{"event":"held","at":1795951600338,"attempt":0}]},{"device":"camera-155","state":"held","at":1795951600338,"attempts":0,"steps":[{"event":"held","at":1795951600338,"attempt":0}]},{"device":"camera-156","state":"held","at":1795951600338,"attempts":0,"steps":[{"event":"held","at":1795951600338,"attempt":0}]},{"device":"camera-157","state":"held","at":1795951600338,"attempts":0,"steps":[{"event":"held","at":1795951600338,"attempt":0}]},{"device":"camera-158","state":"held","at":1795951600352,"attempts":0,"steps":[{"event":"held","at":1795951600352,"attempt":0}]},{"device":"camera-159","state":"held","at":1795951600353,"attempts":0,"steps":[{"event":"held","at":1795951600353,"attempt":0}]},{"device":"camera-160","state":"held","at":1795951600353,"attempts":0,"steps":[{"event":"held","at":1795951600353,"attempt":0}]},{"device":"camera-161","state":"held","at":1795951600354,"attempts":0,"steps":[{"event":"held","at":1795951600354,"attempt":0}]},{"device":"camera-162","state":"held","at":1795951600360,"attempts":0,"steps":[{"event":"held","at":1795951600360,"attempt":0}]},{"device":"camera-163","state":"held","at":1795951600360,"attempts":0,"steps":[{"event":"held","at":1795951600360,"attempt":0}]},{"device":"camera-164","state":"held","at":1795951600360,"attempts":0,"steps":[{"event":"held","at":1795951600360,"attempt":0}]},{"device":"camera-165","state":"held","at":1795951600361,"attempts":0,"steps":[{"event":"held","at":1795951600361,"attempt":0}]},{"device":"camera-166","state":"held","at":1795951600361,"attempts":0,"steps":[{"event":"held","at":1795951600361,"attempt":0}]},{"device":"camera-167","state":"held","at":1795951600361,"attempts":0,"steps":[{"event":"held","at":1795951600361,"attempt":0}]},{"device":"camera-168","state":"held","at":1795951600361,"attempts":0,"steps":[{"event":"held","at":1795951600361,"attempt":0}]},{"device":"camera-169","state":"held","at":1795951600362,"attempts":0,"steps":[{"event":"held","at":1795951600362,"attempt":0}]},{"device":"camera-170","state":"held","at":1795951600362,"attempts":0,"steps":[{"event":"held","at":1795951600362,"attempt":0}]},{"device":"camera-171","state":"held","at":1795951600362,"attempts":0,"steps":[{"event":"held","at":1795951600362,"attempt":0}]},{"device":"camera-172","state":"held","at":1795951600362,"attempts":0,"steps":[{"event":"held","at":1795951600362,"attempt":0}]},{"device":"camera-173","state":"held","at":1795951600363,"attempts":0,"steps":[{"event":"held","at":1795951600363,"attempt":0}]},{"device":"camera-174","state":"held","at":1795951600363,"attempts":0,"steps":[{"event":"held","at":1795951600363,"attempt":0}]},{"device":"camera-175","state":"held","at":1795951600363,"attempts":0,"steps":[{"event":"held","at":1795951600363,"attempt":0}]},{"device":"camera-176","state":"held","at":1795951600363,"attempts":0,"steps":[{"event":"held","at":1795951600363,"attempt":0}]},{"device":"camera-177","state":"held","at":1795951600375,"attempts":0,"steps":[{"event":"held","at":1795951600375,"attempt":0}]},{"device":"camera-178","state":"held","at":1795951600376,"attempts":0,"steps":[{"event":"held","at":1795951600376,"attempt":0}]},{"device":"camera-179","state":"held","at":1795951600376,"attempts":0,"steps":[{"event":"held","at":1795951600376,"attempt":0}]},{"device":"camera-180","state":"held","at":1795951600377,"attempts":0,"steps":[{"event":"held","at":1795951600377,"attempt":0}]},{"device":"camera-181","state":"held","at":1795951600377,"attempts":0,"steps":[{"event":"held","at":1795951600377,"attempt":0}]},{"device":"camera-182","state":"held","at":1795951600377,"attempts":0,"steps":[{"event":"held","at":1795951600377,"attempt":0}]},{"device":"camera-183","state":"held","at":1795951600378,"attempts":0,"steps":[{"event":"held","at":1795951600378,"attempt":0}]},{"device":"camera-184","state":"held","at":1795951600378,"attempts":0,"steps":[{"event":"held","at":1795951600378,"attempt":0}]},{"device":"camera-185","state":"held","at":1795951600378,"attempts":0,"steps":[{"event":"held","at":1795951600378,"attempt":0}]},{"device":"camera-186","state":"held","at":1795951600378,"attempts":0,"steps":[{"event":"held","at":1795951600378,"attempt":0}]},{"device":"camera-187","state":"held","at":1795951600379,"attempts":0,"steps":[{"event":"held","at":1795951600379,"attempt":0}]},{"device":"camera-188","state":"held","at":1795951600396,"attempts":0,"steps":[{"event":"held","at":1795951600396,"attempt":0}]},{"device":"camera-189","state":"held","at":1795951600397,"attempts":0,"steps":[{"event":"held","at":1795951600397,"attempt":0}]},{"device":"camera-190","state":"held","at":1795951600397,"attempts":0,"steps":[{"event":"held","at":1795951600397,"attempt":0}]},{"device":"camera-191","state":"held","at":1795951600397,"attempts":0,"steps":[{"event":"held","at":1795951600397,"attempt":0}]},{"device":"camera-192","state":"held","at":1795951600398,"attempts":0,"steps":[{"event":"held","at":1795951600398,"attempt":0}]},{"device":"camera-193","state":"held","at":1795951600398,"attempts":0,"steps":[{"event":"held","at":1795951600398,"attempt":0}]},{"device":"camera-194","state":"held","at":1795951600398,"attempts":0,"steps":[{"event":"held","at":1795951600398,"attempt":0}]},{"device":"camera-195","state":"held","at":1795951600398,"attempts":0,"steps":[{"event":"held","at":1795951600398,"attempt":0}]},{"device":"camera-196","state":"held","at":1795951600399,"attempts":0,"steps":[{"event":"held","at":1795951600399,"attempt":0}]},{"device":"camera-197","state":"held","at":1795951600399,"attempts":0,"steps":[{"event":"held","at":1795951600399,"attempt":0}]},{"device":"camera-198","state":"held","at":1795951600399,"attempts":0,"steps":[{"event":"held","at":1795951600399,"attempt":0}]},{"device":"camera-199","state":"held","at":1795951600399,"attempts":0,"steps":[{"event":"held","at":1795951600399,"attempt":0}]}]', NULL);
INSERT INTO parts VALUES (x'01a2270ea21a7fa3c632a2236eedf8f1', 'camera-200', '[{"device":"camera-200","state":"held","at":1795951600761,"attempts":0,"steps":[{"event":"held","at":1795951600761,"attempt":0}]}]', NULL);
INSERT INTO groups VALUES (x'01a2270ea19e7fa3c632a25f496a0993', x'01a2270ea19e7fa3c632a25f496a0993', 4, 1795951600036, '[{"id":"01M8KGX8CYFYHWCCN2BX4PM2CK","to":{"device":"hall-cam"},"accepted_at":1795951600030,"expires_at":1797951600030,"deliveries":[{"device":"hall-cam","state":"delivered","at":1795951600036,"attempts":1,"reply":"opened","steps":[{"event":"sent","at":1795951600031,"attempt":1},{"event":"delivered","at":1795951600036,"attempt":1}]}]}]');
INSERT INTO keys VALUES ('job-1', x'01a2270ea4d57fa3c632a225e52531ef', x'915cfd1a1664405b036d30ca1d2de2fb');
INSERT INTO keys VALUES ('ring-1', x'01a2270ea2007fa3c632a21bcbe77aca', x'7ddf3f9c0ecc538157e0d9282675ab69');
INSERT INTO jobs VALUES (x'01a2270ea4d57fa3c632a225e52531ef', 1795951600853, 0, 222, x'56a7ad858be21e5f92e2f2a582529a0e', '["hall-cam"]', '{"id":"01M8KGX96NFYHWCCN24QJJACFF","from":"doorbell","to":{"device":"hall-cam"},"sent_at":1795951600853,"expires_at":1797951600853,"urgency":"normal","topic":null,"size":5,"content_type":"application/json","payload":"job"}');
