-- +goose Up
-- Times are microseconds since 1970. Code, data, salt and what came of them are NULL where they have been let go, and stand at
-- the end: who asks for the rest reads no page of theirs.
CREATE TABLE executions (
    id               TEXT    NOT NULL PRIMARY KEY, -- a ULID
    tenant           TEXT    NOT NULL,             -- '' is whoever reaches a server that is open
    state            TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'ended')),
    created_at       INTEGER NOT NULL,
    began_at         INTEGER,
    ended_at         INTEGER CHECK ((ended_at IS NOT NULL) = (state = 'ended')),
    read_at          INTEGER,
    safe_to_repeat   INTEGER NOT NULL CHECK (safe_to_repeat IN (0, 1)),
    keep_data        INTEGER NOT NULL CHECK (keep_data IN (0, 1)),
    idempotency_key  TEXT,                         -- NULL is none
    idempotency_body BLOB    CHECK (length(idempotency_body) = 32 AND (idempotency_body IS NULL) = (idempotency_key IS NULL)),
    code_digest      TEXT    NOT NULL,
    input_digest     TEXT    NOT NULL,             -- '' is no data
    result_code      TEXT    NOT NULL,             -- '' until it has ended
    salt             BLOB,
    request          BLOB,                         -- JSON, without code and data
    result           BLOB,                         -- JSON, without its output
    code             BLOB,
    input            BLOB,
    output           BLOB,
    CHECK (state = 'ended' OR (request IS NOT NULL AND code IS NOT NULL))
) STRICT;

CREATE INDEX executions_by_tenant ON executions (tenant, id);
CREATE UNIQUE INDEX executions_by_key ON executions (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX executions_unfinished ON executions (id) WHERE ended_at IS NULL;
CREATE INDEX executions_by_end ON executions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX executions_with_result ON executions (ended_at, read_at) WHERE result IS NOT NULL AND keep_data = 0;

-- A tenant's executions go with it. They are no rows of its own by a foreign key, since an open server's are nobody's.
-- +goose StatementBegin
CREATE TRIGGER executions_go_with_tenant AFTER DELETE ON tenants
BEGIN
    DELETE FROM executions WHERE tenant = old.id;
END;
-- +goose StatementEnd
