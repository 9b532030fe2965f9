package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"glovebox/internal/agent/modeltest"
)

// testKey is where a script finds the test that it is.
type testKey struct{}

// cmdModel starts a model server that gives the texts of files as its answers, one after another, and sets MODEL to its
// URL: model first.json second.json. The test fails where not all of them were asked for.
func cmdModel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: model FILE...")
	}
	var steps []modeltest.Step
	for _, file := range args {
		steps = append(steps, modeltest.Reply{Text: ts.ReadFile(file), Usage: &modeltest.Usage{Input: 1000, Output: 50}})
	}
	server := modeltest.New(ts.Value(testKey{}).(testing.TB), steps...)
	ts.Setenv("MODEL", server.Anthropic())
}
