package tenant

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"glovebox/api"
)

func TestValidate(t *testing.T) {
	good := []Tenant{
		{ID: "a"}, {ID: "acme-2"}, {ID: strings.Repeat("a", 63)},
		{ID: "a", Quota: Quota{Weight: MaxWeight, Concurrency: 4, CPUSecondsPerDay: 0.5, Isolation: IsolationGVisor, Languages: []api.Language{api.TypeScript}, Libraries: []string{}}},
	}
	for _, tenant := range good {
		if err := tenant.Validate(); err != nil {
			t.Errorf("%+v: %v", tenant, err)
		}
	}
	for field, tenant := range map[string]Tenant{
		"id":                      {ID: "A"},
		"quota.weight":            {ID: "a", Quota: Quota{Weight: MaxWeight + 1}},
		"quota.concurrency":       {ID: "a", Quota: Quota{Concurrency: -1}},
		"quota.cpuSecondsPerDay":  {ID: "a", Quota: Quota{CPUSecondsPerDay: math.NaN()}},
		"quota.memoryLimitMB":     {ID: "a", Quota: Quota{MemoryLimitMB: api.MaxMemoryLimitMB + 1}},
		"quota.cpus":              {ID: "a", Quota: Quota{CPUs: api.MinCPUs / 2}},
		"quota.timeoutSeconds":    {ID: "a", Quota: Quota{TimeoutSeconds: math.Inf(1)}},
		"quota.isolation":         {ID: "a", Quota: Quota{Isolation: "none"}},
		"quota.languages":         {ID: "a", Quota: Quota{Languages: []api.Language{"cobol"}}},
		"quota.requestsPerMinute": {ID: "a", Quota: Quota{RequestsPerMinute: -1}},
	} {
		var invalid *InvalidError
		if err := tenant.Validate(); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%+v: %v, want a complaint of %s", tenant, err, field)
		}
	}
	for _, id := range []string{"", "-a", "a_b", "a b", "1a", strings.Repeat("a", 64), "a\n"} {
		if (Tenant{ID: id}).Validate() == nil {
			t.Errorf("%q is taken as an id", id)
		}
	}
}

func TestAWeightThatWasNotGivenIsTheDefault(t *testing.T) {
	if (Quota{}).EffectiveWeight() != DefaultWeight || (Quota{Weight: 3}).EffectiveWeight() != 3 {
		t.Error("wrong weight")
	}
}

// To allow none is not to allow each: the two must differ in JSON, as they are kept.
func TestNoneStaysNoneInJSON(t *testing.T) {
	for text, q := range map[string]Quota{
		`{"languages":[],"libraries":[]}`: {Languages: []api.Language{}, Libraries: []string{}},
		`{}`:                              {},
	} {
		got, err := json.Marshal(q)
		if err != nil || string(got) != text {
			t.Errorf("%+v becomes %s, want %s; %v", q, got, text, err)
		}
		var back Quota
		if err := json.Unmarshal(got, &back); err != nil || (back.Languages == nil) != (q.Languages == nil) || (back.Libraries == nil) != (q.Libraries == nil) {
			t.Errorf("%s becomes %+v; %v", got, back, err)
		}
	}
}
