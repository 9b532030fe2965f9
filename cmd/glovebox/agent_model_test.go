package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glovebox/internal/agent"
)

// A file with a key goes before the environment's, and what is in it is told to the model's server alone.
func TestKeyFile(t *testing.T) {
	sent := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Get("Authorization")
		http.Error(w, "no", http.StatusBadRequest)
	}))
	defer server.Close()
	name := filepath.Join(t.TempDir(), "key")
	getenv := func(name string) string { return map[string]string{"OPENAI_API_KEY": "sk-environment"}[name] }
	for text, want := range map[string]string{"sk-file\n": "Bearer sk-file", "  sk-file  ": "Bearer sk-file"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f := modelFlags{provider: "openai", name: "m", baseURL: server.URL, keyFile: name}
		model, err := f.open(getenv)
		if err != nil {
			t.Fatal(err)
		}
		_, err = model.Answer(t.Context(), agent.Turn{})
		if got := <-sent; got != want || err == nil || strings.Contains(err.Error(), "sk-file") {
			t.Errorf("%q: sent %q, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", " \n", "sk\nfile", "sk file", "sk-\u00e4", strings.Repeat("x", 16<<10+1)} {
		if err := os.WriteFile(name, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		f := modelFlags{provider: "openai", name: "m", baseURL: server.URL, keyFile: name, prefix: agentPrefix}
		if _, err := f.open(getenv); err == nil || !strings.HasPrefix(err.Error(), "--agent-key-file: ") || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	for _, none := range []string{name + "-none", "-"} {
		f := modelFlags{provider: "openai", name: "m", baseURL: server.URL, keyFile: none}
		if _, err := f.open(getenv); err == nil {
			t.Errorf("%s is no file", none)
		}
	}
}
