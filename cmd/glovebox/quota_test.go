package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"glovebox/internal/tenant"
)

// A bound that nobody can set or see holds nobody.
func TestEveryFieldOfAQuotaIsAFlag(t *testing.T) {
	var fields, rows []string
	for field := range reflect.TypeFor[tenant.Quota]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	for _, row := range quotaTable {
		rows = append(rows, row.field)
	}
	slices.Sort(fields)
	slices.Sort(rows)
	if !slices.Equal(fields, rows) {
		t.Errorf("the quota has %v, and the table %v", fields, rows)
	}
}

// Each flag sets the field that its row names, and no other.
func TestEachFlagSetsItsOwnField(t *testing.T) {
	values := map[string]string{"max-memory": "64MiB", "max-timeout": "2s", "max-code-size": "5KiB", "max-input-size": "7", "require-isolation": "gvisor",
		"languages": "typescript", "libraries": "none"}
	for _, row := range quotaTable {
		text := values[row.flag]
		if text == "" {
			text = "3"
		}
		var q tenant.Quota
		if err := row.set(&q, text); err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(q)
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if v.Field(i).IsZero() == (name == row.field) {
				t.Errorf("--%s %s makes %s %v", row.flag, text, name, v.Field(i))
			}
		}
		if row.text(q) == "" || row.text(tenant.Quota{}) != "" {
			t.Errorf("--%s is shown as %q, and as %q where it was not given", row.flag, row.text(q), row.text(tenant.Quota{}))
		}
	}
}

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"never":                     {},
		"90d":                       time.Date(2026, 5, 30, 12, 0, 0, 0, time.UTC),
		"12h":                       now.Add(12 * time.Hour),
		"2027-01-31":                time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		"2027-01-31T12:00:00+02:00": time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC),
	} {
		if got, err := expiry(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, want %v; %v", text, got, want, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "0d", "-5m", "0", "2026-03-01", "99999999d", "9999999999999d", "1y", "tomorrow"} {
		if got, err := expiry(text, now); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestDefaultDataDir(t *testing.T) {
	env := func(vars map[string]string) func(string) string {
		return func(name string) string { return vars[name] }
	}
	for want, got := range map[string]string{
		"/var/lib/glovebox":           defaultDataDir(0, env(map[string]string{"XDG_DATA_HOME": "/x"})),
		"/x/glovebox":                 defaultDataDir(1000, env(map[string]string{"XDG_DATA_HOME": "/x", "HOME": "/h"})),
		"/h/.local/share/glovebox":    defaultDataDir(1000, env(map[string]string{"HOME": "/h"})),
		"/home/.local/share/glovebox": defaultDataDir(1000, env(map[string]string{"XDG_DATA_HOME": "relative", "HOME": "/home"})),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
