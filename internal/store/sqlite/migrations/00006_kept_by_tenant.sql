-- +goose Up
-- What a row counts for: its documents, and 1024 for the rest of it and its places in indexes. It is worked out where it is asked for, so that no row is
-- written for it; of a document only its length is read then.
ALTER TABLE executions ADD COLUMN bytes INTEGER NOT NULL GENERATED ALWAYS AS (1024 + coalesce(length(request), 0) + coalesce(length(result), 0) +
    coalesce(length(code), 0) + coalesce(length(input), 0) + coalesce(length(output), 0)) VIRTUAL;
ALTER TABLE agent_runs ADD COLUMN bytes INTEGER NOT NULL GENERATED ALWAYS AS (1024 + coalesce(length(task), 0) + coalesce(length(result), 0) +
    coalesce(length(output), 0) + coalesce(length(steps), 0)) VIRTUAL;

-- What each tenant's rows of a table count for, and how many they are, kept up by triggers: commands change rows too. A tenant without rows has none
-- here. What all rows count for is the sum.
CREATE TABLE kept_by_tenant (
    name    TEXT    NOT NULL, -- of the table
    tenant  TEXT    NOT NULL,
    bytes   INTEGER NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (name, tenant)
) STRICT, WITHOUT ROWID;
INSERT INTO kept_by_tenant SELECT 'executions', tenant, sum(bytes), count(*) FROM executions GROUP BY tenant;
INSERT INTO kept_by_tenant SELECT 'agent_runs', tenant, sum(bytes), count(*) FROM agent_runs GROUP BY tenant;

-- +goose StatementBegin
CREATE TRIGGER executions_count_new AFTER INSERT ON executions
BEGIN
    INSERT INTO kept_by_tenant VALUES ('executions', new.tenant, new.bytes, 1)
        ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, records = records + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER executions_count_changed AFTER UPDATE OF request, result, code, input, output ON executions
BEGIN
    UPDATE kept_by_tenant SET bytes = bytes + new.bytes - old.bytes WHERE name = 'executions' AND tenant = new.tenant;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER executions_count_gone AFTER DELETE ON executions
BEGIN
    UPDATE kept_by_tenant SET bytes = bytes - old.bytes, records = records - 1 WHERE name = 'executions' AND tenant = old.tenant;
    DELETE FROM kept_by_tenant WHERE name = 'executions' AND tenant = old.tenant AND records = 0;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER agent_runs_count_new AFTER INSERT ON agent_runs
BEGIN
    INSERT INTO kept_by_tenant VALUES ('agent_runs', new.tenant, new.bytes, 1)
        ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, records = records + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER agent_runs_count_changed AFTER UPDATE OF task, result, output, steps ON agent_runs
BEGIN
    UPDATE kept_by_tenant SET bytes = bytes + new.bytes - old.bytes WHERE name = 'agent_runs' AND tenant = new.tenant;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER agent_runs_count_gone AFTER DELETE ON agent_runs
BEGIN
    UPDATE kept_by_tenant SET bytes = bytes - old.bytes, records = records - 1 WHERE name = 'agent_runs' AND tenant = old.tenant;
    DELETE FROM kept_by_tenant WHERE name = 'agent_runs' AND tenant = old.tenant AND records = 0;
END;
-- +goose StatementEnd

-- What a tenant has had for longest: of what has ended, and of that what has its result still.
CREATE INDEX executions_oldest ON executions (tenant, ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX agent_runs_oldest ON agent_runs (tenant, ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX executions_oldest_result ON executions (tenant, ended_at, id) WHERE result IS NOT NULL;
CREATE INDEX agent_runs_oldest_result ON agent_runs (tenant, ended_at, id) WHERE result IS NOT NULL;
