package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sampleReport has a row of each sort.
func sampleReport() report {
	return report{
		Began: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), Took: 61, Scale: 0.5, Complete: true,
		Machine: machine{CPU: "A <quick> one & only", Cores: 2, MemoryBytes: 8 << 30, Kernel: "6.18.0", Cgroups: "version 2",
			LoadBegin: "0.10 0.20 0.30", LoadEnd: "1.50 0.90 0.60"},
		Versions: []version{{"glovebox", "v1.2.3"}, {"runc", "1.5.2"}},
		Rows: []row{
			{ID: "warm", What: "warm HTTP round trip", Target: "oci+runc", Figures: []figure{
				beside("p50", "ms", 2, "MemberJunction", 5.5, 100, ratioAtMost(0.35)),
				beside("p95", "ms", 2, "MemberJunction", 0, 100, ratioAtMost(0.35)),
			}},
			{ID: "sustained", What: "sustained, concurrency 8", Target: "oci+runc", Figures: []figure{
				beside("boxes a second", "/s", 20, "runc run", 21, 1200, ratioAtLeast(0.85)),
				own("moonshot", "/s", 20, 1200, atLeast(60)),
			}},
			{ID: "mixed", What: "mixed executions", Target: "oci+runc", Notes: []string{"a | note"}, Figures: []figure{
				own("lost", "", 0, 10000, atMost(0)), own("misclassified", "", 3, 10000, atMost(0)),
			}},
			{ID: "speed", What: "script speed", Target: "oci+runc", Figures: []figure{beside("fib(30), p50", "ms", 1500, "MemberJunction", 15, 3, nil)}},
			{ID: "warm", What: "warm HTTP round trip", Target: "docker+runc", Skipped: "no Docker daemon answers"},
			{ID: "cold", What: "cold box", Target: "oci+runc", Failed: "runc: no result"},
		},
	}
}

func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestGolden(t *testing.T) {
	r := sampleReport()
	golden(t, "report.txt", r.writeText)
	golden(t, "report.md", func(w io.Writer) error { return r.writeMarkdown(w, "report.svg") })
	golden(t, "report.svg", r.writeSVG)
	golden(t, "report.json", r.writeJSON)
}

func TestSVGIsXML(t *testing.T) {
	var out bytes.Buffer
	if err := sampleReport().writeSVG(&out); err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(&out)
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestJudge(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name string
		f    figure
		met  *bool
		used float64
	}{
		{"ratio within", beside("", "", 3, "p", 10, 1, ratioAtMost(0.3)), &yes, 1},
		{"ratio beyond", beside("", "", 6, "p", 10, 1, ratioAtMost(0.3)), &no, 2},
		{"ratio without a peer", beside("", "", 3, "p", 0, 1, ratioAtMost(0.3)), nil, 0},
		{"rate enough", beside("", "", 20, "p", 10, 1, ratioAtLeast(1)), &yes, 0.5},
		{"rate too low", beside("", "", 5, "p", 10, 1, ratioAtLeast(1)), &no, 2},
		{"rate of nothing", own("", "", 0, 1, atLeast(60)), &no, worst},
		{"none lost", own("", "", 0, 1, atMost(0)), &yes, 0},
		{"one lost", own("", "", 1, 1, atMost(0)), &no, worst},
		{"no goal", beside("", "", 3, "p", 10, 1, nil), nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.met, c.f.Met); diff != "" {
				t.Errorf("met (-want +got):\n%s", diff)
			}
			used, ok := c.f.used()
			if used != c.used || ok != (c.met != nil) {
				t.Errorf("used %v, %v; want %v", used, ok, c.used)
			}
		})
	}
}

func TestEmbed(t *testing.T) {
	r := sampleReport()
	page := []byte("# Bench\n" + markBegin + "stale\n" + markEnd + "the rest\n")
	once, err := embed(page, r, "bench.svg")
	if err != nil {
		t.Fatal(err)
	}
	twice, err := embed(once, r, "bench.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(once, twice) {
		t.Error("a page that has the table changes when it is given the same again")
	}
	text := string(once)
	if !strings.HasPrefix(text, "# Bench\n"+markBegin) || !strings.HasSuffix(text, markEnd+"the rest\n") || strings.Contains(text, "stale") ||
		!strings.Contains(text, "| 0.36× | ≤ 0.35× | not met |") {
		t.Errorf("the page reads:\n%s", text)
	}
	if _, err := embed([]byte("no marks"), r, ""); err == nil {
		t.Error("a page without marks is written over")
	}
}

func TestPercentile(t *testing.T) {
	s := sample{5, 1, 4, 2, 3}
	for p, want := range map[float64]float64{1: 1, 20: 1, 21: 2, 50: 3, 95: 5, 100: 5} {
		if got := s.percentile(p); got != want {
			t.Errorf("p%v is %v, want %v", p, got, want)
		}
	}
	if got := (sample{}).percentile(50); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if s[0] != 5 {
		t.Error("the sample was sorted in place")
	}
	if got := s.mean(); got != 3 {
		t.Errorf("the mean is %v", got)
	}
}
