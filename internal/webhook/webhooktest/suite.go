package webhooktest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"glovebox/internal/tenant"
	"glovebox/internal/webhook"
)

// A Place is a store of deliveries, and those of whom it keeps something, as others see it.
type Place struct {
	Store webhook.Store
	// Tenant makes a tenant without a webhook, Set gives it one, and Unset takes that away.
	Tenant, Unset func(t *testing.T, tenantID string)
	Set           func(t *testing.T, w tenant.Webhook)
	// End has something of a tenant's end at a time, and returns the delivery's id, whether its webhook is to be told or not.
	End func(t *testing.T, tenantID string, at time.Time) (id string)
}

var noon = time.Date(2026, 11, 29, 12, 0, 0, 123000, time.UTC)

func hook(of string) tenant.Webhook {
	return tenant.Webhook{Tenant: of, URL: "https://" + of + ".example/hook", CreatedAt: noon, Secret: tenant.NewWebhookSecret()}
}

// Run tests a store. empty makes one that holds nothing, which the test's end closes.
func Run(t *testing.T, empty func(*testing.T) Place) {
	for name, test := range map[string]func(*testing.T, Place){
		"who has a webhook is told":               told,
		"what is due first comes first":           order,
		"an attempt is counted":                   attempts,
		"a webhook takes its deliveries along":    goes,
		"another webhook gets what is left":       replaced,
		"what is gone is not there to be changed": absent,
	} {
		t.Run(name, func(t *testing.T) { test(t, empty(t)) })
	}
}

func next(t *testing.T, p Place, tenantID string, most int) []webhook.Delivery {
	t.Helper()
	got, err := p.Store.Next(t.Context(), tenantID, most)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// first is the one delivery that is next.
func first(t *testing.T, p Place, tenantID string) webhook.Delivery {
	t.Helper()
	got := next(t, p, tenantID, 1)
	if len(got) != 1 {
		t.Fatalf("%d deliveries are next", len(got))
	}
	return got[0]
}

func ids(deliveries []webhook.Delivery) (all []string) {
	for _, d := range deliveries {
		all = append(all, d.ID)
	}
	return all
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func backlogs(t *testing.T, p Place, want ...webhook.Backlog) {
	t.Helper()
	got, err := p.Store.Backlogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b webhook.Backlog) int { return cmp.Compare(a.Tenant, b.Tenant) })
	same(t, "backlogs", got, want)
}

// begin makes tenants with webhooks.
func begin(t *testing.T, p Place, tenants ...string) {
	t.Helper()
	for _, id := range tenants {
		p.Tenant(t, id)
		p.Set(t, hook(id))
	}
}

func told(t *testing.T, p Place) {
	begin(t, p, "acme", "other")
	p.Tenant(t, "silent")
	backlogs(t, p)
	p.End(t, "silent", noon)
	want := p.End(t, "acme", noon)
	p.End(t, "other", noon)
	p.End(t, "other", noon)
	backlogs(t, p, webhook.Backlog{Tenant: "acme", Deliveries: 1}, webhook.Backlog{Tenant: "other", Deliveries: 2})
	same(t, "acme's", ids(next(t, p, "acme", 5)), []string{want})
	d := first(t, p, "acme")
	if len(d.Body) == 0 || !d.CreatedAt.Equal(noon) || !d.DueAt.IsZero() || d.Attempts != 0 || d.To.URL != "https://acme.example/hook" || d.To.Secret.IsZero() {
		t.Errorf("%+v", d)
	}
	same(t, "silent's", ids(next(t, p, "silent", 5)), []string(nil))
}

func order(t *testing.T, p Place) {
	begin(t, p, "acme")
	var all []string
	for i := range 5 {
		all = append(all, p.End(t, "acme", noon.Add(time.Duration(i)*time.Second)))
	}
	same(t, "two of five", ids(next(t, p, "acme", 2)), all[:2])
	if err := p.Store.Postpone(t.Context(), all[0], noon.Add(2500*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	same(t, "all", ids(next(t, p, "acme", 9)), []string{all[1], all[2], all[3], all[4], all[0]})
	if err := p.Store.Postpone(t.Context(), all[1], noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	same(t, "all", ids(next(t, p, "acme", 9)), []string{all[2], all[3], all[4], all[1], all[0]})
}

func attempts(t *testing.T, p Place) {
	begin(t, p, "acme")
	id := p.End(t, "acme", noon)
	for i := range 3 {
		due := noon.Add(time.Duration(i) * time.Hour)
		if err := p.Store.Postpone(t.Context(), id, due); err != nil {
			t.Fatal(err)
		}
		if got := first(t, p, "acme"); got.Attempts != i+1 || !got.DueAt.Equal(due) || !got.CreatedAt.Equal(noon) {
			t.Errorf("%+v", got)
		}
	}
	if err := p.Store.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	backlogs(t, p)
}

func goes(t *testing.T, p Place) {
	begin(t, p, "acme", "other")
	p.End(t, "acme", noon)
	p.End(t, "other", noon)
	p.Unset(t, "acme")
	backlogs(t, p, webhook.Backlog{Tenant: "other", Deliveries: 1})
	p.Set(t, hook("acme")) // a later one inherits nothing
	backlogs(t, p, webhook.Backlog{Tenant: "other", Deliveries: 1})
}

func replaced(t *testing.T, p Place) {
	begin(t, p, "acme")
	id := p.End(t, "acme", noon)
	if err := p.Store.Postpone(t.Context(), id, noon.Add(12*time.Hour)); err != nil {
		t.Fatal(err)
	}
	other := hook("acme")
	other.URL, other.CreatedAt = "https://elsewhere.example/", noon.Add(time.Hour)
	p.Set(t, other)
	got := first(t, p, "acme")
	if got.ID != id || !got.DueAt.IsZero() || got.Attempts != 0 || got.To.URL != other.URL || got.To.Secret.Reveal() != other.Secret.Reveal() {
		t.Errorf("%+v", got)
	}
}

func absent(t *testing.T, p Place) {
	begin(t, p, "acme")
	if err := p.Store.Postpone(t.Context(), "nothing", noon); err != nil {
		t.Error(err)
	}
	if err := p.Store.Remove(t.Context(), "nothing"); err != nil {
		t.Error(err)
	}
	backlogs(t, p)
}
