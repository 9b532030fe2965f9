package agent

import (
	"fmt"
	"time"
)

// How much of something the model is shown, in bytes of UTF-8. Scripts get everything.
const (
	MaxShownInput  = 2 << 10 // an input as large as this is shown whole
	MaxShownShape  = 3 << 10 // of a larger one: the shape,
	MaxShownRows   = 3 << 10 // and its beginning
	MaxShownOutput = 4 << 10 // of what a run returned
	MaxShownLogs   = 2 << 10 // of what it printed
	MaxShownError  = 1 << 10 // of an error's name and message
	MaxShownStack  = 1 << 10 // of its stack
	MaxShownLine   = 300     // of a line of code that an error names
)

// MaxCallsPerStep is how many calls of one answer are run; those beyond are refused by name.
const MaxCallsPerStep = 8

// Limits end a run. A zero field means its default, where it has one, and else no limit.
type Limits struct {
	// Iterations is how many times the model may have code run: 10 unless it is said.
	Iterations int `json:"iterations"`
	// Failures is how many runs in a row may fail: 10 unless it is said.
	Failures int `json:"failures"`
	// Retries is how many answers in a row may be of no use: 10 unless it is said.
	Retries int `json:"retries"`
	// Tokens bounds those of all questions and answers together.
	Tokens int64 `json:"tokens,omitempty"`
	// CostUSD bounds what they cost, at Price.
	CostUSD float64 `json:"costUSD,omitempty"`
	Price   Price   `json:"price,omitzero"`
	// Time bounds the whole run: 10 minutes unless it is said.
	Time time.Duration `json:"timeNs"`
	// AnswerTokens bounds one answer: 16,384 unless it is said.
	AnswerTokens int64 `json:"answerTokens"`
	// Parallel is how many calls of one answer run at once: 4 unless it is said.
	Parallel int `json:"parallel"`
}

// A Price is what a million tokens cost, in US dollars.
type Price struct {
	Input  float64 `json:"input"`
	Output float64 `json:"output"`
}

// validationRetries is how often a final answer that lacks something may be given again.
const validationRetries = 1

// The defaults.
const (
	DefaultIterations   = 10
	DefaultFailures     = 10
	DefaultRetries      = 10
	DefaultTime         = 10 * time.Minute
	DefaultAnswerTokens = 16 << 10
	DefaultParallel     = 4

	// MaxIterations is the most that may be asked for.
	MaxIterations = 100
	// MaxTime is the longest that a run may take.
	MaxTime = 24 * time.Hour
)

func (l Limits) withDefaults() Limits {
	orDefault(&l.Iterations, DefaultIterations)
	orDefault(&l.Failures, DefaultFailures)
	orDefault(&l.Retries, DefaultRetries)
	orDefault(&l.Time, DefaultTime)
	orDefault(&l.AnswerTokens, DefaultAnswerTokens)
	orDefault(&l.Parallel, DefaultParallel)
	return l
}

func orDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// Check names the first limit that is out of bounds.
func (l Limits) Check() error {
	l = l.withDefaults()
	for _, bound := range []struct {
		name     string
		n, least float64
		most     float64
	}{
		{"iterations", float64(l.Iterations), 1, MaxIterations},
		{"failures", float64(l.Failures), 1, MaxIterations * MaxCallsPerStep},
		{"retries", float64(l.Retries), 1, MaxIterations},
		{"tokens", float64(l.Tokens), 0, 1e12},
		{"cost", l.CostUSD, 0, 1e9},
		{"price of input", l.Price.Input, 0, 1e9},
		{"price of output", l.Price.Output, 0, 1e9},
		{"time in seconds", l.Time.Seconds(), 1e-9, MaxTime.Seconds()},
		{"tokens of an answer", float64(l.AnswerTokens), 1, 1e9},
		{"parallel", float64(l.Parallel), 1, MaxCallsPerStep},
	} {
		if !(bound.n >= bound.least && bound.n <= bound.most) { // NaN is out of every range
			return fmt.Errorf("agent: the limit of %s is %v; from %v to %v is allowed", bound.name, bound.n, bound.least, bound.most)
		}
	}
	if l.CostUSD > 0 && l.Price == (Price{}) {
		return fmt.Errorf("agent: a limit of cost needs a price")
	}
	return nil
}

// cost is what the tokens cost, in US dollars.
func (p Price) cost(u Usage) float64 {
	const million = 1e6
	return (float64(u.InputTokens)*p.Input + float64(u.OutputTokens)*p.Output) / million
}
