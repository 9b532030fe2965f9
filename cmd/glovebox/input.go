package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"glovebox/api"
	"glovebox/internal/terminal"
)

func hostCPUs() int { return runtime.NumCPU() }

// readCode reads the script from a file, or from standard input.
func readCode(file string, stdin io.Reader) (string, error) {
	if file == "-" && isTerminal(stdin) {
		return "", usageError("no script: name a FILE, or pipe one in")
	}
	code, err := readFile("the script", file, stdin, api.MaxCodeBytes)
	return string(code), err
}

// readFile reads what may be of most bytes at the most; what says what it is.
func readFile(what, file string, stdin io.Reader, most int64) ([]byte, error) {
	source := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, &statusError{statusUsage, err}
		}
		defer func() { _ = f.Close() }()
		source = f
	}
	body, err := io.ReadAll(io.LimitReader(source, most+1))
	if err != nil {
		return nil, &statusError{statusUsage, err}
	}
	if int64(len(body)) > most {
		return nil, usageError("%s is larger than %d bytes, which is the most that is allowed", what, most)
	}
	return body, nil
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && terminal.Is(f)
}

// languageOf returns what the file's name implies.
func languageOf(file string) api.Language {
	switch {
	case strings.EqualFold(filepath.Ext(file), ".ts"), strings.EqualFold(filepath.Ext(file), ".mts"):
		return api.TypeScript
	}
	return api.JavaScript
}

// inputFlags are the three ways to give a script its data.
type inputFlags struct{ file, text, literal string }

func (f *inputFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "input", "", "`FILE` with the input as JSON; - is standard input")
	flags.StringVar(&f.text, "input-text", "", "`FILE` whose text is the input, as one string; - is standard input")
	flags.StringVar(&f.literal, "input-json", "", "the input itself, as `JSON`")
}

// read returns the input as JSON, or nil where none was given. flags say which were: what is given and
// empty is not the same as what is not.
func (f *inputFlags) read(flags *pflag.FlagSet, stdin io.Reader, stdinIsCode bool) (json.RawMessage, error) {
	var given []string
	for _, name := range []string{"input", "input-text", "input-json"} {
		if flags.Changed(name) {
			given = append(given, name)
		}
	}
	switch {
	case len(given) == 0:
		return nil, nil
	case len(given) > 1:
		return nil, usageError("--input, --input-text and --input-json exclude each other")
	case stdinIsCode && (f.file == "-" || f.text == "-"):
		return nil, usageError("the script and its input cannot both come from standard input")
	case given[0] == "input-json":
		return json.RawMessage(f.literal), nil
	case given[0] == "input":
		return readFile(inputName, f.file, stdin, api.MaxInputBytes)
	}
	text, err := readFile(inputName, f.text, stdin, api.MaxInputBytes)
	if err != nil {
		return nil, err
	}
	return quote(text)
}

var inputName = string(api.InvalidInputData) + ": the input"

// quote writes a text as JSON, with no byte more than it needs: markup is not escaped. Invalid UTF-8 becomes
// U+FFFD, as it would in any text that a script could hold.
func quote(text []byte) (json.RawMessage, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(string(text))
	return out.Bytes(), err
}

// flagNames tells which flag stands for a field of the request.
var flagNames = map[string]string{
	"code": "the script", "language": "--language", "inputData": "the input", "timeoutSeconds": "--timeout (in seconds)",
	"memoryLimitMB": "--memory (in MiB)", "cpus": "--cpus", "task": "--task", "requirements": "--requirements",
}

// flagError tells a refused request in the words of the command line.
func flagError(err error) error {
	var refused *api.Error
	if !errors.As(err, &refused) {
		return err
	}
	name, ok := flagNames[refused.Field]
	if !ok {
		name = refused.Field
	}
	text := fmt.Errorf("%s: %s", name, refused.Detail)
	if refused.ResultCode != "" {
		text = fmt.Errorf("%s: %w", refused.ResultCode, text)
	}
	return &statusError{statusUsage, text}
}
