// Package agent is Codesmith: it has a model write code for a task, runs that code in boxes like everyone
// else's, shows the model how it ended, and lets it mend the code until the task is done or a budget is
// spent. It knows models and boxes only by their interfaces.
//
// What the model sees of the data is a sample ([Limits]), fenced as what it is: data. What a script prints or
// returns is fenced likewise, and is never read as an answer. What comes out at the end is the code that ran,
// byte for byte, and that run's own output, once a second run has given the same.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"glovebox/api"
)

// An Executor runs requests, each in a box of its own. It is safe for concurrent use. A script that fails is a
// Result; when ctx ends, so does the run. An error is never the script's; one that has a method
// RetryAfter() time.Duration says that there is no place now.
type Executor interface {
	Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error)
}

// Config is all that an Agent depends on. Model, Executor, Params, Prompt and HostCPUs must be set, and
// ExecuteCode where the model takes tools.
type Config struct {
	Model    Model
	Executor Executor
	// Params makes a request of the action's parameters, a JSON object as the model wrote it, by the action's own
	// rules and with the defaults of the tenant in ctx. A request without inputData, or with null, gets the task's. The error says what is wrong with
	// them; where it is an *[api.Error] its result code is told too.
	Params func(ctx context.Context, params []byte) (api.Request, error)
	Prompt *Prompt
	// ExecuteCode describes the action to a model that takes tools. Its name is replaced by [ToolExecute].
	ExecuteCode Tool
	// HostCPUs is how many processors the host has: no script gets more.
	HostCPUs int
	Limits   Limits
	// Log is told what goes wrong behind an outcome; nil means nowhere.
	Log *slog.Logger
}

// An Agent works on tasks. It is safe for concurrent use.
type Agent struct {
	config Config
	// newFence makes the fence of one run; a test's own is known beforehand.
	newFence func() fence
}

// Model is the name of the model that the agent asks.
func (a *Agent) Model() string { return a.config.Model.Name() }

// New returns an Agent. The error names what the configuration lacks, or a limit that is out of bounds.
func New(c Config) (*Agent, error) {
	switch {
	case c.Model == nil:
		return nil, errors.New("agent: a Model is needed")
	case c.Executor == nil:
		return nil, errors.New("agent: an Executor is needed")
	case c.Params == nil:
		return nil, errors.New("agent: Params is needed")
	case c.Prompt == nil:
		return nil, errors.New("agent: a Prompt is needed")
	case c.HostCPUs < 1:
		return nil, fmt.Errorf("agent: HostCPUs is %d; at least 1 is needed", c.HostCPUs)
	case c.Model.NativeTools() && len(c.ExecuteCode.Schema) == 0:
		return nil, errors.New("agent: the schema of ExecuteCode is needed for a model that takes tools")
	}
	c.Limits = c.Limits.withDefaults()
	if err := c.Limits.Check(); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Agent{config: c, newFence: newFence}, nil
}
