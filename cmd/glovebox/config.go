package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"

	"glovebox/internal/config"
	"glovebox/internal/secret"
)

func newConfigCommand() *cobra.Command {
	var f serveFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the settings that serve would have, and where each comes from",
		Long: `Shows every setting that glovebox serve would have here and now, and where its value comes from, as a file that serve can read.
Keys of models are told of, and not shown. It takes every flag of serve's.

A setting is a flag of serve's. Its value is that of the first of these that gives one:

  1. the flag, as in --data-dir /srv/glovebox
  2. the variable of the environment, as in GLOVEBOX_DATA_DIR=/srv/glovebox; where a flag may be repeated, with commas
  3. the file that --config or GLOVEBOX_CONFIG names, in YAML, as in data-dir: /srv/glovebox
  4. the default

There is no file that is read unasked. Other commands have those settings that they share with serve, and server and
allow-plain-http, from the same places. A key that no command knows is an error, and so is one that is there twice, a value that the flag would refuse, and, here,
a variable GLOVEBOX_… that nobody knows, of which other commands warn.

Exit status: 0 serve could start with this, as far as can be told without trying; 2 it could not.`,
		Example: `  glovebox config
  glovebox config --config /etc/glovebox/config.yaml --concurrency 8
  GLOVEBOX_STRICT=true glovebox config --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.Flags()); err != nil {
				return err
			}
			shown := inForce(cmd, &f)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), shown)
			}
			return outputError(shown.writeYAML(cmd.OutOrStdout()))
		},
	}
	flags := cmd.Flags()
	f.register(flags)
	flags.VisitAll(func(flag *pflag.Flag) { flag.Hidden = true }) // serve --help has them
	flags.BoolVar(&asJSON, "json", false, "print the settings as JSON")
	return cmd
}

// A shownConfig is what is in force, for people and programs.
type shownConfig struct {
	File     string         `json:"file,omitempty"`
	Settings []shownSetting `json:"settings"`
	Secrets  []shownSecret  `json:"secrets"`
}

type shownSetting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	From   string `json:"from"`            // flag, environment, file or default
	Where  string `json:"where,omitempty"` // the flag, the variable, or file:line
	source config.Source
}

// A shownSecret is one that the environment holds.
type shownSecret struct {
	Variable string        `json:"variable"`
	Value    secret.Secret `json:"value"`
}

func inForce(cmd *cobra.Command, f *serveFlags) shownConfig {
	shown := shownConfig{File: configFile(cmd.Flags()), Settings: []shownSetting{}, Secrets: []shownSecret{}}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		key, ok := config.Key(flag)
		if !ok {
			return
		}
		source := config.SourceOf(flag)
		s := shownSetting{Key: key, Value: valueOf(flag), From: source.Kind.String(), source: source}
		if source.Kind != config.Default {
			s.Where = source.String()
		}
		shown.Settings = append(shown.Settings, s)
	})
	if f.agent.model.name != "" && f.agent.model.keyFile == "" {
		if provider, err := f.agent.model.speaks(); err == nil {
			key := provider.FromEnvironment(os.Getenv).Key
			shown.Secrets = append(shown.Secrets, shownSecret{provider.KeyVariable, key})
		}
	}
	return shown
}

// valueOf returns a flag's value as YAML and JSON have it.
func valueOf(flag *pflag.Flag) any {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	text := flag.Value.String()
	switch flag.Value.Type() {
	case "bool", "int", "int64", "float64":
		var value any
		if yaml.Unmarshal([]byte(text), &value) == nil {
			return value
		}
	}
	return text
}

// writeYAML writes what serve can read again: what is not there has no value, and so it stands in a comment.
func (c shownConfig) writeYAML(w io.Writer) error {
	var text strings.Builder
	if c.File != "" {
		fmt.Fprintf(&text, "# with %s\n", c.File)
	}
	for _, s := range c.Settings {
		if list, ok := s.Value.([]string); s.Value == "" || ok && len(list) == 0 {
			fmt.Fprintf(&text, "# %s: # %s\n", s.Key, s.source)
			continue
		}
		line, err := flowYAML(s.Value)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s: %s # %s\n", s.Key, line, s.source)
	}
	for _, s := range c.Secrets {
		value := s.Value.String()
		if s.Value.IsZero() {
			value = "is not set"
		}
		fmt.Fprintf(&text, "# %s %s\n", s.Variable, value)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// flowYAML writes a value in one line, where need be as JSON, which is YAML too.
func flowYAML(value any) (string, error) {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return "", err
	}
	node.Style |= yaml.FlowStyle
	body, err := yaml.Marshal(&node)
	if line := strings.TrimSpace(string(body)); err != nil || !strings.Contains(line, "\n") {
		return line, err
	}
	body, err = json.Marshal(value)
	return string(body), err
}
