package sqlite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"glovebox/internal/ledger"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

const tenantColumns = "tenants.id, tenants.created_at, tenants.suspended, tenants.keep_data, tenants.quota"

// A tenantRow is what is read for a tenant, in the order of tenantColumns.
type tenantRow struct {
	tenant    tenant.Tenant
	createdAt int64
	quota     []byte
}

func (r *tenantRow) into() []any {
	return []any{&r.tenant.ID, &r.createdAt, &r.tenant.Suspended, &r.tenant.KeepData, &r.quota}
}

// read makes a tenant of the row. A quota that is not understood is an error, never one that holds less.
func (r *tenantRow) read() (tenant.Tenant, error) {
	t := r.tenant
	t.CreatedAt = fromMicros(r.createdAt)
	decoder := json.NewDecoder(bytes.NewReader(r.quota))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t.Quota); err != nil {
		return tenant.Tenant{}, fmt.Errorf("%w: the quota of tenant %s: %w", store.ErrCorrupt, t.ID, err)
	}
	if err := t.Validate(); err != nil {
		return tenant.Tenant{}, fmt.Errorf("%w: tenant %s: %w", store.ErrCorrupt, t.ID, err)
	}
	return t, nil
}

func scanTenant(row func(into ...any) error) (tenant.Tenant, error) {
	var r tenantRow
	if err := row(r.into()...); err != nil {
		return tenant.Tenant{}, err
	}
	return r.read()
}

// CreateTenant implements [store.Tenants].
func (s *Store) CreateTenant(ctx context.Context, t tenant.Tenant) error {
	quota, err := json.Marshal(t.Quota)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	act, err := store.TenantAct(t)
	if err != nil {
		return err
	}
	return s.write(ctx, "create tenant "+t.ID, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO tenants (id, created_at, suspended, keep_data, quota) VALUES (?, ?, ?, ?, ?)",
			t.ID, t.CreatedAt.UnixMicro(), t.Suspended, t.KeepData, string(quota))
		if err := s.notCreated("tenant", t.ID, "", err); err != nil {
			return err
		}
		return s.record(ctx, tx, ledger.KindTenantCreated, act)
	})
}

func (s *Store) tenant(ctx context.Context, q querier, id string) (tenant.Tenant, error) {
	return one(ctx, s, q, "tenant", id, scanTenant, "SELECT "+tenantColumns+" FROM tenants WHERE id = ?", id)
}

// Tenant implements [store.Tenants].
func (s *Store) Tenant(ctx context.Context, id string) (tenant.Tenant, error) {
	return s.tenant(ctx, s.reader, id)
}

// Tenants implements [store.Tenants].
func (s *Store) Tenants(ctx context.Context) ([]tenant.Tenant, error) {
	return all(ctx, s, s.reader, "list tenants", scanTenant, "SELECT "+tenantColumns+" FROM tenants ORDER BY id")
}

// AnyTenant implements [store.Tenants].
func (s *Store) AnyTenant(ctx context.Context) (any bool, err error) {
	if err := s.reader.QueryRowContext(ctx, "SELECT EXISTS (SELECT * FROM tenants)").Scan(&any); err != nil {
		return false, s.failed("look for a tenant", err)
	}
	return any, nil
}

// ChangeTenant implements [store.Tenants].
func (s *Store) ChangeTenant(ctx context.Context, id string, change func(*tenant.Tenant) error) (changed tenant.Tenant, err error) {
	doing := "change tenant " + id
	err = s.write(ctx, doing, func(tx *transaction) error {
		before, err := s.tenant(ctx, tx, id)
		if err != nil {
			return err
		}
		changed = before
		if err := change(&changed); err != nil {
			return err
		}
		changed.ID, changed.CreatedAt = before.ID, before.CreatedAt
		quota, err := json.Marshal(changed.Quota)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE tenants SET suspended = ?, keep_data = ?, quota = ? WHERE id = ?",
			changed.Suspended, changed.KeepData, string(quota), id); err != nil {
			return s.failed(doing, err)
		}
		act, err := store.TenantAct(changed)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, ledger.KindTenantChanged, act)
	})
	if err != nil {
		return tenant.Tenant{}, err
	}
	return changed, nil
}

// DeleteTenant implements [store.Tenants]. Its keys go with it: the tables say so.
func (s *Store) DeleteTenant(ctx context.Context, id string) error {
	return s.write(ctx, "delete tenant "+id, func(tx *transaction) error {
		if _, err := one(ctx, s, tx, "tenant", id, func(row func(into ...any) error) (deleted string, err error) {
			return deleted, row(&deleted)
		}, "DELETE FROM tenants WHERE id = ? RETURNING id", id); err != nil {
			return err
		}
		return s.record(ctx, tx, ledger.KindTenantDeleted, ledger.Act{Subject: id})
	})
}
