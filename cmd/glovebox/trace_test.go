package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"glovebox/internal/trace/otlp/otlptest"
)

// collectorKey is where a script keeps its collector.
type collectorKey struct{}

// cmdCollector starts a collector of traces, and sets COLLECTOR to its URL: collector.
func cmdCollector(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: collector")
	}
	c := otlptest.New(ts.Value(testKey{}).(testing.TB), nil)
	*ts.Value(collectorKey{}).(**otlptest.Collector) = c
	ts.Setenv("COLLECTOR", c.URL)
}

// cmdSpans prints the spans that the collector has, one a line in the order of their names: the trace, the name, what it is below of, and
// what the attributes are that are named, and what happened: spans glovebox.result_code.
func cmdSpans(ts *testscript.TestScript, neg bool, args []string) {
	c := *ts.Value(collectorKey{}).(**otlptest.Collector)
	if neg || c == nil {
		ts.Fatalf("usage: collector, and then spans [ATTRIBUTE...]")
	}
	spans := c.Spans()
	names := map[string]string{}
	for _, s := range spans {
		names[s.ID] = s.Name
	}
	var lines []string
	for _, s := range spans {
		above := names[s.Parent]
		if above == "" {
			above = s.Parent
		}
		line := fmt.Sprintf("%s %s < %s", s.Trace, s.Name, above)
		for _, name := range args {
			line += fmt.Sprintf(" %s=%s", name, s.Attributes[name])
		}
		for _, event := range s.Events {
			line += " [" + event + "]"
		}
		lines = append(lines, line+"\n")
	}
	slices.Sort(lines)
	_, err := ts.Stdout().Write([]byte(strings.Join(lines, "")))
	ts.Check(err)
}
