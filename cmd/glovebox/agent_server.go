package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"glovebox/internal/action"
	"glovebox/internal/agent"
	"glovebox/internal/config"
	"glovebox/internal/kept"
	"glovebox/metadata"
)

// agentServerFlags choose the model of the agent that others have work done by; without one there is no agent.
type agentServerFlags struct {
	model       modelFlags
	limits      agent.Limits
	concurrency int
}

const agentPrefix = "agent-"

func (f *agentServerFlags) register(flags *pflag.FlagSet) {
	f.model.register(flags, agentPrefix)
	flags.Int64Var(&f.limits.Tokens, agentPrefix+"budget-tokens", 0, "end a task of the agent when it has used this many tokens; 0 is no limit")
	flags.DurationVar(&f.limits.Time, agentPrefix+"budget-time", agent.DefaultTime, "end a task of the agent after this time")
	flags.IntVar(&f.concurrency, agentPrefix+"concurrency", 4, "how many tasks the agent works on at once")
	config.Mark(flags, agentPrefix+"budget-tokens", agentPrefix+"budget-time", agentPrefix+"concurrency")
}

// A smithMaker makes the agent, of the executor that runs its code.
type smithMaker func(action.Executor) (*action.Codesmith, error)

// smithRules are those of a server's house; the zero value is none.
type smithRules struct {
	admit   func(context.Context) error // holds tasks against quotas
	record  action.TaskRecorder
	observe func(name string, outcome agent.Outcome)
	watch   *kept.Watch // tells of tenants that have changed
}

// A smithKind says what agent is made, where the rules are known.
type smithKind func(smithRules) smithMaker

// under returns what makes the agent, or nil where there is none.
func (k smithKind) under(rules smithRules) smithMaker {
	if k == nil {
		return nil
	}
	return k(rules)
}

// names are those of the agents that there are.
func (k smithKind) names() []string {
	if k == nil {
		return nil
	}
	return []string{codesmithName}
}

// check refuses what cannot be right, whatever the environment holds.
func (f *agentServerFlags) check(flags *pflag.FlagSet) error {
	if f.model.name == "" {
		var without error
		flags.Visit(func(flag *pflag.Flag) {
			if strings.HasPrefix(flag.Name, agentPrefix) && flag.Value.String() != flag.DefValue {
				without = badSetting(fmt.Errorf("--%s is of no use without --%smodel", flag.Name, agentPrefix), flag.Name)
			}
		})
		return without
	}
	if f.concurrency < 1 {
		return badSetting(fmt.Errorf("--%sconcurrency is %d; 1 and more are allowed", agentPrefix, f.concurrency), agentPrefix+"concurrency")
	}
	if err := f.limits.Check(); err != nil {
		return badSetting(err, agentPrefix+"budget-tokens", agentPrefix+"budget-time")
	}
	return nil
}

// kind returns the kind of agent, or nil where no model was named. All who ask its maker share the first that is made. The flags
// have passed check.
func (f *agentServerFlags) kind(catalogue *metadata.Catalogue, log *slog.Logger) (smithKind, error) {
	if f.model.name == "" {
		return nil, nil
	}
	model, err := f.model.open(os.Getenv)
	if err != nil {
		return nil, err
	}
	return func(rules smithRules) smithMaker {
		var once sync.Once
		var made *action.Codesmith
		var failed error
		return func(executor action.Executor) (*action.Codesmith, error) {
			once.Do(func() {
				made, failed = action.NewCodesmith(action.CodesmithConfig{
					Catalogue: catalogue, Name: codesmithName, Limits: f.limits, Concurrency: f.concurrency, Admit: rules.admit, Record: rules.record,
					Observe: rules.observe,
					Open: func(limits agent.Limits) (*agent.Agent, error) {
						return codesmith(catalogue, model, executor, limits, log)
					},
				})
				if failed == nil {
					rules.watch.Tell(made.Reshare)
				}
			})
			return made, failed
		}
	}, nil
}
