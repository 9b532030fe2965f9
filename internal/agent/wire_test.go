package agent_test

import (
	"net/http"
	"testing"
	"time"

	"glovebox/internal/agent"
	"glovebox/internal/agent/anthropic"
	"glovebox/internal/agent/modeltest"
	"glovebox/internal/agent/openai"
	"glovebox/internal/agent/remote"
	"glovebox/internal/secret"
)

// A protocol is one that models are asked by.
type protocol struct {
	name string
	base func(*modeltest.Server) string
	open func(remote.Options) (agent.Model, error)
}

func protocols() []protocol {
	return []protocol{
		{"openai", (*modeltest.Server).OpenAI, func(o remote.Options) (agent.Model, error) { return openai.New(o) }},
		{"anthropic", (*modeltest.Server).Anthropic, func(o remote.Options) (agent.Model, error) { return anthropic.New(o) }},
	}
}

// step is what the server does for the nth turn of a conversation.
func (now turn) steps(t *testing.T, n int, native bool) (all []modeltest.Step) {
	for range now.busy {
		all = append(all, modeltest.RateLimit{RetryAfter: time.Millisecond})
	}
	answer := now.answer(native)
	reply := modeltest.Reply{Text: answer.Text, Calls: answer.Calls, Cut: answer.Cut,
		Usage: &modeltest.Usage{Input: answer.Usage.InputTokens, Output: answer.Usage.OutputTokens}}
	if now.halfStreamed != "" {
		all = append(all, modeltest.CutStream{Reply: reply})
	}
	checked := func(step modeltest.Step) modeltest.Step {
		return modeltest.Func(func(asked modeltest.Request) modeltest.Step {
			now.check(t, n, agent.Turn{System: asked.System, Messages: asked.Messages, Tools: asked.Tools})
			if (len(asked.Tools) == 2) != native || asked.System == "" {
				t.Errorf("answer %d: %d tools were offered, and %d bytes of a system prompt", n, len(asked.Tools), len(asked.System))
			}
			return step
		})
	}
	switch {
	case now.block:
		// The client may be gone before it asks.
		return append(all, modeltest.Forever{Step: checked(modeltest.Slow{Reply: reply})})
	case now.err != nil:
		return append(all, checked(modeltest.Fail{Status: http.StatusUnauthorized, Message: "no such key"}))
	}
	return append(all, checked(reply))
}

// TestConversationsOverTheWire holds every conversation over both real protocols, streaming, in both forms. No box runs.
func TestConversationsOverTheWire(t *testing.T) {
	for _, p := range protocols() {
		for _, c := range conversations() {
			for _, native := range c.forms() {
				t.Run(p.name+"/"+c.name+"/"+formName(native), func(t *testing.T) {
					var executor agent.Executor = &fakeExecutor{t: t, ends: c.ends}
					if c.outcome == agent.NotRepeatable {
						executor = &unsteady{Executor: executor}
					}
					c.hold(t, c.remote(t, p, native), executor)
				})
			}
		}
	}
}

// TestConversationsOverTheWireInBoxes is all of it at once: the real protocols, and programs in real boxes.
func TestConversationsOverTheWireInBoxes(t *testing.T) {
	executor := boxes(t)
	for i, c := range conversations() {
		if c.fakeOnly {
			continue
		}
		// Each conversation in one of the pairs: which model it is makes no difference to a box.
		forms := c.forms()
		p, native := protocols()[i%2], forms[i/2%len(forms)]
		t.Run(p.name+"/"+c.name+"/"+formName(native), func(t *testing.T) {
			c.hold(t, c.remote(t, p, native), executor)
		})
	}
}

// remote is a model behind a server that plays the conversation.
func (c conversation) remote(t *testing.T, p protocol, native bool) agent.Model {
	t.Helper()
	var steps []modeltest.Step
	for i, now := range expand(c.turns) {
		steps = append(steps, now.steps(t, i+1, native)...)
	}
	server := modeltest.New(t, steps...)
	model, err := p.open(remote.Options{
		Model: "scripted", BaseURL: p.base(server), Key: secret.New(modeltest.Key), TextOnly: !native, RetryDelay: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return model
}
