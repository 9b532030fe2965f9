-- +goose Up
CREATE TABLE ledger (
    seq        INTEGER NOT NULL PRIMARY KEY,
    entry      BLOB    NOT NULL, -- canonical JSON
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    public_key BLOB    CHECK (length(public_key) = 32) -- where it names the key that signs from here on
) STRICT;

CREATE INDEX ledger_keys ON ledger (seq) WHERE public_key IS NOT NULL;

-- These stop mistakes, ours too. Whoever means to alter the ledger drops them first, and is found by its hashes.
-- +goose StatementBegin
CREATE TRIGGER ledger_append BEFORE INSERT ON ledger
WHEN new.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
BEGIN
    SELECT raise(ABORT, 'the ledger is appended to at its end');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_update BEFORE UPDATE ON ledger
BEGIN
    SELECT raise(ABORT, 'the ledger is never changed');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_delete BEFORE DELETE ON ledger
BEGIN
    SELECT raise(ABORT, 'the ledger loses nothing');
END;
-- +goose StatementEnd
