package tenant

import "testing"

func TestAContextTellsItsTenant(t *testing.T) {
	if _, ok := FromContext(t.Context()); ok {
		t.Error("there is a tenant in an empty context")
	}
	ctx := NewContext(t.Context(), Tenant{ID: "acme", Quota: Quota{Weight: 3}})
	if got, ok := FromContext(ctx); !ok || got.ID != "acme" || got.Quota.Weight != 3 {
		t.Errorf("%+v, %v", got, ok)
	}
}

func TestAContextTellsItsKey(t *testing.T) {
	if _, ok := KeyFromContext(NewContext(t.Context(), Tenant{ID: "acme"})); ok {
		t.Error("a tenant is taken for a key")
	}
	if got, ok := KeyFromContext(NewKeyContext(t.Context(), Key{ID: "k"})); !ok || got.ID != "k" {
		t.Errorf("%+v, %v", got, ok)
	}
}
