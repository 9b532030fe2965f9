package modeltest

import (
	"encoding/json"
	"fmt"

	"glovebox/internal/agent"
)

// A Request is what a client asked, in the same form for both protocols.
type Request struct {
	Protocol  string // "openai" or "anthropic"
	Model     string
	System    string
	Messages  []agent.Message
	Tools     []agent.Tool
	MaxTokens int64
	Stream    bool
	// WantsUsage is false where the client did not ask for usage, of a protocol in which one must.
	WantsUsage bool
	// Key is the credential that came along.
	Key string
	// Raw is the body as it came.
	Raw json.RawMessage
}

// LastResults returns the texts of the results that the last message brings, or none.
func (r Request) LastResults() []string {
	if len(r.Messages) == 0 {
		return nil
	}
	var texts []string
	for _, result := range r.Messages[len(r.Messages)-1].Results {
		texts = append(texts, result.Text)
	}
	return texts
}

// checkConversation holds a conversation to the rules that both protocols share: results follow the calls
// that they are of, one each, and the last word is not the assistant's.
func checkConversation(messages []agent.Message) error {
	if len(messages) == 0 {
		return fmt.Errorf("there is no message")
	}
	open := map[string]bool{}
	for i, message := range messages {
		for _, result := range message.Results {
			if !open[result.CallID] {
				return fmt.Errorf("message %d holds a result for %q, which was not called just before it", i, result.CallID)
			}
			delete(open, result.CallID)
		}
		for id := range open {
			return fmt.Errorf("message %d should hold a result for %q", i, id)
		}
		for _, call := range message.Calls {
			if call.ID == "" || open[call.ID] {
				return fmt.Errorf("message %d holds a call whose id %q is not its own", i, call.ID)
			}
			open[call.ID] = true
		}
	}
	if messages[len(messages)-1].Role == agent.RoleAssistant {
		return fmt.Errorf("the last message is the assistant's")
	}
	return nil
}

// pieces cuts text as a stream does: anywhere but within a character.
func pieces(text string, size int) []string {
	var all []string
	runes := []rune(text)
	for len(runes) > size {
		all = append(all, string(runes[:size]))
		runes = runes[size:]
	}
	if len(runes) > 0 {
		all = append(all, string(runes))
	}
	return all
}

// callID is the id of a reply's call, made where it has none.
func callID(prefix string, call agent.Call, index int) string {
	if call.ID != "" {
		return call.ID
	}
	return fmt.Sprintf("%s%d", prefix, index)
}

// encode writes what can always be written.
func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}
