package main

import (
	"bytes"
	"strings"
	"testing"

	"glovebox/tools/toolstest"
)

// A few seconds of each fault: nothing that was accepted is lost, nothing is told wrong, and nothing is left behind.
func TestSoak(t *testing.T) {
	glovebox := toolstest.Glovebox(t)
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"--glovebox", glovebox, "--tenants", "4", "--concurrency", "12", "--duration", "18s"}, &stdout, &stderr)
	t.Logf("%s", stdout.Bytes())
	if status != 0 {
		t.Errorf("status %d:\n%s", status, stderr.Bytes())
	}
	for _, name := range append(faultNames(), calm) {
		if !strings.Contains(stdout.String(), "\n"+name+" ") {
			t.Errorf("nothing is told of %s", name)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--faults", "earthquake"}, {"--tenants", "0"}, {"--nonsense"}} {
		if status := run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}); status != 2 {
			t.Errorf("%v: status %d", args, status)
		}
	}
}

func TestQuantile(t *testing.T) {
	if got := quantile([]float64{1, 2, 3, 4}, 0.5); got != 3 {
		t.Errorf("p50 is %v", got)
	}
	if got := quantile(nil, 0.99); got != 0 {
		t.Errorf("p99 of nothing is %v", got)
	}
}
