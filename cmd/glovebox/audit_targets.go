package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"glovebox/internal/probe"
	"glovebox/internal/probe/control"
	"glovebox/internal/probe/probeimage"
	"glovebox/internal/probe/report"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/docker"
	"glovebox/internal/sandbox/oci"
)

// This file and audit.go are the only ones of this program that know of the probe's image: a test holds that.

// An auditTarget is a driver and a runtime: with the probe's image in its boxes, and with the runner's.
type auditTarget struct {
	native, script probe.Target
	close          func()
}

// auditImages are what boxes are made of.
type auditImages struct{ probe, runner *runnerimage.Image }

func openImages() (images auditImages, err error) {
	if images.probe, err = probeimage.Embedded(); err != nil {
		return images, err
	}
	images.runner, err = runnerimage.Embedded()
	return images, err
}

// targets finds the pairs that were asked for, or all that this machine has.
func (o *auditOptions) targets(ctx context.Context) (targets []auditTarget, err error) {
	images, err := openImages()
	if err != nil {
		return nil, err
	}
	state, err := sandbox.OpenState(o.boxes.stateDir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, t := range targets {
				t.close()
			}
		}
	}()
	var refused []error
	if o.boxes.driver != "docker" {
		found, err := o.ociTargets(ctx, images, state)
		targets, refused = append(targets, found...), append(refused, err)
	}
	if o.boxes.driver != "oci" && !isPath(o.boxes.runtime) {
		found, err := o.dockerTargets(ctx, images, state)
		targets = append(targets, found...)
		if !errors.Is(err, docker.ErrNoDaemon) || o.boxes.driver == "docker" {
			refused = append(refused, err)
		}
	}
	if err := errors.Join(refused...); err != nil {
		return targets, err
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("nothing here can make a box to audit: `glovebox doctor` tells what is missing")
	}
	return targets, nil
}

func (o *auditOptions) ociTargets(ctx context.Context, images auditImages, state *sandbox.State) ([]auditTarget, error) {
	found, refused := usable(oci.FindRuntimes(ctx, oci.SearchDirs()))
	if o.boxes.runtime != "" {
		chosen, err := o.boxes.ociRuntime(ctx, found, refused)
		if err != nil {
			if o.boxes.driver == "auto" { // Docker may know it
				return nil, nil
			}
			return nil, err
		}
		found = []oci.Runtime{chosen}
	}
	var targets []auditTarget
	for _, r := range found {
		probed, err := ociTarget(images.probe, state, r)
		if err != nil {
			return targets, err
		}
		ran, err := ociTarget(images.runner, state, r)
		if err != nil {
			return targets, err
		}
		targets = append(targets, auditTarget{native: probed, script: ran, close: func() {}})
	}
	return targets, nil
}

func ociTarget(image *runnerimage.Image, state *sandbox.State, r oci.Runtime) (probe.Target, error) {
	driver, err := oci.New(oci.Config{Image: image, State: state, Runtime: r, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return probe.Target{}, err
	}
	return probe.Target{Pair: probe.Pair{Driver: "oci", Runtime: string(r.Kind)}, Driver: driver, Spec: driver.Spec()}, nil
}

func (o *auditOptions) dockerTargets(ctx context.Context, images auditImages, state *sandbox.State) ([]auditTarget, error) {
	info, err := docker.Probe(ctx)
	if err != nil {
		return nil, err
	}
	var targets []auditTarget
	for _, name := range o.dockerRuntimes(info) {
		target := func(image *runnerimage.Image) (probe.Target, func() error, error) {
			driver, err := docker.New(ctx, docker.Config{Image: image, State: state, Runtime: name})
			if err != nil {
				return probe.Target{}, nil, err
			}
			return probe.Target{Pair: probe.Pair{Driver: "docker", Runtime: name}, Driver: driver, Spec: driver.Spec()}, driver.Close, nil
		}
		probed, closeProbed, err := target(images.probe)
		if err != nil {
			return targets, err
		}
		ran, closeRan, err := target(images.runner)
		if err != nil {
			return targets, errors.Join(err, closeProbed())
		}
		targets = append(targets, auditTarget{native: probed, script: ran, close: func() { _ = errors.Join(closeProbed(), closeRan()) }})
	}
	return targets, nil
}

// dockerRuntimes names the runtime that was asked for, or one of each kind: a runc of ours comes before the daemon's own.
func (o *auditOptions) dockerRuntimes(info docker.Info) []string {
	if name := o.boxes.runtime; name != "" {
		if _, ok := info.Runtime(name); !ok && o.boxes.driver == "auto" {
			return nil
		}
		return []string{name}
	}
	var names []string
	for _, kind := range kinds {
		name := string(kind)
		if _, ours := info.Runtime(docker.OurRunc); ours && kind == sandbox.KindRunc {
			name = docker.OurRunc
		}
		if _, ok := info.Runtime(name); ok && oci.CheckCgroups(kind) == nil {
			names = append(names, name)
		}
	}
	return names
}

// control lifts layers from disposable boxes on runc, whatever the drivers and runtimes that were asked for.
func (o *auditOptions) control(ctx context.Context, probes []probe.Probe, audit *probe.Report, progress *report.Progress) error {
	images, err := openImages()
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("--controls takes root: run it as root, or leave it out")
	}
	runc, err := oci.FindRuntime(ctx, sandbox.KindRunc, oci.SearchDirs())
	if err != nil {
		return fmt.Errorf("--controls needs runc: %w", err)
	}
	state, err := sandbox.OpenState(o.boxes.stateDir)
	if err != nil {
		return err
	}
	target, err := ociTarget(images.probe, state, runc)
	if err != nil {
		return err
	}
	controller := &control.Controller{
		Image: images.probe, Runner: images.runner, Runtime: runc, Target: target,
		Spec: sandbox.Sealed(images.probe.BinaryDigest(), string(sandbox.KindRunc)),
	}
	progress.Begin("controls with "+string(runc.Kind), 0)
	defer progress.End()
	return controller.Control(ctx, probes, func(c probe.Control) {
		audit.AddControl(c)
		progress.Control(c)
	})
}
