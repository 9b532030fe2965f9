package agent

import (
	"strings"

	"glovebox/api"
)

// How a run of the agent ends is a part of the contract; here its names are shorter.
type (
	// OutcomeCode says how a run of the agent ended.
	OutcomeCode = api.AgentOutcomeCode
	// OutcomeInfo is a row of the one table of outcomes.
	OutcomeInfo = api.AgentOutcomeInfo
	// Outcome is how a run of the agent ended.
	Outcome = api.AgentOutcome
	// Spent is what a run of the agent used.
	Spent = api.AgentSpent
	// Payload is what an agent works on, as it is at the end.
	Payload = api.AgentPayload
	// RunError is a run of code that failed.
	RunError = api.AgentRunError
	// Usage counts tokens.
	Usage = api.AgentUsage
)

// The outcomes.
const (
	Complete         = api.AgentComplete
	NoSolution       = api.AgentNoSolution
	IterationLimit   = api.AgentIterationLimit
	TooManyFailures  = api.AgentTooManyFailures
	TooManyRetries   = api.AgentTooManyRetries
	TokenBudget      = api.AgentTokenBudget
	CostBudget       = api.AgentCostBudget
	TimeBudget       = api.AgentTimeBudget
	ValidationFailed = api.AgentValidationFailed
	NotRepeatable    = api.AgentNotRepeatable
	Cancelled        = api.AgentCancelled
	ModelFailed      = api.AgentModelFailed
	QuotaExceeded    = api.AgentQuotaExceeded
	SandboxFailed    = api.AgentSandboxFailed
)

// Outcomes returns the table of every outcome.
func Outcomes() []OutcomeInfo { return api.AgentOutcomes() }

// Unworked is the outcome of a task on which nothing was done, or of which nobody knows what was. detail, which may be "", says more.
func Unworked(task Task, code OutcomeCode, detail string) Outcome {
	info, _ := code.Info()
	return Outcome{
		Code: code, Success: info.Success, Message: strings.TrimSpace(info.Meaning + " " + detail), Warnings: []string{},
		Payload: Payload{Task: task.Text, Requirements: task.Requirements, Failed: code != Complete, Errors: []RunError{}, Logs: []api.Log{}},
	}
}
