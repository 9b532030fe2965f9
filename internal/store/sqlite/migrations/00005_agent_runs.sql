-- +goose Up
-- As executions are kept: times are microseconds since 1970; what is the tenant's own is NULL where it has been let go, and stands at the end.
CREATE TABLE agent_runs (
    id               TEXT    NOT NULL PRIMARY KEY, -- a ULID
    tenant           TEXT    NOT NULL,             -- '' is whoever reaches a server that is open
    agent            TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'ended')),
    created_at       INTEGER NOT NULL,
    began_at         INTEGER,
    ended_at         INTEGER CHECK ((ended_at IS NOT NULL) = (state = 'ended')),
    read_at          INTEGER,
    keep_data        INTEGER NOT NULL CHECK (keep_data IN (0, 1)),
    idempotency_key  TEXT,                         -- NULL is none
    idempotency_body BLOB    CHECK (length(idempotency_body) = 32 AND (idempotency_body IS NULL) = (idempotency_key IS NULL)),
    task_digest      TEXT    NOT NULL,
    result_code      TEXT    NOT NULL,             -- '' until it has ended
    salt             BLOB,
    task             BLOB,                         -- JSON, as it was sent
    result           BLOB,                         -- the outcome as JSON, without its results
    output           BLOB,                         -- those, as the code gave them
    steps            BLOB,                         -- JSON, a line each
    CHECK (state = 'ended' OR task IS NOT NULL)
) STRICT;

CREATE INDEX agent_runs_by_tenant ON agent_runs (tenant, id);
CREATE UNIQUE INDEX agent_runs_by_key ON agent_runs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX agent_runs_unfinished ON agent_runs (id) WHERE ended_at IS NULL;
CREATE INDEX agent_runs_by_end ON agent_runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX agent_runs_with_result ON agent_runs (ended_at, read_at) WHERE result IS NOT NULL AND keep_data = 0;

-- A tenant's runs go with it. They are no rows of its own by a foreign key, since an open server's are nobody's.
-- +goose StatementBegin
CREATE TRIGGER agent_runs_go_with_tenant AFTER DELETE ON tenants
BEGIN
    DELETE FROM agent_runs WHERE tenant = old.id;
END;
-- +goose StatementEnd
