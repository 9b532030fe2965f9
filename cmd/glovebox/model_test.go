package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"glovebox/internal/agent/modeltest"
)

// testKey is where a script finds the test that it is.
type testKey struct{}

// cmdModel starts a model server that gives the texts of files as its answers, one after another, and sets MODEL to its
// URL: model first.json second.json. The test fails where not all of them were asked for.
//
// model -stuck TEXT first.json … never ends its answer to a conversation that begins with a task in which TEXT is, and it does not count how often it
// is asked for that.
func cmdModel(ts *testscript.TestScript, neg bool, args []string) {
	stuck := ""
	if len(args) > 2 && args[0] == "-stuck" {
		stuck, args = args[1], args[2:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: model [-stuck TEXT] FILE...")
	}
	var steps []modeltest.Step
	for _, file := range args {
		steps = append(steps, modeltest.Reply{Text: ts.ReadFile(file), Usage: &modeltest.Usage{Input: 1000, Output: 50}})
	}
	if stuck != "" {
		steps = []modeltest.Step{modeltest.Forever{Step: unlessStuck(stuck, steps)}}
	}
	server := modeltest.New(ts.Value(testKey{}).(testing.TB), steps...)
	ts.Setenv("MODEL", server.Anthropic())
}

// unlessStuck takes steps in turn, but for a task with a text in it.
func unlessStuck(text string, steps []modeltest.Step) modeltest.Step {
	var taken atomic.Int32
	return modeltest.Func(func(asked modeltest.Request) modeltest.Step {
		if strings.Contains(asked.Messages[0].Text, text) {
			return modeltest.Slow{Reply: modeltest.Say(text)}
		}
		n := int(taken.Add(1)) - 1
		if n >= len(steps) {
			return modeltest.Fail{Status: http.StatusBadRequest, Message: "no more was expected"}
		}
		return steps[n]
	})
}
