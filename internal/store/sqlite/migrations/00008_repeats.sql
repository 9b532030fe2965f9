-- +goose Up
-- How often an execution has been run again. Behind what is large, but 0 and 1 take no room there: SQLite has them in the row's head. Without a check, for which every row would be read.
ALTER TABLE executions ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;
