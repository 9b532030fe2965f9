package glovebox_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/seccomp"
)

// The README's table of an agent's outcomes is the one table's.
func TestReadmeListsTheOutcomes(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| outcome | meaning |\n|---|---|\n")
	for _, info := range agent.Outcomes() {
		fmt.Fprintf(&want, "| %s | %s |\n", info.Code, info.Meaning)
	}
	if !strings.Contains(string(readme), want.String()+"\n") {
		t.Errorf("README.md does not hold this table:\n%s", want.String())
	}
}

// The README's table of result codes is the one table's.
func TestReadmeListsTheResultCodes(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| code | meaning |\n|---|---|\n")
	for _, info := range api.Codes() {
		fmt.Fprintf(&want, "| %s | %s |\n", info.Code, info.Meaning)
	}
	if !strings.Contains(string(readme), want.String()) {
		t.Errorf("README.md does not hold this table:\n%s", want.String())
	}
}

// SECURITY.md counts the system calls that the profiles allow.
func TestSecurityCountsTheSystemCalls(t *testing.T) {
	security, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(security)), " ")
	want := fmt.Sprintf("The runner's start is allowed %d, and once it has sealed itself, which is before it reads a byte of the job, %d.",
		len(seccomp.Runner().Allowed()), len(seccomp.Sealed().Allowed()))
	if !strings.Contains(text, want) {
		t.Errorf("SECURITY.md does not say: %s", want)
	}
}
