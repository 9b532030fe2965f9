package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"glovebox/internal/sandbox"
	"glovebox/tools/leftbehind"
)

// claims are the boxes that the server has now.
func (s *server) claims(driver string) ([]*sandbox.Claim, error) {
	state, err := sandbox.OpenState(s.state())
	if err != nil {
		return nil, err
	}
	return state.Claims(driver)
}

// containers are the ids of Docker's containers that the server owns, dead ones too.
func (s *server) containers(ctx context.Context) ([]string, error) {
	format := fmt.Sprintf("{{.ID}} {{.Label %q}}", sandbox.OwnerLabel)
	out, err := exec.CommandContext(ctx, "docker", "ps", "--all", "--no-trunc", "--format", format).Output()
	if err != nil {
		return nil, fmt.Errorf("docker ps: %w", err)
	}
	var ids []string
	for line := range strings.Lines(string(out)) {
		id, label, _ := strings.Cut(strings.TrimSpace(line), " ")
		if owner, err := sandbox.ParseOwner(label); err == nil && owner.PID == s.process().pid {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// leftBehind looks for what a server that has ended should have taken along: claims, containers, bundles, mounts and processes.
func (s *server) leftBehind(ctx context.Context, t target) (left []string, err error) {
	claims, err := s.claims(t.driver)
	for _, claim := range claims {
		left = append(left, "the claim of box "+claim.ID)
	}
	if t.driver == driverDocker {
		ids, dockerErr := s.containers(ctx)
		err = errors.Join(err, dockerErr)
		for _, id := range ids {
			left = append(left, "container "+id)
		}
	}
	bundles, globErr := filepath.Glob(s.state(driverOCI, "*", "config.json"))
	left = append(left, bundles...)
	mounts, mountErr := leftbehind.Mounts(s.dir)
	return slices.Concat(left, mounts, leftbehind.Processes(s.dir)), errors.Join(err, globErr, mountErr)
}
