package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

const keyColumns = "keys.id, keys.tenant, keys.name, keys.scopes, keys.created_at, keys.expires_at, keys.revoked_at, keys.digest"

// A keyRow is what is read for a key, in the order of keyColumns.
type keyRow struct {
	key                  tenant.Key
	scopes               string
	createdAt            int64
	expiresAt, revokedAt sql.NullInt64
	digest               []byte
}

func (r *keyRow) into() []any {
	return []any{&r.key.ID, &r.key.Tenant, &r.key.Name, &r.scopes, &r.createdAt, &r.expiresAt, &r.revokedAt, &r.digest}
}

func (r *keyRow) read() (tenant.Key, error) {
	k := r.key
	for scope := range strings.FieldsSeq(r.scopes) {
		k.Scopes = append(k.Scopes, tenant.Scope(scope))
	}
	k.CreatedAt, k.ExpiresAt, k.RevokedAt = fromMicros(r.createdAt), fromNullMicros(r.expiresAt), fromNullMicros(r.revokedAt)
	if copy(k.Digest[:], r.digest) != len(k.Digest) {
		return tenant.Key{}, fmt.Errorf("%w: key %s has no whole digest", store.ErrCorrupt, k.ID)
	}
	if err := k.Validate(); err != nil {
		return tenant.Key{}, fmt.Errorf("%w: key %s: %w", store.ErrCorrupt, k.ID, err)
	}
	return k, nil
}

func scanKey(row func(into ...any) error) (tenant.Key, error) {
	var r keyRow
	if err := row(r.into()...); err != nil {
		return tenant.Key{}, err
	}
	return r.read()
}

// An owned key is one with its tenant.
type owned struct {
	key   tenant.Key
	owner tenant.Tenant
}

func scanOwned(row func(into ...any) error) (o owned, err error) {
	var key keyRow
	var owner tenantRow
	if err = row(append(key.into(), owner.into()...)...); err != nil {
		return o, err
	}
	if o.key, err = key.read(); err != nil {
		return o, err
	}
	o.owner, err = owner.read()
	return o, err
}

// CreateKey implements [store.Keys].
func (s *Store) CreateKey(ctx context.Context, k tenant.Key) error {
	scopes := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		scopes[i] = string(scope)
	}
	act, err := store.KeyAct(k)
	if err != nil {
		return err
	}
	return s.write(ctx, "create key "+k.ID, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx,
			"INSERT INTO keys (id, tenant, name, scopes, created_at, expires_at, revoked_at, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			k.ID, k.Tenant, k.Name, strings.Join(scopes, " "), k.CreatedAt.UnixMicro(), nullMicros(k.ExpiresAt), nullMicros(k.RevokedAt), k.Digest[:])
		if err := s.notCreated("key", k.ID, k.Tenant, err); err != nil {
			return err
		}
		return s.record(ctx, tx, ledger.KindKeyCreated, act)
	})
}

// Key implements [store.Keys].
func (s *Store) Key(ctx context.Context, id string) (tenant.Key, tenant.Tenant, error) {
	found, err := one(ctx, s, s.reader, "key", id, scanOwned,
		"SELECT "+keyColumns+", "+tenantColumns+" FROM keys JOIN tenants ON tenants.id = keys.tenant WHERE keys.id = ?", id)
	if err != nil {
		return tenant.Key{}, tenant.Tenant{}, err
	}
	return found.key, found.owner, nil
}

// Keys implements [store.Keys].
func (s *Store) Keys(ctx context.Context, tenantID string) ([]tenant.Key, error) {
	keys, err := all(ctx, s, s.reader, "list keys", scanKey,
		"SELECT "+keyColumns+" FROM keys WHERE ?1 = '' OR tenant = ?1 ORDER BY created_at, id", tenantID)
	if err == nil && len(keys) == 0 && tenantID != "" {
		_, err = s.Tenant(ctx, tenantID)
	}
	return keys, err
}

// RevokeKey implements [store.Keys].
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) (revoked tenant.Key, err error) {
	err = s.write(ctx, "revoke key "+id, func(tx *transaction) error {
		revoked, err = one(ctx, s, tx, "key", id, scanKey,
			"UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING "+keyColumns, nullMicros(at), id)
		if err != nil {
			return err
		}
		act, err := store.KeyAct(revoked)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, ledger.KindKeyRevoked, act)
	})
	if err != nil {
		return tenant.Key{}, err
	}
	return revoked, nil
}
