package native

import (
	"testing"

	"glovebox/internal/probe"
)

// A trial of which nothing was heard but its end is tried again, and given up in the end; one that was heard is not.
func TestNothingWasHeardOfATrial(t *testing.T) {
	silent := trial{}
	boxes := 0
	for silent.plan.From, silent.done = 1, true; silent.done; boxes++ {
		if silent.again(); silent.done {
			break
		}
		if silent.plan.From != 0 {
			t.Error("it goes on where it was, and not from its beginning")
		}
		silent.done = true // again in silence
	}
	if boxes != idleBoxes {
		t.Errorf("it was tried in %d boxes more, not %d", boxes, idleBoxes)
	}
	heard := trial{done: true, attempts: []probe.Attempt{{What: "it"}}}
	if heard.again(); !heard.done {
		t.Error("a trial that was heard is tried again")
	}
}
