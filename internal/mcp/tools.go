package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"glovebox/api"
	"glovebox/internal/action"
	"glovebox/internal/kept"
	"glovebox/internal/quota"
)

// executeCode makes a tool of the action that runs scripts.
func executeCode(code *action.ExecuteCode) (Tool, error) {
	schema, err := SchemaOf[api.ActionResult]()
	if err != nil {
		return Tool{}, err
	}
	return Tool{
		About: code.About(), OutputSchema: schema,
		Run: func(ctx context.Context, arguments []byte, progress func(string)) (any, string, bool, error) {
			result, err := code.Run(ctx, arguments, func(entry api.Log) {
				progress(fmt.Sprintf("[%s] %s", entry.Level, entry.Message))
			})
			if err != nil {
				return nil, "", false, err
			}
			return result, inWords(result), !result.Success, nil
		},
	}, nil
}

// SchemaOf makes the JSON Schema of a wire type, for a [Tool]'s result.
func SchemaOf[T any]() (json.RawMessage, error) {
	// Not the empty schema, which is written as true: the official TypeScript SDK takes only objects for properties, and
	// would refuse the whole list of tools.
	anyValue := &jsonschema.Schema{Description: "Any JSON value."}
	schema, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[json.RawMessage](): anyValue,
		// A list of ours is never null.
		reflect.TypeFor[[]api.Log](): {Type: "array", Items: &jsonschema.Schema{Type: "object"}},
		reflect.TypeFor[[]string]():  {Type: "array", Items: &jsonschema.Schema{Type: "string"}},
	}})
	if err != nil {
		return nil, fmt.Errorf("mcp: %w", err)
	}
	schema.AdditionalProperties = nil // later versions may tell more
	return json.Marshal(schema)
}

// maxWords bounds, in bytes, what is said of an output and of logs beside the structured result, which holds them
// whole: a model's context is dear.
const maxWords = 16 << 10

// inWords says how a run ended, for a client that reads no structured results.
func inWords(r api.ActionResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", r.ResultCode, r.Message)
	if r.Output != nil {
		fmt.Fprintf(&b, "\noutput: %s", cut(string(r.Output), maxWords))
	}
	if len(r.Logs) > 0 {
		var logs strings.Builder
		for _, entry := range r.Logs {
			fmt.Fprintf(&logs, "\n[%s] %s", entry.Level, entry.Message)
			if logs.Len() > maxWords {
				break
			}
		}
		b.WriteString("\nlogs:" + cut(logs.String(), maxWords))
	}
	for _, warning := range r.Warnings {
		b.WriteString("\nwarning: " + cut(warning, maxWords/16))
	}
	return b.String()
}

// cut shortens a text to at most so many bytes, at the border of a rune, and says that it did.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + fmt.Sprintf(" … (%d bytes in all; the structured result has them)", len(text))
}

// toolName is an action's name as tools are named: with underscores.
func toolName(about api.Action) string { return strings.ReplaceAll(about.Name, "-", "_") }

func (s *Server) add(t Tool) {
	// What runs in a box changes nothing outside it, and reaches nothing. The same call may end otherwise.
	closed, no := false, false
	tool := &sdk.Tool{
		Name: toolName(t.About), Title: t.About.Title, Description: t.About.Description,
		InputSchema: t.About.InputSchema, OutputSchema: t.OutputSchema,
		Annotations: &sdk.ToolAnnotations{Title: t.About.Title, ReadOnlyHint: true, DestructiveHint: &no, OpenWorldHint: &closed},
	}
	if t.About.Kind == api.KindAgent {
		open := true // it asks a model
		tool.Annotations.OpenWorldHint = &open
	}
	s.sdk.AddTool(tool, func(ctx context.Context, request *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		arguments := request.Params.Arguments
		if len(arguments) == 0 {
			arguments = json.RawMessage("{}")
		}
		ctx, done := s.exchanges.bind(ctx, request.Extra)
		defer done()
		notify := newNotifier(ctx, request)
		document, message, failed, err := t.Run(ctx, arguments, notify.say)
		notify.end()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx) // nobody waits for the answer
		}
		if err != nil {
			return s.refused(ctx, err)
		}
		return &sdk.CallToolResult{
			Content: []sdk.Content{&sdk.TextContent{Text: cut(message, 4*maxWords)}}, StructuredContent: document, IsError: failed,
		}, nil
	})
}

// refused tells a model what was wrong with its arguments, or that it is not to blame.
func (s *Server) refused(ctx context.Context, err error) (*sdk.CallToolResult, error) {
	var invalid *api.Error
	var busy interface{ RetryAfter() time.Duration }
	var over *quota.Error
	text := ""
	switch {
	case errors.As(err, &over) && over.Forbidden:
		text = "This is refused: " + over.Error() + "."
	case errors.As(err, &over):
		text = fmt.Sprintf("This is refused: %v. Try again in %.0f seconds.", over, math.Ceil(max(1, over.After.Seconds())))
	case errors.As(err, &invalid):
		text = "The arguments are not valid: " + invalid.Error()
	case errors.As(err, &busy):
		text = fmt.Sprintf("Every place is taken. Try again in %.0f seconds.", max(1, busy.RetryAfter().Seconds()))
	case kept.NotBegun(err):
		text = fmt.Sprintf("Nothing was run: the server cannot write its record now. Try again in %.0f seconds.", kept.RecordRetry.Seconds())
	case kept.Withheld(err):
		text = string(api.ExecutionFailed) + ": It ran, but the server cannot write the record of its end now, and so tells nothing of what came of it."
	default:
		s.log.ErrorContext(ctx, "a tool could not be run", "error", err)
		text = string(api.ExecutionFailed) + ": Glovebox itself failed; nothing was wrong with the call. Try it again."
	}
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: text}}, IsError: true}, nil
}

// addEnvironment adds the tool that tells what scripts may use.
func (s *Server) addEnvironment(info api.Info) error {
	output, err := SchemaOf[api.Info]()
	if err != nil {
		return err
	}
	text, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("mcp: %w", err)
	}
	no := false
	tool := &sdk.Tool{
		Name: "describe_environment", Title: "Describe the environment",
		Description: "Tells what scripts may use and what bounds them: languages, libraries and their versions, limits, and every result code with what to do about it.",
		InputSchema: json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`), OutputSchema: output,
		Annotations: &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: &no, DestructiveHint: &no},
	}
	s.sdk.AddTool(tool, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: string(text)}}, StructuredContent: info}, nil
	})
	return nil
}
