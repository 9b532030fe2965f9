package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"glovebox/internal/doctor"
)

func newDoctorCommand() *cobra.Command {
	var asJSON bool
	var f boxFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what this machine has of what boxes need",
		Long: `Looks for each thing that boxes need: found or not, its version, what it means for isolation, and what to type where
it is missing. It changes nothing. Exit status: 0 when boxes can be made, 3 when not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.checkState(); err != nil {
				return err
			}
			report := doctor.Examine(cmd.Context(), f.stateDir)
			if err := writeReport(cmd, report, asJSON); err != nil {
				return outputError(err)
			}
			if !report.Ready {
				return sandboxError(errors.New("no box can be made on this machine yet"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	f.registerState(cmd.Flags())
	return cmd
}

func writeReport(cmd *cobra.Command, report doctor.Report, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range report.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.State, f.Name, f.Version, f.Means)
		if f.Type != "" && f.State != doctor.OK {
			fmt.Fprintf(table, "\t\t\t→ %s\n", f.Type)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if report.Uses != "" {
		fmt.Fprintf(out, "glovebox run takes %s, unless --driver or --runtime says otherwise.\n", report.Uses)
	}
	return nil
}
