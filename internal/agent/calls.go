package agent

import (
	"encoding/json"
	"fmt"
	"strings"
)

// completeSchema is that of complete_task's arguments.
const completeSchema = `{"type":"object","properties":{` +
	`"message":{"type":"string","description":"Two sentences for the user: what was found, or why the task cannot be done."},` +
	`"code":{"type":"string","description":"The program that solves the task, byte for byte as it ran with SUCCESS. Left out, the last one that did is meant."},` +
	`"solved":{"type":"boolean","description":"False where the task cannot be done. True unless it is said."}` +
	`},"required":["message"],"additionalProperties":false}`

// tools are those that a model is offered.
func tools(execute Tool) []Tool {
	execute.Name = ToolExecute
	return []Tool{execute, {
		Name:        ToolComplete,
		Description: "Ends the work: after a program has run with SUCCESS and its result answers the task, or where the task cannot be done. Call it by itself.",
		Schema:      json.RawMessage(completeSchema),
	}}
}

// readCalls reads an answer that holds calls of tools.
func readCalls(answer Answer) step {
	s := step{message: answer.Text}
	for _, call := range answer.Calls {
		if strings.EqualFold(call.Name, ToolComplete) {
			if len(answer.Calls) == 1 {
				return readComplete(call, answer.Text)
			}
			// It cannot have seen how the others end.
			s.actions = append(s.actions, action{callID: call.ID, name: call.Name,
				unreadable: ToolComplete + " stands beside other calls: call it by itself, when you have seen how they ended"})
			continue
		}
		a := action{callID: call.ID, name: call.Name}
		if _, err := readArguments(call.Arguments); err != nil {
			a.unreadable = err.Error()
		}
		a.params = []byte(call.Arguments)
		s.actions = append(s.actions, a)
	}
	for _, a := range s.actions {
		if a.unreadable == "" {
			s.kind = stepActions
			return s
		}
	}
	s.problem = fmt.Sprintf("The arguments of your call cannot be used: %s. Call again, with one JSON object.", s.actions[0].unreadable)
	s.actions = nil
	return s
}

func readComplete(call Call, text string) step {
	arguments, err := readArguments(call.Arguments)
	if err != nil {
		return step{problem: fmt.Sprintf("The arguments of %s cannot be used: %v. Call again, with one JSON object.", ToolComplete, err)}
	}
	s := step{kind: stepComplete, message: text}
	var message string
	if json.Unmarshal(arguments["message"], &message) == nil && message != "" {
		s.message = message
	}
	s.takePayload(arguments)
	if string(arguments["solved"]) == "false" {
		s.kind = stepChat
	}
	return s
}
