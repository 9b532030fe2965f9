package modeltest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"glovebox/internal/agent"
)

// anthropic is the dialect of messages.
type anthropic struct{}

// A block is a part of a message's content.
type block struct {
	Type      string
	Text      string
	ID        string
	Name      string
	Input     json.RawMessage
	ToolUseID string `json:"tool_use_id"`
	IsError   bool   `json:"is_error"`
	Content   blocks
}

// blocks is content, for which a string stands too.
type blocks []block

func (b *blocks) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*b = blocks{{Type: "text", Text: text}}
		return nil
	}
	var list []block
	err := json.Unmarshal(data, &list)
	*b = list
	return err
}

// words is the text of content that holds text alone.
func (b blocks) words() (string, error) {
	var words []string
	for _, block := range b {
		if block.Type != "text" || strings.TrimSpace(block.Text) == "" {
			return "", fmt.Errorf("a block of the type %q with the text %q is none with text", block.Type, block.Text)
		}
		words = append(words, block.Text)
	}
	return strings.Join(words, "\n"), nil
}

func (anthropic) read(body []byte, header http.Header) (Request, error) {
	var asked struct {
		Model     string
		Stream    bool
		MaxTokens int64 `json:"max_tokens"`
		System    blocks
		Messages  []struct {
			Role    string
			Content blocks
		}
		Tools []struct {
			Name, Description string
			InputSchema       json.RawMessage `json:"input_schema"`
		}
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return Request{}, err
	}
	request := Request{
		Protocol: "anthropic", Model: asked.Model, Stream: asked.Stream, WantsUsage: true, MaxTokens: asked.MaxTokens,
		Key: header.Get("X-Api-Key"), Raw: body,
	}
	if asked.MaxTokens < 1 || header.Get("Anthropic-Version") == "" {
		return request, errors.New("max_tokens and the header anthropic-version are required")
	}
	var err error
	if request.System, err = asked.System.words(); err != nil {
		return request, err
	}
	for _, tool := range asked.Tools {
		request.Tools = append(request.Tools, agent.Tool{Name: tool.Name, Description: tool.Description, Schema: tool.InputSchema})
	}
	for _, message := range asked.Messages {
		read := agent.Message{Role: agent.Role(message.Role)}
		if read.Role != agent.RoleUser && read.Role != agent.RoleAssistant {
			return request, fmt.Errorf("a message has the role %q", message.Role)
		}
		if len(message.Content) == 0 {
			return request, errors.New("a message has no content")
		}
		for _, block := range message.Content {
			if err := readBlock(&read, block); err != nil {
				return request, err
			}
		}
		if len(read.Calls) > 0 && len(request.Tools) == 0 {
			return request, errors.New("there are calls in the conversation, and no tools")
		}
		request.Messages = append(request.Messages, read)
	}
	return request, checkConversation(request.Messages)
}

func readBlock(message *agent.Message, block block) error {
	switch {
	case block.Type == "text" && strings.TrimSpace(block.Text) != "":
		message.Text += block.Text
	case block.Type == "tool_use" && message.Role == agent.RoleAssistant && bytes.HasPrefix(block.Input, []byte("{")):
		message.Calls = append(message.Calls, agent.Call{ID: block.ID, Name: block.Name, Arguments: string(block.Input)})
	case block.Type == "tool_result" && message.Role == agent.RoleUser:
		if message.Text != "" {
			return errors.New("a result comes after text")
		}
		text, err := block.Content.words()
		if err != nil {
			return err
		}
		message.Results = append(message.Results, agent.CallResult{CallID: block.ToolUseID, Text: text, Failed: block.IsError})
	default:
		return fmt.Errorf("a message of the %s holds a block of the type %q, the text %q and the input %s", message.Role, block.Type, block.Text, block.Input)
	}
	return nil
}

func (anthropic) stop(reply Reply) string {
	switch {
	case reply.Cut:
		return "max_tokens"
	case reply.Withheld:
		return "refusal"
	case len(reply.Calls) > 0:
		return "tool_use"
	default:
		return "end_turn"
	}
}

// usage is what is told; what was put out so far is told at the start, and all of it at the end.
func (anthropic) usage(reply Reply, usage Usage, output int64) object {
	if reply.NoUsage {
		return object{"input_tokens": 0, "output_tokens": 0}
	}
	return object{
		"input_tokens": usage.Input, "cache_read_input_tokens": usage.CacheRead,
		"cache_creation_input_tokens": usage.CacheWrite, "output_tokens": output,
	}
}

func (anthropic) named(name string, content object) []byte {
	content["type"] = name
	return event(name, encode(content))
}

func (a anthropic) delta(index int, delta object) []byte {
	return a.named("content_block_delta", object{"index": index, "delta": delta})
}

func (a anthropic) text(text string) []byte {
	return a.delta(0, object{"type": "text_delta", "text": text})
}

func (anthropic) message(usage object) object {
	return object{
		"id": "msg_scripted", "type": "message", "role": "assistant", "model": "scripted", "content": []object{},
		"stop_reason": nil, "stop_sequence": nil, "usage": usage,
	}
}

func (a anthropic) events(reply Reply, usage Usage) [][]byte {
	events := [][]byte{
		a.named("message_start", object{"message": a.message(a.usage(reply, usage, 1))}),
		a.named("ping", object{}),
	}
	index := 0
	if reply.Text != "" {
		events = append(events, a.named("content_block_start", object{"index": index, "content_block": object{"type": "text", "text": ""}}))
		for _, piece := range pieces(reply.Text, 7) {
			events = append(events, a.text(piece))
		}
		events = append(events, a.named("content_block_stop", object{"index": index}))
		index++
	}
	for i, call := range reply.Calls {
		events = append(events, a.named("content_block_start", object{"index": index, "content_block": object{
			"type": "tool_use", "id": callID("toolu_scripted_", call, i), "name": call.Name, "input": object{},
		}}))
		for _, piece := range append([]string{""}, pieces(call.Arguments, 5)...) {
			events = append(events, a.delta(index, object{"type": "input_json_delta", "partial_json": piece}))
		}
		events = append(events, a.named("content_block_stop", object{"index": index}))
		index++
	}
	last := object{"delta": object{"stop_reason": a.stop(reply), "stop_sequence": nil}}
	if !reply.NoUsage {
		last["usage"] = object{"output_tokens": usage.Output}
	}
	return append(events, a.named("message_delta", last), a.named("message_stop", object{}))
}

func (a anthropic) whole(reply Reply, usage Usage) []byte {
	message := a.message(a.usage(reply, usage, usage.Output))
	content := []object{}
	if reply.Text != "" {
		content = append(content, object{"type": "text", "text": reply.Text})
	}
	for i, call := range reply.Calls {
		input := json.RawMessage(call.Arguments)
		if !json.Valid(input) {
			input = json.RawMessage("{}") // in one piece, there is no writing it otherwise
		}
		content = append(content, object{"type": "tool_use", "id": callID("toolu_scripted_", call, i), "name": call.Name, "input": input})
	}
	message["content"], message["stop_reason"] = content, a.stop(reply)
	return encode(message)
}

func (anthropic) fault(kind, message string) []byte {
	return encode(object{"type": "error", "error": object{"type": kind, "message": message}, "request_id": "req_scripted"})
}

func (a anthropic) faultEvent(kind, message string) []byte {
	return event("error", a.fault(kind, message))
}

func (anthropic) kind(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case 529:
		return "overloaded_error"
	}
	if status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}
