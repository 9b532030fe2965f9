package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glovebox/internal/store/sqlite"
)

// A server without --data-dir hears no tenants, where the commands that make them keep them by default: whoever made some is told.
func TestTenantsThatAreNotHeardAreNamed(t *testing.T) {
	f := entryFlags{listen: "127.0.0.1:0"}
	warned := func(dir string) string {
		t.Helper()
		var out bytes.Buffer
		if err := f.tell(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), nil, dir); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	dir := t.TempDir()
	if out := warned(dir); strings.Contains(out, "not heard") || !strings.Contains(out, "the server is open") {
		t.Error(out)
	}
	if err := os.WriteFile(filepath.Join(dir, sqlite.FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := warned(dir); !strings.Contains(out, "not heard") || !strings.Contains(out, "--data-dir "+dir) {
		t.Error(out)
	}
}
