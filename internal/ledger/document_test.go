package ledger_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"glovebox/internal/ledger"
)

// document returns the blocks of docs/ledger.md that are of a language, in their order.
func document(t *testing.T, language string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, found[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("docs/ledger.md has no block of %q", language)
	}
	return blocks
}

// The example that people read is one that verifies.
func TestTheDocumentsExampleIsWhole(t *testing.T) {
	key, err := ledger.ParsePublicKey([]byte(document(t, "pem")[0]))
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify(document(t, "json")[0], key, ledger.VerifyOptions{})
	if err != nil || report.Entries != 5 {
		t.Errorf("%+v, %v", report, err)
	}
}

// What it says of how to verify by hand gives what is in the example, by programs that are none of ours.
func TestTheDocumentsCommands(t *testing.T) {
	for _, program := range []string{"sh", "sed", "sha256sum", "base64", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	dir, example := t.TempDir(), document(t, "json")[0]
	for name, text := range map[string]string{"ledger.jsonl": example, "ledger.pem": document(t, "pem")[0]} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := document(t, "sh")
	run := func(command string) string {
		t.Helper()
		cmd := exec.Command("sh", "-ec", command)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	var want strings.Builder
	for _, hash := range regexp.MustCompile(`"hash":"sha256:([0-9a-f]+)"`).FindAllStringSubmatch(example, -1) {
		want.WriteString(hash[1] + "  -\n")
	}
	if got := run(commands[0]); got != want.String() {
		t.Errorf("the hashes are\n%swant\n%s", got, want.String())
	}
	if got := run(commands[1]); !strings.Contains(got, "Signature Verified Successfully") {
		t.Errorf("openssl says %s", got)
	}
}
