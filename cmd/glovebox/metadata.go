package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"glovebox/internal/terminal"
	"glovebox/metadata"
)

func newMetadataCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "metadata",
		Short: "Look at what is told of actions, agents and prompts",
		Args:  noVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMetadataValidateCommand())
	return cmd
}

func newMetadataValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Hold metadata to its schemas",
		Long: `Holds the files under DIR/actions, DIR/agents and DIR/prompts to their JSON Schemas, and checks what no schema
can: that names are said once, that what is referred to exists, and that result codes are those of the one table.
Without DIR, the metadata inside this program is checked. Every fault is told, with its file and place.

Exit status: 0 valid, 1 not valid, 2 usage.`,
		Example: `  glovebox metadata validate
  glovebox metadata validate ./metadata`,
		Args: cobra.MaximumNArgs(1),
		RunE: validateMetadata,
	}
}

func validateMetadata(cmd *cobra.Command, args []string) error {
	files, what := metadata.Files(), "the metadata of this build"
	if len(args) == 1 {
		info, err := os.Stat(args[0])
		if err != nil {
			return usageError("%v", err)
		}
		if !info.IsDir() {
			return usageError("%s is no directory: name the one that holds actions, agents and prompts", args[0])
		}
		files, what = os.DirFS(args[0]), args[0]
	}
	catalogue, err := metadata.Load(files)
	if err != nil {
		for _, problem := range problems(err) {
			fmt.Fprintln(cmd.ErrOrStderr(), terminal.Text(cmd.ErrOrStderr(), problem.Error()))
		}
		return errScript
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %d actions, %d agents, %d prompts\n",
		what, len(catalogue.Actions), len(catalogue.Agents), len(catalogue.Prompts))
	return outputError(err)
}

// problems takes apart an error that joins others.
func problems(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
