package remote

import (
	"encoding/json"
	"fmt"
	"strings"

	"glovebox/internal/agent"
)

// A Collector puts an answer together from the pieces of a stream, whatever order they come in and
// whatever numbers they bear. It is for one goroutine.
type Collector struct {
	say     func(string)
	text    strings.Builder
	calls   []*call
	current map[int64]*call
}

type call struct {
	id, name  string
	arguments strings.Builder
}

// NewCollector returns a Collector that tells say each piece of text.
func NewCollector(say func(string)) *Collector {
	return &Collector{say: say, current: map[int64]*call{}}
}

// Text adds a piece of text.
func (c *Collector) Text(text string) {
	if text == "" {
		return // which would mean that the text so far is void
	}
	c.text.WriteString(text)
	c.say(text)
}

// Call adds a piece of a call, whose parts may each be empty. The pieces of one call bear one index. Some
// servers number every call 0, though: there another id begins another call, and where there are no ids, a
// name after arguments that are whole.
func (c *Collector) Call(index int64, id, name, arguments string) {
	now := c.current[index]
	another := now != nil && name != "" &&
		(id != "" && now.id != "" && id != now.id || id == "" && now.id == "" && IsObject(now.arguments.String()))
	if now == nil || another {
		now = &call{}
		c.calls = append(c.calls, now)
		c.current[index] = now
	}
	if now.id == "" {
		now.id = id
	}
	if name != now.name { // some servers tell it with every piece
		now.name += name
	}
	now.arguments.WriteString(arguments)
}

// Answer returns what was collected. turn is how many messages the conversation had, for ids that are
// unlike those of other turns: a call whose server gave it none, or one that another call has, gets its own.
func (c *Collector) Answer(turn int, cut bool, usage agent.Usage) agent.Answer {
	answer := agent.Answer{Text: c.text.String(), Cut: cut, Usage: usage}
	taken := map[string]bool{"": true}
	for i, call := range c.calls {
		id := call.id
		if taken[id] {
			id = fmt.Sprintf("call_%d_%d", turn, i)
		}
		taken[id] = true
		arguments := call.arguments.String()
		if arguments == "" && !cut {
			arguments = "{}" // as servers say "none"
		}
		answer.Calls = append(answer.Calls, agent.Call{ID: id, Name: call.name, Arguments: arguments})
	}
	return answer
}

// Arguments returns the arguments of a model's call as the JSON object that servers want to see again: what
// is none goes within one, since they would refuse the whole conversation for it.
func Arguments(text string) json.RawMessage {
	if strings.TrimSpace(text) == "" {
		return json.RawMessage("{}")
	}
	if IsObject(text) {
		return json.RawMessage(text)
	}
	wrapped, err := json.Marshal(map[string]string{"unreadable": text})
	if err != nil {
		return json.RawMessage("{}") // strings can always be written
	}
	return wrapped
}

// IsObject reports whether text is a JSON object.
func IsObject(text string) bool {
	return strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") && json.Valid([]byte(text))
}
