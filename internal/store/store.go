// Package store says what Glovebox keeps, and what it promises of that: who may have scripts run. What keeps it is in
// packages below, each of which passes storetest's suite.
//
// Every method is safe for concurrent use, by several processes too. What a method that writes has returned without an
// error is on disk. Times are kept to the microsecond, and returned in UTC. Errors are one of this package's, wrapped, or the
// implementation's own trouble; nothing has been changed then.
package store

import (
	"context"
	"errors"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/secret"
	"glovebox/internal/tenant"
)

var (
	// ErrNotFound is returned where there is nothing by that id.
	ErrNotFound = errors.New("there is none by this id")
	// ErrExists is returned where there is something by that id already.
	ErrExists = errors.New("there is one by this id already")
	// ErrInUse is returned where another server has what one server alone may have.
	ErrInUse = errors.New("another server uses it")
	// ErrBusy is returned where another process has kept what is needed locked for longer than is waited. To try again can help.
	ErrBusy = errors.New("another process keeps it locked")
	// ErrCorrupt is returned where what is kept cannot be read: it is damaged, or was never ours.
	ErrCorrupt = errors.New("it is damaged, or no database of Glovebox's")
	// ErrNewer is returned where a later Glovebox has changed what is kept to a form that this one does not know.
	ErrNewer = errors.New("it was written by a later Glovebox")
)

// Tenants keeps tenants.
type Tenants interface {
	// CreateTenant keeps a new tenant, or returns ErrExists.
	CreateTenant(ctx context.Context, t tenant.Tenant) error
	// Tenant returns one, or ErrNotFound.
	Tenant(ctx context.Context, id string) (tenant.Tenant, error)
	// Tenants returns all of them, by id.
	Tenants(ctx context.Context) ([]tenant.Tenant, error)
	// AnyTenant reports whether there is one.
	AnyTenant(ctx context.Context) (bool, error)
	// ChangeTenant has change alter a tenant, and keeps and returns what it has become. Nobody else changes it meanwhile; change
	// may be called more than once, and must not use the store. ID and CreatedAt stay as they are. It returns ErrNotFound, or
	// change's error.
	ChangeTenant(ctx context.Context, id string, change func(*tenant.Tenant) error) (tenant.Tenant, error)
	// DeleteTenant forgets a tenant and everything that is its own, or returns ErrNotFound.
	DeleteTenant(ctx context.Context, id string) error
}

// Keys keeps what is kept of keys.
type Keys interface {
	// CreateKey keeps a new key. It returns ErrExists, or ErrNotFound where there is no such tenant.
	CreateKey(ctx context.Context, k tenant.Key) error
	// Key returns a key and the tenant that has it, as both are at one moment, or ErrNotFound. Whether the key opens anything is for
	// [tenant.Key.Admit] to say.
	Key(ctx context.Context, id string) (tenant.Key, tenant.Tenant, error)
	// Keys returns a tenant's keys, the oldest first, or those of every tenant where tenantID is "". Of a tenant that is not
	// there it returns ErrNotFound.
	Keys(ctx context.Context, tenantID string) ([]tenant.Key, error)
	// RevokeKey marks a key as revoked, for ever, and returns what it has become. One that is revoked already stays as it is. It
	// returns ErrNotFound.
	RevokeKey(ctx context.Context, id string, at time.Time) (tenant.Key, error)
}

// Webhooks keeps the webhooks of tenants, of which each has one at most.
type Webhooks interface {
	// SetWebhook keeps a tenant's webhook in place of one that it may have had; what that has not delivered is due at once, and
	// goes to the new one as if it had never been tried. It returns ErrNotFound where there is no such tenant.
	SetWebhook(ctx context.Context, w tenant.Webhook) error
	// Webhook returns a tenant's webhook, with its secrets, or ErrNotFound.
	Webhook(ctx context.Context, tenantID string) (tenant.Webhook, error)
	// RotateWebhook puts another secret in the secret's place, which signs beside it until a time, and returns what the webhook has
	// become, or ErrNotFound. A secret that signed beside the last one does so no more.
	RotateWebhook(ctx context.Context, tenantID string, to secret.Secret, until time.Time) (tenant.Webhook, error)
	// RemoveWebhook forgets a tenant's webhook, its secrets, and all that it has not delivered, or returns ErrNotFound.
	RemoveWebhook(ctx context.Context, tenantID string) error
}

// A Store keeps everything. What is written of tenants, keys and webhooks is recorded in its ledger in the same step, as done by the actor of
// the context ([ledger.WithActor]): neither is there without the other.
type Store interface {
	Tenants
	Keys
	Webhooks
	// Ledger is the record of what was run and administered. It has been begun.
	Ledger() ledger.Log
	// Close ends the use of it, once what goes on has ended. No other method may be called after it.
	Close() error
}
