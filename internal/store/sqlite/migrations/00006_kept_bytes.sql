-- +goose Up
-- What a row counts for: its documents, and 1024 for the rest of it and its places in indexes. It is worked out where it is asked for, so that no row is
-- written for it; of a document only its length is read then.
ALTER TABLE executions ADD COLUMN bytes INTEGER NOT NULL GENERATED ALWAYS AS (1024 + coalesce(length(request), 0) + coalesce(length(result), 0) +
    coalesce(length(code), 0) + coalesce(length(input), 0) + coalesce(length(output), 0)) VIRTUAL;
ALTER TABLE agent_runs ADD COLUMN bytes INTEGER NOT NULL GENERATED ALWAYS AS (1024 + coalesce(length(task), 0) + coalesce(length(result), 0) +
    coalesce(length(output), 0) + coalesce(length(steps), 0)) VIRTUAL;

-- What all rows of a table count for, kept up by triggers: commands change rows too.
CREATE TABLE kept_bytes (
    name  TEXT    NOT NULL PRIMARY KEY, -- of the table
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO kept_bytes SELECT 'executions', coalesce(sum(bytes), 0) FROM executions;
INSERT INTO kept_bytes SELECT 'agent_runs', coalesce(sum(bytes), 0) FROM agent_runs;

-- +goose StatementBegin
CREATE TRIGGER executions_count_new AFTER INSERT ON executions
BEGIN
    UPDATE kept_bytes SET bytes = bytes + new.bytes WHERE name = 'executions';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER executions_count_changed AFTER UPDATE OF request, result, code, input, output ON executions
BEGIN
    UPDATE kept_bytes SET bytes = bytes + new.bytes - old.bytes WHERE name = 'executions';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER executions_count_gone AFTER DELETE ON executions
BEGIN
    UPDATE kept_bytes SET bytes = bytes - old.bytes WHERE name = 'executions';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER agent_runs_count_new AFTER INSERT ON agent_runs
BEGIN
    UPDATE kept_bytes SET bytes = bytes + new.bytes WHERE name = 'agent_runs';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER agent_runs_count_changed AFTER UPDATE OF task, result, output, steps ON agent_runs
BEGIN
    UPDATE kept_bytes SET bytes = bytes + new.bytes - old.bytes WHERE name = 'agent_runs';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER agent_runs_count_gone AFTER DELETE ON agent_runs
BEGIN
    UPDATE kept_bytes SET bytes = bytes - old.bytes WHERE name = 'agent_runs';
END;
-- +goose StatementEnd

-- Whose results are there still, the oldest first.
CREATE INDEX executions_by_result ON executions (ended_at, id) WHERE result IS NOT NULL;
CREATE INDEX agent_runs_by_result ON agent_runs (ended_at, id) WHERE result IS NOT NULL;
