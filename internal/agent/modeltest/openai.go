package modeltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"glovebox/internal/agent"
)

// openAI is the dialect of chat completions.
type openAI struct{}

func (openAI) read(body []byte, header http.Header) (Request, error) {
	var asked struct {
		Model         string
		Stream        bool
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
		MaxTokens           int64 `json:"max_tokens"`
		MaxCompletionTokens int64 `json:"max_completion_tokens"`
		Messages            []struct {
			Role       string
			Content    *string
			ToolCallID string `json:"tool_call_id"`
			ToolCalls  []struct {
				ID, Type string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Tools []struct {
			Type     string
			Function struct {
				Name, Description string
				Parameters        json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return Request{}, err
	}
	request := Request{
		Protocol: "openai", Model: asked.Model, Stream: asked.Stream, WantsUsage: asked.StreamOptions.IncludeUsage,
		MaxTokens: max(asked.MaxTokens, asked.MaxCompletionTokens),
		Key:       strings.TrimPrefix(header.Get("Authorization"), "Bearer "), Raw: body,
	}
	for _, tool := range asked.Tools {
		if tool.Type != "function" {
			return request, fmt.Errorf("a tool has the type %q", tool.Type)
		}
		request.Tools = append(request.Tools, agent.Tool{Name: tool.Function.Name, Description: tool.Function.Description, Schema: tool.Function.Parameters})
	}
	gathering := false // results of one turn, and what the user says after them, are one message of ours
	for i, message := range asked.Messages {
		text := ""
		if message.Content != nil {
			text = *message.Content
		}
		last := len(request.Messages) - 1
		switch message.Role {
		case "system":
			if i != 0 {
				return request, errors.New("the system's message is not the first")
			}
			request.System = text
		case "user":
			if gathering {
				request.Messages[last].Text = text
			} else {
				request.Messages = append(request.Messages, agent.Message{Role: agent.RoleUser, Text: text})
			}
			gathering = false
		case "tool":
			if !gathering {
				request.Messages = append(request.Messages, agent.Message{Role: agent.RoleUser})
				last++
			}
			gathering = true
			request.Messages[last].Results = append(request.Messages[last].Results, agent.CallResult{CallID: message.ToolCallID, Text: text})
		case "assistant":
			gathering = false
			said := agent.Message{Role: agent.RoleAssistant, Text: text}
			for _, call := range message.ToolCalls {
				if call.Type != "function" || !json.Valid([]byte(call.Function.Arguments)) {
					return request, fmt.Errorf("call %q has the type %q and the arguments %q", call.ID, call.Type, call.Function.Arguments)
				}
				said.Calls = append(said.Calls, agent.Call{ID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments})
			}
			if message.Content == nil && len(said.Calls) == 0 {
				return request, errors.New("the assistant's message has neither content nor calls")
			}
			request.Messages = append(request.Messages, said)
		default:
			return request, fmt.Errorf("a message has the role %q", message.Role)
		}
	}
	return request, checkConversation(request.Messages)
}

type object = map[string]any

func (openAI) finish(reply Reply) string {
	switch {
	case reply.Cut:
		return "length"
	case reply.Withheld:
		return "content_filter"
	case len(reply.Calls) > 0:
		return "tool_calls"
	default:
		return "stop"
	}
}

func (openAI) usage(usage Usage) object {
	input := usage.Input + usage.CacheRead + usage.CacheWrite
	return object{
		"prompt_tokens": input, "completion_tokens": usage.Output, "total_tokens": input + usage.Output,
		"prompt_tokens_details": object{"cached_tokens": usage.CacheRead},
	}
}

func (openAI) chunk(choices []object, usage any) []byte {
	return event("", encode(object{
		"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
		"choices": choices, "usage": usage,
	}))
}

func (o openAI) delta(delta object) []byte {
	return o.chunk([]object{{"index": 0, "delta": delta, "finish_reason": nil}}, nil)
}

func (o openAI) text(text string) []byte { return o.delta(object{"content": text}) }

func (o openAI) events(reply Reply, usage Usage) [][]byte {
	events := [][]byte{o.delta(object{"role": "assistant", "content": ""})}
	for _, piece := range pieces(reply.Text, 7) {
		events = append(events, o.text(piece))
	}
	for i, call := range reply.Calls {
		events = append(events, o.delta(object{"tool_calls": []object{{
			"index": i, "id": callID("call_scripted_", call, i), "type": "function",
			"function": object{"name": call.Name, "arguments": ""},
		}}}))
		for _, piece := range pieces(call.Arguments, 5) {
			events = append(events, o.delta(object{"tool_calls": []object{{"index": i, "function": object{"arguments": piece}}}}))
		}
	}
	events = append(events, o.chunk([]object{{"index": 0, "delta": object{}, "finish_reason": o.finish(reply)}}, nil))
	if !reply.NoUsage {
		events = append(events, o.chunk([]object{}, o.usage(usage)))
	}
	return append(events, event("", []byte("[DONE]")))
}

func (o openAI) whole(reply Reply, usage Usage) []byte {
	message := object{"role": "assistant", "content": reply.Text, "refusal": nil}
	var calls []object
	for i, call := range reply.Calls {
		calls = append(calls, object{
			"id": callID("call_scripted_", call, i), "type": "function",
			"function": object{"name": call.Name, "arguments": call.Arguments},
		})
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	answer := object{
		"id": "chatcmpl-scripted", "object": "chat.completion", "created": 1, "model": "scripted",
		"choices": []object{{"index": 0, "message": message, "finish_reason": o.finish(reply)}},
	}
	if !reply.NoUsage {
		answer["usage"] = o.usage(usage)
	}
	return encode(answer)
}

func (openAI) fault(kind, message string) []byte {
	return encode(object{"error": object{"message": message, "type": kind, "param": nil, "code": nil}})
}

func (o openAI) faultEvent(kind, message string) []byte { return event("", o.fault(kind, message)) }

func (openAI) kind(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= 500:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

// event writes an event of a stream.
func event(name string, data []byte) []byte {
	var all []byte
	if name != "" {
		all = fmt.Appendf(all, "event: %s\n", name)
	}
	return fmt.Appendf(all, "data: %s\n\n", data)
}
