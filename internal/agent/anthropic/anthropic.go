// Package anthropic asks models that speak Anthropic's messages: Anthropic's own, and those of servers
// that speak likewise, by their base URLs.
package anthropic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"

	"glovebox/internal/agent"
	"glovebox/internal/agent/remote"
)

// Provider is who speaks this protocol first.
func Provider() remote.Provider {
	return remote.Provider{
		Name:            "Anthropic",
		BaseURL:         "https://api.anthropic.com",
		KeyVariable:     "ANTHROPIC_API_KEY",
		BaseURLVariable: "ANTHROPIC_BASE_URL",
	}
}

// DefaultMaxOutputTokens bounds an answer where nobody else does: the protocol wants a bound, and every
// model of the last years allows this one.
const DefaultMaxOutputTokens = 8192

// A Model is one model behind the messages API.
type Model struct {
	caller  *remote.Caller
	service anthropic.MessageService
}

var _ agent.Model = (*Model)(nil)

// New returns the model that the options name, or what is wrong with them. It asks nothing yet.
func New(opts remote.Options) (*Model, error) {
	caller, err := remote.NewCaller(opts, Provider())
	if err != nil {
		return nil, err
	}
	opts = caller.Options()
	// The service by itself, and not a client, which would read options and credentials from the
	// environment and the home directory.
	requests := []option.RequestOption{
		option.WithBaseURL(strings.TrimSuffix(strings.TrimSuffix(opts.BaseURL, "/"), "/v1")), // the SDK adds it
		option.WithHTTPClient(caller.HTTPClient()),
		option.WithMaxRetries(opts.Retries),
		option.WithRequestTimeout(opts.Timeout),
		option.WithoutOpenTelemetry(),
	}
	if !opts.Key.IsZero() {
		requests = append(requests, option.WithAPIKey(opts.Key.Reveal()))
	}
	return &Model{caller: caller, service: anthropic.NewMessageService(requests...)}, nil
}

// Name is the model's own name.
func (m *Model) Name() string { return m.caller.Options().Model }

// NativeTools reports whether the model is offered tools.
func (m *Model) NativeTools() bool { return !m.caller.Options().TextOnly }

// Answer asks the model for the next message, streaming.
func (m *Model) Answer(ctx context.Context, turn agent.Turn) (agent.Answer, error) {
	params, err := m.params(turn)
	if err != nil {
		return agent.Answer{}, m.caller.Failure(err)
	}
	return m.caller.Answer(ctx, turn.OnText, func(ctx context.Context, x *remote.Exchange, say func(string)) (agent.Answer, error) {
		stream := m.service.NewStreaming(ctx, params, option.WithMiddleware(x.Do))
		defer func() { _ = stream.Close() }() // all that was wanted of it was read
		return read(stream, len(turn.Messages), say)
	})
}

// read reads an answer to its end. One that has its reason to end is whole, even if the stream breaks after.
func read(stream *ssestream.Stream[anthropic.MessageStreamEventUnion], turn int, say func(string)) (agent.Answer, error) {
	answer := remote.NewCollector(say)
	var usage usage
	var stop anthropic.StopReason
	inputs := map[int64]string{} // of calls that came whole in their first event, as some servers send them
events:
	for stream.Next() {
		event := stream.Current()
		switch event.Type {
		case "message_start":
			told := event.Message.Usage
			usage.update(told.InputTokens, told.CacheCreationInputTokens, told.CacheReadInputTokens, told.OutputTokens)
		case "content_block_start":
			switch block := event.ContentBlock; block.Type {
			case "text":
				answer.Text(block.Text)
			case "tool_use":
				answer.Call(event.Index, block.ID, block.Name, "")
				inputs[event.Index] = block.JSON.Input.Raw()
			}
		case "content_block_delta":
			switch event.Delta.Type {
			case "text_delta":
				answer.Text(event.Delta.Text)
			case "input_json_delta":
				if event.Delta.PartialJSON != "" {
					delete(inputs, event.Index)
				}
				answer.Call(event.Index, "", "", event.Delta.PartialJSON)
			}
		case "content_block_stop":
			if input := inputs[event.Index]; input != "" && input != "null" {
				answer.Call(event.Index, "", "", input)
			}
			delete(inputs, event.Index)
		case "message_delta":
			told := event.Usage
			usage.update(told.InputTokens, told.CacheCreationInputTokens, told.CacheReadInputTokens, told.OutputTokens)
			stop = cmp.Or(event.Delta.StopReason, stop)
		case "message_stop":
			break events
		}
	}
	var told *anthropic.Error
	switch err := stream.Err(); {
	case stop == anthropic.StopReasonRefusal:
		return agent.Answer{Usage: usage.total()}, remote.ErrWithheld
	case stop != "":
		cut := stop == anthropic.StopReasonMaxTokens || stop == "model_context_window_exceeded"
		return answer.Answer(turn, cut, usage.total()), nil
	case errors.As(err, &told): // an event, or a response: then the caller knows its status
		return agent.Answer{Usage: usage.total()}, remote.NewEventError([]byte(told.RawJSON()))
	case err != nil:
		return agent.Answer{Usage: usage.total()}, err
	default:
		return agent.Answer{Usage: usage.total()}, remote.ErrCut
	}
}

// A usage is what a stream told so far: each number is cumulative, and may be told again or not.
type usage struct {
	input, cacheWrite, cacheRead, output int64
}

func (u *usage) update(input, cacheWrite, cacheRead, output int64) {
	u.input = cmp.Or(input, u.input)
	u.cacheWrite = cmp.Or(cacheWrite, u.cacheWrite)
	u.cacheRead = cmp.Or(cacheRead, u.cacheRead)
	u.output = cmp.Or(output, u.output)
}

// total counts what was cached as input, which the protocol does not.
func (u *usage) total() agent.Usage {
	return agent.Usage{InputTokens: u.input + u.cacheWrite + u.cacheRead, OutputTokens: u.output}
}

// params writes a turn as the wire has it.
func (m *Model) params(turn agent.Turn) (anthropic.MessageNewParams, error) {
	opts := m.caller.Options()
	params := anthropic.MessageNewParams{
		Model:     opts.Model,
		MaxTokens: cmp.Or(turn.MaxOutputTokens, opts.MaxOutputTokens, DefaultMaxOutputTokens),
		Messages:  messages(turn.Messages),
	}
	if !blank(turn.System) {
		params.System = []anthropic.TextBlockParam{{Text: turn.System}}
	}
	if opts.TextOnly {
		return params, nil
	}
	for _, tool := range turn.Tools {
		if !remote.IsObject(string(tool.Schema)) {
			return params, fmt.Errorf("the schema of the tool %s is no JSON object", tool.Name)
		}
		params.Tools = append(params.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
			Name:        tool.Name,
			Description: param.NewOpt(tool.Description),
			InputSchema: param.Override[anthropic.ToolInputSchemaParam](tool.Schema),
		}})
	}
	return params, nil
}

// messages writes a conversation. The server refuses blank text, and messages with nothing in them.
func messages(turn []agent.Message) []anthropic.MessageParam {
	var all []anthropic.MessageParam
	for _, message := range turn {
		var blocks []anthropic.ContentBlockParamUnion
		for _, result := range message.Results { // before the text, as the server wants it
			blocks = append(blocks, toolResult(result))
		}
		if !blank(message.Text) {
			blocks = append(blocks, anthropic.NewTextBlock(message.Text))
		}
		for _, call := range message.Calls {
			blocks = append(blocks, anthropic.NewToolUseBlock(call.ID, remote.Arguments(call.Arguments), call.Name))
		}
		switch {
		case len(blocks) == 0:
		case message.Role == agent.RoleAssistant:
			all = append(all, anthropic.NewAssistantMessage(blocks...))
		default:
			all = append(all, anthropic.NewUserMessage(blocks...))
		}
	}
	return all
}

func toolResult(result agent.CallResult) anthropic.ContentBlockParamUnion {
	block := anthropic.ToolResultBlockParam{ToolUseID: result.CallID, IsError: param.NewOpt(result.Failed)}
	if !blank(result.Text) {
		block.Content = []anthropic.ToolResultBlockParamContentUnion{{OfText: &anthropic.TextBlockParam{Text: result.Text}}}
	}
	return anthropic.ContentBlockParamUnion{OfToolResult: &block}
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }
