package agent

import (
	"context"
	"fmt"
	"strings"

	"glovebox/api"
)

// complete judges a final answer: it is accepted where the code that the model stands by ran with SUCCESS on the
// task's data, and gives the same result once more.
func (r *session) complete(ctx context.Context, s step, calls []Call) *ending {
	chosen, lacking := r.judge(s)
	if lacking != "" {
		if r.refusals++; r.refusals > validationRetries {
			return &ending{code: ValidationFailed, detail: lacking}
		}
		return r.retry("the final answer was not accepted", calls, "Your final answer is not accepted. "+lacking+
			" Mend that, then complete the task; there is no third try.")
	}
	var warnings []string
	if s.results != nil && !sameValue(s.results, chosen.result.Output) {
		warnings = append(warnings, "the results that the model gave are not those of the run, which are returned")
	}
	return r.verify(ctx, chosen, warnings)
}

// judge holds the payload against what it must be (code that is not empty, results, at least one iteration, and
// all of them from a run with SUCCESS), and says in sentences for the model what it lacks.
func (r *session) judge(s step) (chosen *execution, lacking string) {
	if r.iteration < 1 {
		return nil, fmt.Sprintf("No code has run yet: iterations is 0, and there are no results. Have code run with %q first.", ActionExecute)
	}
	if s.claim == nil {
		if chosen = r.lastSuccess(); chosen == nil {
			return nil, "The payload has no code that ran with SUCCESS on the task's data, and so no results."
		}
		return chosen, ""
	}
	if strings.TrimSpace(*s.claim) == "" {
		return nil, "The payload's code is empty."
	}
	var other *execution
	for _, e := range r.executions {
		if e.code.Code != *s.claim {
			continue
		}
		if e.end.Success && !e.code.OwnInput {
			chosen = e // the last one of several
		}
		other = e
	}
	switch {
	case chosen != nil:
		return chosen, ""
	case other == nil:
		return nil, "The payload's code never ran as it stands there: it must be, byte for byte, code that ran with SUCCESS. Run it, or leave code out for the last that did."
	case other.code.OwnInput && other.end.Success:
		return nil, fmt.Sprintf("The payload's code ran (run %d) on inputData of your own. Run it without inputData, on the task's.", other.end.Run)
	}
	return nil, fmt.Sprintf("The payload's code failed (run %d): %s. Mend it and run it.", other.end.Run, other.message())
}

// verify runs the code once more, with the same data, seed and time, and compares what comes out. A difference is
// a failure: whoever took such code over would get another result than the one that was shown.
func (r *session) verify(ctx context.Context, chosen *execution, warnings []string) *ending {
	again, err := r.runCode(ctx, chosen.request)
	if err != nil {
		end := r.failed(ctx, err)
		end.chosen, end.warnings = chosen, warnings
		return &end
	}
	same := again.Success && again.ResultCode == api.Success && sameJSON(again.Output, chosen.result.Output)
	r.emit(Event{Type: EventVerified, Verified: &Verified{Run: chosen.end.Run, Same: same, ResultCode: again.ResultCode}})
	if same {
		return &ending{code: Complete, chosen: chosen, warnings: warnings}
	}
	detail := fmt.Sprintf("The second time it ended with %s.", again.ResultCode)
	if again.Success {
		detail = "The second time its output was another."
	}
	return &ending{code: NotRepeatable, detail: detail, chosen: chosen, warnings: warnings}
}
