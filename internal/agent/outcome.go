package agent

import "slices"

// An OutcomeCode says how a run of the agent ended. The set is closed: [Outcomes] holds every one.
type OutcomeCode string

// The outcomes.
const (
	Complete         OutcomeCode = "COMPLETE"
	NoSolution       OutcomeCode = "NO_SOLUTION"
	IterationLimit   OutcomeCode = "ITERATION_LIMIT"
	TooManyFailures  OutcomeCode = "TOO_MANY_FAILURES"
	TooManyRetries   OutcomeCode = "TOO_MANY_RETRIES"
	TokenBudget      OutcomeCode = "TOKEN_BUDGET"
	CostBudget       OutcomeCode = "COST_BUDGET"
	TimeBudget       OutcomeCode = "TIME_BUDGET"
	ValidationFailed OutcomeCode = "VALIDATION_FAILED"
	NotRepeatable    OutcomeCode = "NOT_REPEATABLE"
	Cancelled        OutcomeCode = "CANCELLED"
	ModelFailed      OutcomeCode = "MODEL_FAILED"
	QuotaExceeded    OutcomeCode = "QUOTA_EXCEEDED"
	SandboxFailed    OutcomeCode = "SANDBOX_FAILED"
)

// OutcomeInfo is a row of the one table of outcomes.
type OutcomeInfo struct {
	Code    OutcomeCode
	Success bool
	Meaning string // one sentence, for people
}

var outcomes = []OutcomeInfo{
	{Complete, true, "The task is complete: the code ran with SUCCESS, and ran again with the same result."},
	{NoSolution, false, "The model stopped without a solution; its message says why."},
	{IterationLimit, false, "Every iteration was used before the task was complete."},
	{TooManyFailures, false, "Too many runs in a row failed."},
	{TooManyRetries, false, "Too many answers of the model in a row were of no use."},
	{TokenBudget, false, "The budget of tokens was spent before the task was complete."},
	{CostBudget, false, "The budget of money was spent before the task was complete."},
	{TimeBudget, false, "The time was up before the task was complete."},
	{ValidationFailed, false, "The model's final answer lacked something, and still did when it had been told what."},
	{NotRepeatable, false, "The code ran with SUCCESS, but not with the same result when it was run again with the same data, seed and time."},
	{Cancelled, false, "The run was cancelled before the task was complete."},
	{ModelFailed, false, "The model could not be asked."},
	{QuotaExceeded, false, "A quota of whoever asked did not let the code run."},
	{SandboxFailed, false, "Glovebox itself failed to run code; the code is not to blame."},
}

// Outcomes returns the table of every outcome, in the order in which documentation shows them. The slice is the
// caller's own.
func Outcomes() []OutcomeInfo { return slices.Clone(outcomes) }

// Info returns the table's row for the code; ok is false for a code that is not in it.
func (c OutcomeCode) Info() (info OutcomeInfo, ok bool) {
	i := slices.IndexFunc(outcomes, func(row OutcomeInfo) bool { return row.Code == c })
	if i < 0 {
		return OutcomeInfo{}, false
	}
	return outcomes[i], true
}

// An Outcome is how a run of the agent ended.
type Outcome struct {
	Code    OutcomeCode `json:"code"`
	Success bool        `json:"success"`
	// Message is the table's sentence, and after it what is known of this run: for people.
	Message string `json:"message"`
	// Said is the model's own last message, cut to a bound: its words, which nobody has checked.
	Said    string  `json:"said,omitempty"`
	Payload Payload `json:"payload"`
	Spent   Spent   `json:"spent"`
	// Warnings say what did not keep the task from its end and should be known.
	Warnings []string `json:"warnings"`
}

// Spent is what a run of the agent used.
type Spent struct {
	Answers int   `json:"answers"` // of the model
	Runs    int   `json:"runs"`    // executions, with the last one that compares
	Usage   Usage `json:"usage"`
	// CostUSD is what the tokens cost at the price that was configured; 0 where none was.
	CostUSD    float64 `json:"costUSD"`
	DurationMs float64 `json:"durationMs"`
}
