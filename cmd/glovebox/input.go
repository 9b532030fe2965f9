package main

import (
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
	// One byte beyond the limit is enough to refuse it by its size.
	code, err := readFile(file, stdin, api.MaxCodeBytes+1)
	return string(code), err
}

func readFile(file string, stdin io.Reader, most int64) ([]byte, error) {
	source := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, &statusError{statusUsage, err}
		}
		defer func() { _ = f.Close() }()
		source = f
	}
	body, err := io.ReadAll(io.LimitReader(source, most))
	if err != nil {
		return nil, &statusError{statusUsage, err}
	}
	return body, nil
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && terminal.Is(f)
}

// languageOf takes what was asked for, else what the file's name implies. An unknown language is refused
// with the rest of the request.
func languageOf(asked, file string) api.Language {
	switch {
	case asked != "":
		return api.Language(asked)
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

// read returns the input as JSON, or nil where none was given.
func (f *inputFlags) read(stdin io.Reader, stdinIsCode bool) (json.RawMessage, error) {
	given := 0
	for _, value := range []string{f.file, f.text, f.literal} {
		if value != "" {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, nil
	case given > 1:
		return nil, usageError("--input, --input-text and --input-json exclude each other")
	case stdinIsCode && (f.file == "-" || f.text == "-"):
		return nil, usageError("the script and its input cannot both come from standard input")
	case f.literal != "":
		return json.RawMessage(f.literal), nil
	case f.file != "":
		return readFile(f.file, stdin, api.MaxInputBytes+1)
	}
	text, err := readFile(f.text, stdin, api.MaxInputBytes+1)
	if err != nil {
		return nil, err
	}
	// Invalid UTF-8 becomes U+FFFD, as it would in any text that a script could hold.
	return json.Marshal(string(text))
}

// flagNames tells which flag stands for a field of the request.
var flagNames = map[string]string{
	"code": "the script", "language": "--language", "inputData": "the input", "timeoutSeconds": "--timeout (in seconds)",
	"memoryLimitMB": "--memory (in MiB)", "cpus": "--cpus",
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
