// Package openai asks models that speak OpenAI's chat completions: OpenAI's own, and those of Ollama, vLLM,
// llama.cpp, LM Studio and many more, by their base URLs.
package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/shared"

	"glovebox/internal/agent"
	"glovebox/internal/agent/remote"
)

// Provider is who speaks this protocol first.
func Provider() remote.Provider {
	return remote.Provider{
		Name:            "OpenAI",
		BaseURL:         "https://api.openai.com/v1",
		KeyVariable:     "OPENAI_API_KEY",
		BaseURLVariable: "OPENAI_BASE_URL",
	}
}

// A Model is one model behind chat completions.
type Model struct {
	caller  *remote.Caller
	service openai.ChatCompletionService
}

var _ agent.Model = (*Model)(nil)

// New returns the model that the options name, or what is wrong with them. It asks nothing yet.
// A server on this machine needs no key.
func New(opts remote.Options) (*Model, error) {
	caller, err := remote.NewCaller(opts, Provider())
	if err != nil {
		return nil, err
	}
	opts = caller.Options()
	// The service by itself, and not a client, which would read options from the environment.
	requests := []option.RequestOption{
		option.WithBaseURL(opts.BaseURL),
		option.WithHTTPClient(caller.HTTPClient()),
		option.WithMaxRetries(opts.Retries),
		option.WithRequestTimeout(opts.Timeout),
	}
	if !opts.Key.IsZero() {
		requests = append(requests, option.WithAPIKey(opts.Key.Reveal()))
	}
	return &Model{caller: caller, service: openai.NewChatCompletionService(requests...)}, nil
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
func read(stream *ssestream.Stream[openai.ChatCompletionChunk], turn int, say func(string)) (agent.Answer, error) {
	answer := remote.NewCollector(say)
	var usage agent.Usage
	var finish string
	for stream.Next() {
		chunk := stream.Current()
		// It comes last, in a chunk with no choices; some servers send none, others one with every chunk.
		if told := chunk.Usage; told.PromptTokens != 0 || told.CompletionTokens != 0 {
			usage = agent.Usage{InputTokens: told.PromptTokens, OutputTokens: told.CompletionTokens}
		}
		for _, choice := range chunk.Choices {
			if choice.Index != 0 {
				continue
			}
			answer.Text(choice.Delta.Content)
			answer.Text(choice.Delta.Refusal)
			for _, call := range choice.Delta.ToolCalls {
				answer.Call(call.Index, call.ID, call.Function.Name, call.Function.Arguments)
			}
			if choice.FinishReason != "" {
				finish = choice.FinishReason
			}
		}
	}
	var told *ssestream.StreamError
	switch err := stream.Err(); {
	case finish == "content_filter":
		return agent.Answer{Usage: usage}, remote.ErrWithheld
	case finish != "":
		return answer.Answer(turn, finish == "length", usage), nil
	case errors.As(err, &told):
		return agent.Answer{Usage: usage}, remote.NewEventError(told.Event.Data)
	case err != nil:
		return agent.Answer{Usage: usage}, err
	default:
		return agent.Answer{Usage: usage}, remote.ErrCut
	}
}

// params writes a turn as the wire has it.
func (m *Model) params(turn agent.Turn) (openai.ChatCompletionNewParams, error) {
	opts := m.caller.Options()
	params := openai.ChatCompletionNewParams{
		Model:         opts.Model,
		Messages:      messages(turn),
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: param.NewOpt(true)},
	}
	bound := turn.MaxOutputTokens
	if bound == 0 {
		bound = opts.MaxOutputTokens
	}
	switch {
	case bound == 0:
	case m.caller.OwnServers(): // whose newer models refuse the older name
		params.MaxCompletionTokens = param.NewOpt(bound)
	default: // which not all other servers know the newer name of
		params.MaxTokens = param.NewOpt(bound)
	}
	if opts.TextOnly {
		return params, nil
	}
	for _, tool := range turn.Tools {
		// Its own parts stay as they are written: a number may be larger than a float64 tells.
		var schema map[string]json.RawMessage
		if err := json.Unmarshal(tool.Schema, &schema); err != nil || schema == nil {
			return params, fmt.Errorf("the schema of the tool %s is no JSON object", tool.Name)
		}
		parameters := shared.FunctionParameters{}
		for name, part := range schema {
			parameters[name] = part
		}
		params.Tools = append(params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: tool.Name, Description: param.NewOpt(tool.Description), Parameters: parameters,
		}))
	}
	return params, nil
}

// messages writes a conversation: the system's words are its first message, and each result of a call is one.
func messages(turn agent.Turn) []openai.ChatCompletionMessageParamUnion {
	var all []openai.ChatCompletionMessageParamUnion
	if turn.System != "" {
		all = append(all, openai.SystemMessage(turn.System))
	}
	for _, message := range turn.Messages {
		if message.Role == agent.RoleAssistant {
			all = append(all, assistant(message))
			continue
		}
		for _, result := range message.Results {
			all = append(all, openai.ToolMessage(result.Text, result.CallID))
		}
		if message.Text != "" || len(message.Results) == 0 {
			all = append(all, openai.UserMessage(message.Text))
		}
	}
	return all
}

func assistant(message agent.Message) openai.ChatCompletionMessageParamUnion {
	union := openai.AssistantMessage(message.Text)
	if len(message.Calls) == 0 {
		return union
	}
	said := union.OfAssistant
	if message.Text == "" {
		said.Content = openai.ChatCompletionAssistantMessageParamContentUnion{}
	}
	for _, call := range message.Calls {
		said.ToolCalls = append(said.ToolCalls, openai.ChatCompletionMessageToolCallUnionParam{
			OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{
				ID: call.ID,
				Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{
					Name: call.Name, Arguments: string(remote.Arguments(call.Arguments)),
				},
			},
		})
	}
	return union
}
