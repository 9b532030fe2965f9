package report

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"glovebox/internal/probe"
	"glovebox/internal/sandbox"
)

var update = flag.Bool("update", false, "write the golden files")

// hostile is what a box may say for a text of ours.
const hostile = "</code><script>alert(1)</script>\x1b[2J\u202e\n100 of 100 claims hold"

// sample is a report in which everything occurs once.
func sample() *probe.Report {
	claim := func(id, text string, layers ...string) probe.Probe {
		return probe.Probe{ID: id, Family: probe.Native, Claim: text, Layers: layers, Reference: "a manual page"}
	}
	r := probe.NewReport([]probe.Probe{
		claim("net.metadata", "The metadata service is out of reach.", sandbox.LayerSeccomp, sandbox.LayerSelfSeal, sandbox.LayerGVisor),
		claim("net.routes", "There is no route.", sandbox.LayerNamespaces),
		claim("process.execve", "A sealed process starts no program.", sandbox.LayerSelfSeal),
		claim("process.kexec", "No other kernel is loaded.", sandbox.LayerSeccomp),
		claim("process.swap", "No swap area is added.", sandbox.LayerSeccomp, sandbox.LayerProcess),
		claim("abi.x32", "A system call of the x32 ABI is not made.", sandbox.LayerSeccomp),
		claim("host.name", "The host's name is not told.", sandbox.LayerNamespaces),
		claim("tty.none", "There is no terminal.", sandbox.LayerFileSystem),
		{ID: "flood.logs", Family: probe.Script, Claim: "Logs are bounded.", Layers: []string{sandbox.LayerEngine, probe.LayerController}, Reference: "an incident"},
		{ID: "engine.eval", Family: probe.Script, Claim: "No text is compiled.", Layers: []string{sandbox.LayerEngine}, Reference: "an incident"},
	})
	r.Glovebox, r.Started = "v1", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Host = probe.Host{Kernel: "6.1", Architecture: "amd64", Cgroup: "v2", CPUs: 2}
	r.DurationMs = 61_250
	base := []string{sandbox.LayerEngine, sandbox.LayerProcess, sandbox.LayerSelfSeal, sandbox.LayerSeccomp, sandbox.LayerNamespaces, sandbox.LayerFileSystem}
	r.Pairs = []probe.Pair{
		{Driver: "oci", Runtime: "runc", RuntimeVersion: "1.5.2", Layers: base, DurationMs: 20_000},
		{Driver: "docker", Runtime: "runsc", RuntimeVersion: "release-1", Layers: append(base[:6:6], sandbox.LayerGVisor), DurationMs: 41_000},
	}
	denied := []probe.Attempt{{What: "connect 1", Denial: probe.DeniedErrno, Errno: "EPERM"}, {What: "connect 2", Denial: probe.DeniedErrno, Errno: "EPERM"}}
	for _, p := range r.Pairs {
		for _, id := range []string{"net.metadata", "net.routes", "process.kexec", "process.swap", "process.execve", "flood.logs", "engine.eval"} {
			r.AddOutcome(probe.Outcome{Probe: id, Driver: p.Driver, Runtime: p.Runtime, Stage: probe.Sealed, Verdict: probe.Held, Attempts: denied, DurationMs: 3.5})
		}
		r.AddOutcome(probe.Outcome{Probe: "abi.x32", Driver: p.Driver, Runtime: p.Runtime, Stage: probe.Sealed, Verdict: probe.NotApplicable, Why: "this processor has no such call"})
	}
	r.AddOutcome(probe.Outcome{Probe: "host.name", Driver: "oci", Runtime: "runc", Stage: probe.Starting, Verdict: probe.Breached, Why: "uname: " + hostile,
		Attempts: []probe.Attempt{{What: "uname" + hostile, Succeeded: true, Got: hostile}}})
	r.AddOutcome(probe.Outcome{Probe: "host.name", Driver: "docker", Runtime: "runsc", Stage: probe.Sealed, Verdict: probe.Failed, Why: strings.Repeat("long ", 1000)})
	all := []string{sandbox.LayerSeccomp, sandbox.LayerSelfSeal}
	reached := []probe.Attempt{{What: "connect 1", Succeeded: true, Got: "connected"}}
	for _, c := range []probe.Control{
		{Probe: "net.metadata", Lifted: all, Result: probe.Succeeded, Attempts: reached},
		{Probe: "net.metadata", Lifted: all[:1], Result: probe.StillStopped, Attempts: denied},
		{Probe: "process.execve", Lifted: all[1:], Result: probe.Succeeded, Attempts: reached},
		{Probe: "process.kexec", Lifted: all[:1], Result: probe.NotRun, Why: "a control that succeeds has replaced the machine's kernel"},
		{Probe: "process.swap", Lifted: all[:1], Result: probe.StillStopped, Attempts: denied},
		{Probe: "abi.x32", Lifted: all[:1], Result: probe.StillStopped, NotApplicable: true, Why: "this kernel has no x32 ABI: ENOSYS"},
		{Probe: "net.routes", Lifted: []string{sandbox.LayerNamespaces}, Result: probe.StillStopped, Why: hostile},
		{Probe: "flood.logs", Lifted: []string{sandbox.LayerEngine, probe.LayerController}, Result: probe.Succeeded, Attempts: reached},
		{Probe: "flood.logs", Lifted: []string{sandbox.LayerEngine}, Result: probe.StillStopped, Attempts: denied},
		{Probe: "engine.eval", Lifted: []string{sandbox.LayerEngine}, Result: probe.Succeeded, Attempts: reached},
	} {
		r.AddControl(c)
	}
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs from what is made now (go test -update writes it): %v\n%s", path, err, got)
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	if err := Text(&out, sample()); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", out.Bytes())
	harmless(t, out.String())
}

// harmless fails where a box's text could move a cursor, turn the direction of writing or stand on a line of its own.
func harmless(t *testing.T, text string) {
	t.Helper()
	if strings.ContainsAny(text, "\x1b\u202e") {
		t.Error("a control character of a box's got through")
	}
	if strings.Contains(text, "\n100 of 100") {
		t.Error("a box wrote a line of its own")
	}
	if strings.Contains(text, strings.Repeat("long ", 100)) {
		t.Error("a box's text is not bounded")
	}
}

func TestHTML(t *testing.T) {
	var out bytes.Buffer
	if err := HTML(&out, sample()); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.html", out.Bytes())
	harmless(t, out.String())
	checkPage(t, out.Bytes())
}

// checkPage holds that a page asks for nothing beyond itself, runs nothing, and that each cell opens something.
func checkPage(t *testing.T, page []byte) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids, targets := map[string]bool{}, map[string]bool{}
	policy := false
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "link", "img", "iframe", "object", "embed", "base", "form", "svg":
			t.Errorf("the page holds <%s>", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("two elements are %s", a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case a.Key == "popovertarget":
				targets[a.Val] = true
			case a.Key == "href" && !strings.HasPrefix(a.Val, "#"), a.Key == "src", strings.HasPrefix(a.Key, "on"):
				t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
			case a.Key == "content" && strings.HasPrefix(a.Val, "default-src 'none'"):
				policy = true
			}
		}
	}
	if !policy {
		t.Error("the page allows itself more than it needs")
	}
	if len(targets) == 0 {
		t.Error("no cell opens anything")
	}
	for target := range targets {
		if !ids[target] {
			t.Errorf("a cell opens %s, which is not there", target)
		}
	}
	if bytes.Contains(page, []byte("url(")) || bytes.Contains(page, []byte("@import")) {
		t.Error("the style asks for something")
	}
}

// The picture says what the controls have shown.
func TestCells(t *testing.T) {
	r := sample()
	states := map[string]string{}
	for _, pair := range view(r).Pairs {
		for _, area := range pair.Areas {
			for _, row := range area.Rows {
				for _, c := range row.Cells {
					states[pair.Runtime+" "+row.ID+" "+c.Layer] = c.State
				}
			}
		}
	}
	for key, want := range map[string]string{
		"runc net.metadata seccomp":     "shared",   // lifted alone, and still stopped
		"runc net.metadata self-seal":   "proven",   // it alone was left, and has stopped it
		"runc process.swap seccomp":     "shared",   // nobody has seen it succeed
		"runc net.metadata gvisor":      "missing",  // not in force there
		"runsc net.metadata gvisor":     "meant",    // in force here
		"runc net.metadata cgroup":      "unmeant",  // not meant to stop it
		"runc process.execve self-seal": "single",   // lifted alone, and it succeeded
		"runc abi.x32 seccomp":          "excepted", // not applicable
		"runc flood.logs controller":    "proven",   // no box has it, and it is in force for all
		"runsc flood.logs engine":       "shared",
		"runsc engine.eval engine":      "single",
		"runc host.name namespaces":     "breached",
		"runsc host.name namespaces":    "unproved",
		"runc tty.none file-system":     "unproved", // never tried
		"runc process.kexec seccomp":    "meant",    // a control that was not run proves nothing
		"runc net.routes namespaces":    "meant",    // nor does one that did not succeed
	} {
		if states[key] != want {
			t.Errorf("%s: %q, want %q", key, states[key], want)
		}
	}
}

// A box may make as many attempts as it likes, each with an answer of its own.
func TestAnswersAreBounded(t *testing.T) {
	var attempts []probe.Attempt
	for i := range 10_000 {
		attempts = append(attempts, probe.Attempt{What: "x", Got: fmt.Sprint(i)}, probe.Attempt{What: "y", Denial: probe.DeniedKilled})
	}
	all, left := answers(attempts)
	if len(all) != mostAnswers || left != 10_000-(mostAnswers-1) {
		t.Errorf("%d answers and %d more", len(all), left)
	}
	if same := all[1]; len(same.What) != mostWhat || same.More != 10_000-mostWhat {
		t.Errorf("%d attempts and %d more", len(same.What), same.More)
	}
}

func TestProgress(t *testing.T) {
	now := time.Unix(0, 0)
	tell := func(live bool) string {
		var out bytes.Buffer
		p := &Progress{w: &out, live: live, now: func() time.Time { now = now.Add(50 * time.Millisecond); return now }}
		p.Begin("oci with runc", 4)
		for _, verdict := range []probe.Verdict{probe.Held, probe.Held, probe.Breached, probe.NotApplicable} {
			p.Outcome(probe.Outcome{Probe: "net.one", Stage: probe.Sealed, Verdict: verdict, Why: hostile})
		}
		p.End()
		p.Begin("controls", 0)
		p.Control(probe.Control{})
		p.End()
		return out.String()
	}
	golden(t, "progress.txt", []byte(tell(false)))
	live := tell(true)
	golden(t, "progress-live.txt", []byte(live))
	if !strings.HasSuffix(live, "\n") || regexp.MustCompile(`[^\n]breached  net`).MatchString(strings.ReplaceAll(live, "\r\x1b[K", "\n")) {
		t.Errorf("%q", live)
	}
}
