package glovebox_test

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/probe"
	"glovebox/internal/probe/native"
	"glovebox/internal/probe/script"
	"glovebox/seccomp"
)

var update = flag.Bool("update", false, "write what is generated of the documents")

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

// probes are those of both families.
func probes() []probe.Probe { return slices.Concat(native.Probes(), script.Probes()) }

const (
	claimsBegin = "<!-- claims -->\n"
	claimsEnd   = "<!-- end of claims -->\n"
)

// SECURITY.md ends with every claim, as the probes say it.
func TestSecurityListsTheClaims(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), claimsBegin)
	_, after, ended := strings.Cut(rest, claimsEnd)
	if !found || !ended {
		t.Fatal("SECURITY.md has no place for the claims")
	}
	want := before + claimsBegin + claims() + claimsEnd + after
	if *update {
		if err := os.WriteFile("SECURITY.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(page) != want {
		t.Error("SECURITY.md does not list the probes' claims: go test -run TestSecurityListsTheClaims -update . writes them")
	}
}

func claims() string {
	var table strings.Builder
	table.WriteString("| layer | claims that it is to hold by itself | of these, the ones that it is meant for |\n|---|---|---|\n")
	for _, layer := range probe.Layers() {
		all, first := 0, 0
		for _, p := range probes() {
			if slices.Contains(p.Layers, layer) {
				all++
			}
			if p.Layers[0] == layer {
				first++
			}
		}
		fmt.Fprintf(&table, "| %s | %d | %d |\n", layer, all, first)
	}
	table.WriteString("\n")
	table.WriteString("| probe | claim | layers | why it matters |\n|---|---|---|---|\n")
	for _, p := range probes() {
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", p.ID, p.Claim, strings.Join(p.Layers, ", "), p.Reference)
	}
	return table.String()
}

// noProbes are the words of SECURITY.md that look like a probe's id, and are none.
var noProbes = []string{"isolation.layers", "isolation.attestation", "config.json", "glovebox.witness"}

// Every id in SECURITY.md is a probe's, and every probe is some promise's.
func TestSecurityAndTheProbesAreInStep(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	known := func(pattern string) bool {
		return slices.ContainsFunc(probes(), func(p probe.Probe) bool { return matches(t, pattern, p.ID) })
	}
	ids := regexp.MustCompile("`([a-z0-9]+\\.[a-z0-9-]*\\*?)`")
	for _, found := range ids.FindAllStringSubmatch(string(page), -1) {
		if !slices.Contains(noProbes, found[1]) && !known(found[1]) {
			t.Errorf("SECURITY.md names %s, which is no probe", found[1])
		}
	}
	_, section, _ := strings.Cut(string(page), "### What is promised\n")
	section, _, _ = strings.Cut(section, "\n## ")
	promised := ids.FindAllStringSubmatch(section, -1)
	for _, p := range probes() {
		if !slices.ContainsFunc(promised, func(found []string) bool { return matches(t, found[1], p.ID) }) {
			t.Errorf("no promise of SECURITY.md names the probe %s", p.ID)
		}
	}
}

func matches(t *testing.T, pattern, id string) bool {
	t.Helper()
	ok, err := path.Match(pattern, id)
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	return ok
}

// SECURITY.md and the README say how many probes there are.
func TestDocumentsCountTheProbes(t *testing.T) {
	for name, format := range map[string]string{
		"SECURITY.md": "`glovebox audit` tries %d claims of this page",
		"README.md":   "by %d ways, those of a script and those of a native process",
	} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(format, len(probes())); !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
			t.Errorf("%s does not say: %s", name, want)
		}
	}
}

// A release has the documents beside the program, and what they lead to.
func TestDocumentsLeadToWhatIsReleased(t *testing.T) {
	script, err := os.ReadFile("scripts/release.sh")
	if err != nil {
		t.Fatal(err)
	}
	var released []string
	for _, line := range regexp.MustCompile(`(?m)^  cp (?:-r )?(.*) "\$work/\$name/"$`).FindAllSubmatch(script, -1) {
		released = append(released, strings.Fields(string(line[1]))...)
	}
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range released {
		if filepath.Ext(name) == ".md" {
			documents = append(documents, name)
		}
	}
	if len(documents) < 5 {
		t.Fatalf("these alone are released: %q", documents)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, document := range documents {
		body, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllSubmatch(body, -1) {
			target := filepath.Join(filepath.Dir(document), string(found[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s leads to %s, which is not there", document, target)
			}
			if first, _, _ := strings.Cut(target, "/"); !slices.Contains(released, first) {
				t.Errorf("%s leads to %s, which a release has not", document, target)
			}
		}
	}
}
