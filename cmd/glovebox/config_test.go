package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"glovebox/internal/config"
)

func verb(t *testing.T, root *cobra.Command, names ...string) *cobra.Command {
	t.Helper()
	cmd, rest, err := root.Find(names)
	if err != nil || len(rest) > 0 {
		t.Fatal(names, err)
	}
	return cmd
}

// Every flag of serve's is a setting, and config shows them all.
func TestServeHasNothingButSettings(t *testing.T) {
	root := newRoot()
	serve, show := verb(t, root, "serve"), verb(t, root, "config")
	serve.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name == configFlag || flag.Name == "help" {
			return
		}
		if key, ok := config.Key(flag); !ok || key != flag.Name {
			t.Errorf("--%s is the setting %q", flag.Name, key)
		}
	})
	if want, got := settingsOf(serve), settingsOf(show); !slices.Equal(want, got) {
		t.Errorf("serve has %v, and config shows %v", want, got)
	}
}

// What other commands share with serve is the same kind of thing, and no command has a setting twice.
func TestSharedSettings(t *testing.T) {
	root := newRoot()
	kinds := map[string]string{}
	verb(t, root, "serve").Flags().VisitAll(func(flag *pflag.Flag) { kinds[flag.Name] = flag.Value.Type() })
	eachCommand(root, func(cmd *cobra.Command) {
		seen := map[string]bool{}
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			key, ok := config.Key(flag)
			if !ok {
				return
			}
			if kind := kinds[key]; seen[key] || kind != flag.Value.Type() && key != "server" && key != "allow-plain-http" {
				t.Errorf("%s --%s is the setting %s, a %s", cmd.CommandPath(), flag.Name, key, flag.Value.Type())
			}
			seen[key] = true
		})
	})
	for path, want := range map[string]string{
		"run": "allow-plain-http driver isolation runtime server state-dir strict", "sweep": "state-dir", "doctor": "state-dir",
		"audit": "state-dir", "tenant create": "data-dir", "ledger export": "data-dir", "ledger verify": "", "version": "",
		"agent run": "agent-allow-plain-http agent-base-url driver isolation agent-key-file agent-model agent-no-tools agent-provider runtime state-dir strict",
	} {
		if got := strings.Join(settingsOf(verb(t, root, strings.Fields(path)...)), " "); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// What config prints is read again, whatever the values are.
func TestShownConfigIsReadAgain(t *testing.T) {
	args := []string{"--runtime=# 'a': \"b\"\n", "--agent-model=yes", "--agent-budget-time=90s", "--allow-host=1:2", "--allow-host=true", "--data-dir=/a, b", "--strict", "--warm-cpus=0"}
	shown := func(args ...string) (string, []string) {
		t.Helper()
		root := newRoot()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(io.Discard)
		root.SetArgs(append([]string{"config"}, args...))
		cmd, err := root.ExecuteC()
		if err != nil {
			t.Fatal(err)
		}
		var values []string
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if _, ok := config.Key(flag); ok {
				values = append(values, flag.Name+"="+flag.Value.String())
			}
		})
		return out.String(), values
	}
	text, want := shown(args...)
	name := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, got := shown("--config", name); !slices.Equal(got, want) {
		t.Errorf("%q was shown as\n%s\nand read as %q", want, text, got)
	}
}

// An address that may hold a password or a key is shown nowhere.
func TestAddressRedacts(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "https://a.example/v1": "https://a.example/v1", "http://127.0.0.1:11434/v1": "http://127.0.0.1:11434/v1",
		"https://token@a.example": "[redacted]", "https://a:b@a.example": "[redacted]", "https://a.example/?key=b": "[redacted]",
		"https://a.example/#b": "[redacted]", "a:b@c": "[redacted]", "https://a:%@b": "[redacted]",
	} {
		var a address
		if err := a.Set(text); err != nil || a.String() != want || string(a) != text {
			t.Errorf("%s: %s, %v", text, a.String(), err)
		}
	}
}

func TestLogFormats(t *testing.T) {
	for format, want := range map[string]string{
		logText: `level=WARN msg=hello took=1.5s`, logJSON: `"level":"WARN","msg":"hello","took":1.5}`, logAuto: `"took":1.5}`,
	} {
		var out bytes.Buffer
		log := newLog(&out, format, "warn")
		log.Info("quiet")
		log.LogAttrs(t.Context(), slog.LevelWarn, "hello", slog.Duration("took", 1500*time.Millisecond))
		if text := strings.TrimSpace(out.String()); !strings.HasSuffix(text, want) || strings.Contains(text, "quiet") {
			t.Errorf("%s: %s", format, text)
		}
	}
}

// Isolation that one place asks for and another waives is told, however each writes it, and nothing else is.
func TestWaivedIsolationIsTold(t *testing.T) {
	for _, row := range []struct {
		args, environ, file string
		want                int
	}{
		{"--strict=false", "", "strict: true", 1},
		{"", "GLOVEBOX_STRICT=0", "strict: true", 1},
		{"--strict=f", "GLOVEBOX_STRICT=1", "strict: true", 2},
		{"--strict=0", "", "strict: false", 0},
		{"--strict", "", "strict: false", 0},
		{"--strict", "GLOVEBOX_STRICT=t", "strict: true", 0},
		{"--isolation=standard", "", "isolation: gvisor", 1},
		{"", "GLOVEBOX_ISOLATION=standard", "isolation: gvisor", 1},
		{"--isolation=gvisor", "", "isolation: standard", 0},
		{"--concurrency=2", "", "concurrency: 3", 0},
		{"", "", "strict: false", 0},
	} {
		cmd := parsed(t, slices.DeleteFunc([]string{"serve", row.args}, func(a string) bool { return a == "" }))
		file, err := config.Parse("c.yaml", []byte(row.file))
		if err != nil {
			t.Fatal(err)
		}
		overrides, err := config.Apply(cmd.Flags(), func(name string) string {
			value, _ := strings.CutPrefix(row.environ, name+"=")
			if value == row.environ {
				return ""
			}
			return value
		}, file)
		if told := weakened(overrides); err != nil || len(told) != row.want {
			t.Errorf("%+v: %q, %v", row, told, err)
		}
	}
}
