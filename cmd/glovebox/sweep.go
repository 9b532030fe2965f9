package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/docker"
)

func newSweepCommand() *cobra.Command {
	var f boxFlags
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Remove boxes that a dead process left behind",
		Long: `Removes the boxes of glovebox processes that have died, on Docker and without it, with everything that belongs
to them. Nothing of a living process is touched. run and serve do the same when they start.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sweep(cmd, &f) },
	}
	f.registerState(cmd.Flags())
	return cmd
}

func sweep(cmd *cobra.Command, f *boxFlags) error {
	if err := f.checkState(); err != nil {
		return err
	}
	ctx := cmd.Context()
	log := openLog(cmd)
	image, err := runnerimage.Embedded()
	if err != nil {
		return sandboxError(err)
	}
	state, err := sandbox.OpenState(f.stateDir)
	if err != nil {
		return sandboxError(err)
	}
	var failures []error
	removed := 0
	// Each driver looks after its own boxes. One that this machine, or this user, has not got has none.
	for _, name := range []string{"docker", "oci"} {
		choice := boxFlags{driver: name, isolation: string(sandbox.IsolationStandard)} // whatever holds them
		found, _, err := choice.choose(ctx, image, state, log)
		if errors.Is(err, docker.ErrNoDaemon) || errors.Is(err, errNoRuntime) {
			continue
		}
		if err != nil {
			orphans, orphansErr := state.Orphans(name)
			if len(orphans) > 0 || orphansErr != nil || os.Geteuid() == 0 {
				failures = append(failures, err, orphansErr)
			}
			continue
		}
		swept, err := found.driver.Sweep(ctx)
		removed += len(swept.Boxes)
		failures = append(failures, err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), removedText(removed))
	if err := errors.Join(failures...); err != nil {
		return sandboxError(err)
	}
	return nil
}

func removedText(boxes int) string {
	switch boxes {
	case 0:
		return "nothing to remove"
	case 1:
		return "removed 1 box"
	}
	return fmt.Sprintf("removed %d boxes", boxes)
}
