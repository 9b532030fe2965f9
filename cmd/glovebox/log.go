package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"glovebox/internal/config"
	"glovebox/internal/logcontext"
	"glovebox/internal/terminal"
)

// A choice is a flag that takes one of a few words.
type choice struct {
	word    string
	allowed []string
}

func (c *choice) String() string { return c.word }
func (c *choice) Type() string   { return "string" }
func (c *choice) Set(word string) error {
	if !slices.Contains(c.allowed, word) {
		last := len(c.allowed) - 1
		return fmt.Errorf("%s and %s are allowed", strings.Join(c.allowed[:last], ", "), c.allowed[last])
	}
	c.word = word
	return nil
}

const (
	logFormatFlag = "log-format"
	logLevelFlag  = "log-level"

	logAuto, logText, logJSON = "auto", "text", "json"
)

// registerLog adds the flags of a command that keeps a log, which openLog reads.
func registerLog(flags *pflag.FlagSet) {
	flags.Var(&choice{logAuto, []string{logAuto, logText, logJSON}}, logFormatFlag, "`FORMAT` of the log: text, json, or auto: text on a terminal, else json")
	flags.Var(&choice{"info", []string{"debug", "info", "warn", "error"}}, logLevelFlag, "least `LEVEL` that the log has: debug, info, warn or error; with debug it has every request")
	config.Mark(flags, logFormatFlag, logLevelFlag)
}

// openLog opens a command's log, on standard error: for people, where it has no flags for that.
func openLog(cmd *cobra.Command) *slog.Logger {
	stderr := cmd.ErrOrStderr()
	format, level := cmd.Flags().Lookup(logFormatFlag), cmd.Flags().Lookup(logLevelFlag)
	if format == nil || level == nil {
		return newLog(stderr, logText, "info")
	}
	return newLog(stderr, format.Value.String(), level.Value.String())
}

// keepsJSON reports whether a command has a log that is JSON, of which standard error is to hold nothing else.
func keepsJSON(cmd *cobra.Command) bool {
	format := cmd.Flags().Lookup(logFormatFlag)
	return format != nil && formatOf(cmd.ErrOrStderr(), format.Value.String()) == logJSON
}

// formatOf is the format itself, where it is auto.
func formatOf(stderr io.Writer, format string) string {
	switch {
	case format != logAuto:
		return format
	case terminal.Is(stderr):
		return logText
	}
	return logJSON
}

func newLog(stderr io.Writer, format, level string) *slog.Logger {
	var options slog.HandlerOptions
	var least slog.Level
	if least.UnmarshalText([]byte(level)) == nil { // as all choices do
		options.Level = least
	}
	if formatOf(stderr, format) == logText {
		return slog.New(logcontext.NewHandler(slog.NewTextHandler(stderr, &options)))
	}
	options.ReplaceAttr = inSeconds
	return slog.New(logcontext.NewHandler(slog.NewJSONHandler(stderr, &options)))
}

// inSeconds writes a duration as a number of seconds: nanoseconds, which slog writes, look like any other number.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return a
}

// warnerOf returns a function that tells a warning in a command's log, where it keeps one, else to people.
func warnerOf(cmd *cobra.Command) func(string) {
	if cmd.Flags().Lookup(logFormatFlag) == nil {
		return warner(cmd.ErrOrStderr())
	}
	log := openLog(cmd)
	return func(warning string) { log.Warn(warning) }
}
