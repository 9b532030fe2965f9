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
