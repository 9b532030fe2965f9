package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"

	"glovebox/internal/kept"
)

// saltedKeys is the migration to digests of idempotent requests that have salts: before it they were the plain SHA-256 of their bodies.
func saltedKeys() *goose.Migration {
	return goose.NewGoMigration(7, &goose.GoFunc{RunTx: saltKeys}, nil)
}

// saltKeys has what is kept of each key as if it had been kept with a salt. Where what is the tenant's own has gone, so has the salt.
func saltKeys(ctx context.Context, tx *sql.Tx) error {
	for _, table := range []string{"executions", tableRuns} {
		for _, change := range []string{
			"ALTER TABLE " + table + " ADD COLUMN idempotency_salt BLOB CHECK (length(idempotency_salt) = 32)",
			"UPDATE " + table + " SET idempotency_body = randomblob(32) WHERE idempotency_key IS NOT NULL AND ended_at IS NOT NULL AND result IS NULL",
		} {
			if _, err := tx.ExecContext(ctx, change); err != nil {
				return err
			}
		}
		if err := saltKeysOf(ctx, tx, table); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}

func saltKeysOf(ctx context.Context, tx *sql.Tx, table string) error {
	type plainKey struct {
		id string
		kept.IdempotencyKey
	}
	var plain []plainKey // as they stand in the file, of which each page is then written once
	rows, err := tx.QueryContext(ctx, "SELECT id, idempotency_key, idempotency_body FROM "+table+" WHERE idempotency_key IS NOT NULL AND (ended_at IS NULL OR result IS NOT NULL)")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key plainKey
		var body []byte
		if err := rows.Scan(&key.id, &key.Key, &body); err != nil {
			return err
		}
		copy(key.Body[:], body)
		plain = append(plain, key)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	salt, err := tx.PrepareContext(ctx, "UPDATE "+table+" SET idempotency_salt = ?, idempotency_body = ? WHERE id = ?")
	if err != nil {
		return err
	}
	defer func() { _ = salt.Close() }()
	for _, key := range plain {
		salted := key.Keep()
		if _, err := salt.ExecContext(ctx, salted.Salt[:], salted.Body[:], key.id); err != nil {
			return err
		}
	}
	return nil
}
