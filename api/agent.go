package api

import (
	"encoding/json"
	"slices"
	"time"
)

// An AgentOutcomeCode says how a run of an agent ended. The set is closed: [AgentOutcomes] holds every one.
type AgentOutcomeCode string

// The outcomes.
const (
	AgentComplete         AgentOutcomeCode = "COMPLETE"
	AgentNoSolution       AgentOutcomeCode = "NO_SOLUTION"
	AgentIterationLimit   AgentOutcomeCode = "ITERATION_LIMIT"
	AgentTooManyFailures  AgentOutcomeCode = "TOO_MANY_FAILURES"
	AgentTooManyRetries   AgentOutcomeCode = "TOO_MANY_RETRIES"
	AgentTokenBudget      AgentOutcomeCode = "TOKEN_BUDGET"
	AgentCostBudget       AgentOutcomeCode = "COST_BUDGET"
	AgentTimeBudget       AgentOutcomeCode = "TIME_BUDGET"
	AgentValidationFailed AgentOutcomeCode = "VALIDATION_FAILED"
	AgentNotRepeatable    AgentOutcomeCode = "NOT_REPEATABLE"
	AgentCancelled        AgentOutcomeCode = "CANCELLED"
	AgentModelFailed      AgentOutcomeCode = "MODEL_FAILED"
	AgentQuotaExceeded    AgentOutcomeCode = "QUOTA_EXCEEDED"
	AgentSandboxFailed    AgentOutcomeCode = "SANDBOX_FAILED"
)

// AgentOutcomeInfo is a row of the one table of outcomes.
type AgentOutcomeInfo struct {
	Code    AgentOutcomeCode
	Success bool
	Meaning string // one sentence, for people
}

var agentOutcomes = []AgentOutcomeInfo{
	{AgentComplete, true, "The task is complete: the code ran with SUCCESS, and ran again with the same result."},
	{AgentNoSolution, false, "The model stopped without a solution; its message says why."},
	{AgentIterationLimit, false, "Every iteration was used before the task was complete."},
	{AgentTooManyFailures, false, "Too many runs in a row failed."},
	{AgentTooManyRetries, false, "Too many answers of the model in a row were of no use."},
	{AgentTokenBudget, false, "The budget of tokens was spent before the task was complete."},
	{AgentCostBudget, false, "The budget of money was spent before the task was complete."},
	{AgentTimeBudget, false, "The time was up before the task was complete."},
	{AgentValidationFailed, false, "The model's final answer lacked something, and still did when it had been told what."},
	{AgentNotRepeatable, false, "The code ran with SUCCESS, but not with the same result when it was run again with the same data, seed and time."},
	{AgentCancelled, false, "The run was cancelled before the task was complete."},
	{AgentModelFailed, false, "The model could not be asked."},
	{AgentQuotaExceeded, false, "A quota of whoever asked did not let the code run."},
	{AgentSandboxFailed, false, "Glovebox itself failed; the code is not to blame."},
}

// AgentOutcomes returns the table of every outcome, in the order in which documentation shows them. The slice is the
// caller's own.
func AgentOutcomes() []AgentOutcomeInfo { return slices.Clone(agentOutcomes) }

// Info returns the table's row for the code; ok is false for a code that is not in it.
func (c AgentOutcomeCode) Info() (info AgentOutcomeInfo, ok bool) {
	i := slices.IndexFunc(agentOutcomes, func(row AgentOutcomeInfo) bool { return row.Code == c })
	if i < 0 {
		return AgentOutcomeInfo{}, false
	}
	return agentOutcomes[i], true
}

// An AgentOutcome is how a run of the agent ended.
type AgentOutcome struct {
	Code    AgentOutcomeCode `json:"code"`
	Success bool             `json:"success"`
	// Message is the table's sentence, and after it what is known of this run: for people.
	Message string `json:"message"`
	// Said is the model's own last message, cut to a bound: its words, which nobody has checked.
	Said    string       `json:"said,omitempty"`
	Payload AgentPayload `json:"payload"`
	Spent   AgentSpent   `json:"spent"`
	// Warnings say what did not keep the task from its end and should be known.
	Warnings []string `json:"warnings"`
}

// AgentSpent is what a run of the agent used.
type AgentSpent struct {
	Answers int        `json:"answers"` // of the model
	Runs    int        `json:"runs"`    // executions, with the last one that compares
	Usage   AgentUsage `json:"usage"`
	// CostUSD is what the tokens cost at the price that was configured; 0 where none was.
	CostUSD    float64 `json:"costUSD"`
	DurationMs float64 `json:"durationMs"`
}

// An AgentPayload is what an agent works on, as it is at the end.
type AgentPayload struct {
	Task         string `json:"task"`
	Requirements string `json:"requirements,omitempty"`
	// Code is the code that ran, byte for byte; the last that was tried where none succeeded.
	Code     string   `json:"code"`
	Language Language `json:"language,omitempty"`
	// Failed is true where Code is no solution: it failed, never ran, or was not what the model stood by.
	Failed bool `json:"failed"`
	// Results is the output of Code's run: never the model's words. Absent where Code did not succeed.
	Results json.RawMessage `json:"results,omitempty"`
	// Iterations is how many times the model had code run.
	Iterations int `json:"iterations"`
	// Errors are the runs that failed, oldest first.
	Errors []AgentRunError `json:"errors"`
	// Logs is what Code's run printed.
	Logs []Log `json:"logs"`
}

// An AgentRunError is a run of code that failed.
type AgentRunError struct {
	Run int `json:"run"` // from 1, as in the events
	// ResultCode is empty where the model's parameters were refused, and nothing ran.
	ResultCode ResultCode `json:"resultCode,omitempty"`
	Message    string     `json:"message"`
	Line       int        `json:"line,omitempty"`
	Column     int        `json:"column,omitempty"`
}

// AgentUsage counts tokens. Input includes what the model had cached.
type AgentUsage struct {
	InputTokens  int64 `json:"inputTokens"`
	OutputTokens int64 `json:"outputTokens"`
}

// An AgentTask is what an agent is to do. Task must be given.
type AgentTask struct {
	Task string `json:"task"`
	// InputData is any JSON value. The model sees a sample of it; the code gets all of it as `input`.
	InputData json.RawMessage `json:"inputData,omitempty"`
	// Requirements say how the result must be, in words.
	Requirements string `json:"requirements,omitempty"`
	// MaxIterations is how many times the model may have code run; nil is what the server allows, which is the most.
	MaxIterations *int `json:"maxIterations,omitempty"`
}

// An AgentRun is a run of an agent as a resource: what /v1/agents/{name}/runs/{id} tells of it.
type AgentRun struct {
	ID string `json:"id"`
	// Agent is the agent's name, as it stands in paths.
	Agent string         `json:"agent"`
	State ExecutionState `json:"state"`
	// CreatedAt is when it was accepted, BeganAt when the agent was about to begin, EndedAt when it had its outcome.
	CreatedAt time.Time  `json:"createdAt"`
	BeganAt   *time.Time `json:"beganAt,omitempty"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	// TaskDigest is the HMAC-SHA-256 of the task as it was sent, with a salt of this run, which goes with the task.
	TaskDigest string `json:"taskDigest,omitempty"`
	// ResultCode is there once it has ended; Outcome too, until that is forgotten.
	ResultCode AgentOutcomeCode `json:"resultCode,omitempty"`
	Outcome    *AgentOutcome    `json:"outcome,omitempty"`
	// Forgotten is true where it has ended, and its outcome is not kept any more.
	Forgotten bool `json:"forgotten,omitempty"`
	// Retryable is true where it has ended by a fault of Glovebox's: the same task, sent again, may be completed.
	Retryable bool `json:"retryable,omitempty"`
}

// An AgentRunPage is a part of a list of runs, newest first. Next is the cursor of the page behind it, "" at the end.
type AgentRunPage struct {
	Runs []AgentRun `json:"runs"`
	Next string     `json:"next,omitempty"`
}
