package drivertest

import "testing"

// testScripts runs real scripts on the real runner.
func (h Harness) testScripts(t *testing.T) {
	f := h.open(t, h.Runner(t))
	for _, c := range scriptCases() {
		t.Run(c.Name, func(t *testing.T) { f.play(t, c) })
	}
}

func scriptCases() []Case {
	return []Case{
		{Name: "trivial", Code: "output = 1", Script: []Step{Output("1")}, Want: success, Output: "1"},
	}
}
