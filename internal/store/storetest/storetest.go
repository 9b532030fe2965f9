// Package storetest is what package store promises, as tests for whatever keeps it.
package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"glovebox/api"
	"glovebox/internal/ledger"
	"glovebox/internal/ledger/ledgertest"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

// A Place is where a store keeps things.
type Place interface {
	// Open opens the place's store once more, as another process would. The test closes it.
	Open(t testing.TB) store.Store
	// Signer returns what signs the ledger of one of the place's stores.
	Signer(t testing.TB, of store.Store) *ledger.Signer
}

// Run tests a store. empty makes a place that holds nothing, and that nobody else uses.
func Run(t *testing.T, empty func(t testing.TB) Place) {
	for name, test := range map[string]func(*testing.T, store.Store, Place){
		"a tenant comes back as it was":            tenantComesBack,
		"a change is of one tenant, and whole":     changes,
		"changes do not overwrite each other":      changesMeet,
		"a deleted tenant takes its keys along":    deletes,
		"a key comes back as it was":               keyComesBack,
		"a key is of a tenant that is there":       keyNeedsTenant,
		"a revoked key stays revoked":              revokes,
		"a webhook comes back as it was":           webhookComesBack,
		"a webhook's secret is rotated":            webhookRotates,
		"a webhook is removed, or with its tenant": webhookGoes,
		"what is written is there for the others":  others,
		"of two that create one, one does":         createsOnce,
		"what is administered is recorded":         records,
	} {
		t.Run(name, func(t *testing.T) {
			place := empty(t)
			test(t, open(t, place), place)
		})
	}
	t.Run("its ledger", func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) ledgertest.Place {
			place := empty(t)
			first := open(t, place)
			return ledgertest.Place{Log: first.Ledger(), Signer: place.Signer(t, first), Reopen: func(t *testing.T) ledger.Log { return open(t, place).Ledger() }}
		})
	})
}

func open(t *testing.T, place Place) store.Store {
	t.Helper()
	s := place.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The moments of these tests, to the microsecond.
var (
	early = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	late  = early.Add(time.Hour)
)

func plain(id string) tenant.Tenant { return tenant.Tenant{ID: id, CreatedAt: early} }

func full(id string) tenant.Tenant {
	return tenant.Tenant{ID: id, CreatedAt: early, Suspended: true, KeepData: true, Quota: tenant.Quota{
		Weight: 3, Concurrency: 4, Queue: 5, RequestsPerMinute: 6, ReadsPerMinute: 7, CPUSecondsPerDay: 7.5, MemoryLimitMB: 64, CPUs: 0.5, TimeoutSeconds: 1.5,
		CodeBytes: 100, InputBytes: 200, Isolation: tenant.IsolationGVisor, Languages: []api.Language{api.TypeScript}, Libraries: []string{},
	}}
}

func create(t *testing.T, s store.Store, tenants ...tenant.Tenant) {
	t.Helper()
	for _, one := range tenants {
		if err := s.CreateTenant(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
}

func key(t *testing.T, of string, expires time.Time) tenant.Key {
	t.Helper()
	k, _, err := tenant.NewKey(of, "für Tests", []tenant.Scope{tenant.ScopeRead, tenant.ScopeExecute}, early, expires)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func tenantComesBack(t *testing.T, s store.Store, _ Place) {
	ctx := t.Context()
	if none, err := s.Tenants(ctx); err != nil || len(none) != 0 {
		t.Fatalf("an empty store has tenants: %v, %v", none, err)
	}
	_, err := s.Tenant(ctx, "acme")
	fails(t, "a tenant that is not there", err, store.ErrNotFound)
	anyIs(t, s, false)
	zoned := plain("zoned")
	zoned.CreatedAt = early.In(time.FixedZone("east", 3600)).Add(789 * time.Nanosecond)
	create(t, s, zoned, full("full"), plain("acme"))
	anyIs(t, s, true)
	fails(t, "a second acme", s.CreateTenant(ctx, full("acme")), store.ErrExists)
	for _, want := range []tenant.Tenant{plain("acme"), full("full"), plain("zoned")} {
		got, err := s.Tenant(ctx, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, want.ID, got, want)
	}
	all, err := s.Tenants(ctx)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the list", all, []tenant.Tenant{plain("acme"), full("full"), plain("zoned")})
}

func anyIs(t *testing.T, s store.Store, want bool) {
	t.Helper()
	if got, err := s.AnyTenant(t.Context()); err != nil || got != want {
		t.Errorf("there is a tenant: %v, want %v; %v", got, want, err)
	}
}

func changes(t *testing.T, s store.Store, _ Place) {
	ctx := t.Context()
	create(t, s, plain("acme"), plain("other"))
	_, err := s.ChangeTenant(ctx, "nobody", func(*tenant.Tenant) error { return nil })
	fails(t, "a change of nobody", err, store.ErrNotFound)
	refused := errors.New("no")
	_, err = s.ChangeTenant(ctx, "acme", func(t *tenant.Tenant) error {
		t.Suspended = true
		return refused
	})
	fails(t, "a change that is refused", err, refused)
	if got, err := s.Tenant(ctx, "acme"); err != nil || got.Suspended {
		t.Errorf("a change that was refused was made: %+v, %v", got, err)
	}
	want := full("acme")
	got, err := s.ChangeTenant(ctx, "acme", func(t *tenant.Tenant) error {
		*t = full("renamed")
		t.CreatedAt = late
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "what it became", got, want)
	all, err := s.Tenants(ctx)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "all of them", all, []tenant.Tenant{want, plain("other")})
}

func changesMeet(t *testing.T, s store.Store, place Place) {
	const each = 10
	create(t, s, plain("acme"))
	all := []store.Store{s, open(t, place)}
	var done sync.WaitGroup
	for _, one := range all {
		for range each {
			done.Go(func() {
				if _, err := one.ChangeTenant(t.Context(), "acme", func(t *tenant.Tenant) error {
					t.Quota.Queue++
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	done.Wait()
	if got, err := s.Tenant(t.Context(), "acme"); err != nil || got.Quota.Queue != each*len(all) {
		t.Errorf("of %d changes %d were kept; %v", each*len(all), got.Quota.Queue, err)
	}
}

func deletes(t *testing.T, s store.Store, _ Place) {
	ctx := t.Context()
	create(t, s, plain("acme"), plain("other"))
	gone, stays := key(t, "acme", late), key(t, "other", late)
	for _, k := range []tenant.Key{gone, stays} {
		if err := s.CreateKey(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	fails(t, "deleting nobody", s.DeleteTenant(ctx, "nobody"), store.ErrNotFound)
	if err := s.DeleteTenant(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	fails(t, "deleting it again", s.DeleteTenant(ctx, "acme"), store.ErrNotFound)
	_, err := s.Tenant(ctx, "acme")
	fails(t, "the tenant", err, store.ErrNotFound)
	_, _, err = s.Key(ctx, gone.ID)
	fails(t, "its key", err, store.ErrNotFound)
	create(t, s, plain("acme")) // a later one by that name inherits nothing
	if keys, err := s.Keys(ctx, "acme"); err != nil || len(keys) != 0 {
		t.Errorf("it has keys: %v, %v", keys, err)
	}
	if all, err := s.Keys(ctx, ""); err != nil || len(all) != 1 || all[0].ID != stays.ID {
		t.Errorf("the other's key is gone: %v, %v", all, err)
	}
}

func keyComesBack(t *testing.T, s store.Store, _ Place) {
	ctx := t.Context()
	create(t, s, full("acme"), plain("other"))
	forever, ends := key(t, "acme", time.Time{}), key(t, "acme", late)
	ends.CreatedAt = early.Add(time.Second)
	for _, k := range []tenant.Key{ends, forever} {
		if err := s.CreateKey(ctx, k); err != nil {
			t.Fatal(err)
		}
		got, owner, err := s.Key(ctx, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the key", got, k)
		same(t, "its tenant", owner, full("acme"))
		fails(t, "the same once more", s.CreateKey(ctx, k), store.ErrExists)
	}
	if _, _, err := s.Key(ctx, "nothing"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key that is not there: %v", err)
	}
	for of, want := range map[string][]tenant.Key{"acme": {forever, ends}, "": {forever, ends}, "other": nil} {
		got, err := s.Keys(ctx, of)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("the keys of %q", of), got, want)
	}
	_, err := s.Keys(ctx, "nobody")
	fails(t, "the keys of nobody", err, store.ErrNotFound)
}

func keyNeedsTenant(t *testing.T, s store.Store, _ Place) {
	k := key(t, "nobody", late)
	fails(t, "a key of nobody", s.CreateKey(t.Context(), k), store.ErrNotFound)
	_, _, err := s.Key(t.Context(), k.ID)
	fails(t, "reading it", err, store.ErrNotFound)
}

func revokes(t *testing.T, s store.Store, _ Place) {
	ctx := t.Context()
	create(t, s, plain("acme"))
	k := key(t, "acme", late)
	if err := s.CreateKey(ctx, k); err != nil {
		t.Fatal(err)
	}
	_, err := s.RevokeKey(ctx, "nothing", early)
	fails(t, "revoking nothing", err, store.ErrNotFound)
	want := k
	want.RevokedAt = early
	for _, at := range []time.Time{early, late} {
		got, err := s.RevokeKey(ctx, k.ID, at)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "what it became", got, want)
	}
	got, _, err := s.Key(ctx, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "what is kept", got, want)
}

func others(t *testing.T, s store.Store, place Place) {
	other := open(t, place)
	create(t, s, plain("acme"))
	k := key(t, "acme", late)
	if err := s.CreateKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Key(t.Context(), k.ID); err != nil {
		t.Errorf("a key that was made by another: %v", err)
	}
	if _, err := other.RevokeKey(t.Context(), k.ID, early); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Key(t.Context(), k.ID); err != nil || got.RevokedAt.IsZero() {
		t.Errorf("a key that was revoked by another: %+v, %v", got, err)
	}
}

func createsOnce(t *testing.T, s store.Store, place Place) {
	stores := []store.Store{s, open(t, place), open(t, place)}
	errs := make([]error, len(stores))
	var done sync.WaitGroup
	for i, one := range stores {
		done.Go(func() { errs[i] = one.CreateTenant(t.Context(), plain("acme")) })
	}
	done.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d have made it: %v", made, errs)
	}
}
