package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv/hybrid"
)

// A target is one way to make boxes: a driver and a runtime.
type target struct {
	driver  string
	kind    sandbox.Kind
	runtime oci.Runtime // where the driver is oci
	missing string      // why it cannot be asked, or ""
}

const (
	driverOCI    = "oci"
	driverDocker = "docker"
)

func (t target) String() string { return t.driver + "+" + string(t.kind) }

// runtimeFlag is how the server is told of the runtime.
func (t target) runtimeFlag() string {
	if t.driver == driverOCI {
		return t.runtime.Path
	}
	return string(t.kind)
}

// targetNames are all five, found or not.
var targetNames = []string{"oci+runc", "oci+crun", "oci+runsc", "docker+runc", "docker+runsc"}

// findTargets looks for each of targetNames.
func findTargets(ctx context.Context) (targets []target, versions []version) {
	found := map[sandbox.Kind]oci.Runtime{}
	for _, r := range oci.FindRuntimes(ctx, oci.SearchDirs()) {
		found[r.Kind] = r
	}
	for _, kind := range []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc} {
		t := target{driver: driverOCI, kind: kind, runtime: found[kind]}
		t.missing = whyNot(t.runtime)
		if t.missing == "" {
			versions = append(versions, version{string(kind), t.runtime.Version})
		}
		targets = append(targets, t)
	}
	daemon, err := inspectDocker(ctx)
	if err == nil {
		versions = append(versions, version{"Docker Engine", daemon.ServerVersion})
	}
	for _, kind := range []sandbox.Kind{sandbox.KindRunc, sandbox.KindRunsc} {
		t := target{driver: driverDocker, kind: kind}
		switch _, known := daemon.Runtimes[string(kind)]; {
		case err != nil:
			t.missing = err.Error()
		case !known:
			t.missing = fmt.Sprintf("the Docker daemon knows no %s; SETUP_DOCKER=1 make docker registers it", kind)
		}
		targets = append(targets, t)
	}
	return targets, versions
}

func whyNot(r oci.Runtime) string {
	if r.Path == "" {
		return "it was not found in PATH, nor in $" + oci.EnvRuntimeDir
	}
	if r.Kind == sandbox.KindCrun {
		// As the tests do: for as long as this process lives, a hybrid host is one that crun takes.
		if err := hybrid.Yield(); err != nil {
			return err.Error()
		}
	}
	if err := oci.CheckHost(r); err != nil {
		return err.Error()
	}
	return ""
}

// A dockerInfo is what is asked of the daemon.
type dockerInfo struct {
	ServerVersion string
	Runtimes      map[string]json.RawMessage
}

func inspectDocker(ctx context.Context) (dockerInfo, error) {
	out, err := exec.CommandContext(ctx, "docker", "info", "--format", "{{json .}}").Output()
	if err != nil {
		return dockerInfo{}, fmt.Errorf("no Docker daemon answers (docker info: %w)", err)
	}
	var info dockerInfo
	if err := json.Unmarshal(out, &info); err != nil {
		return dockerInfo{}, fmt.Errorf("docker info: %w", err)
	}
	if info.ServerVersion == "" {
		return dockerInfo{}, fmt.Errorf("no Docker daemon answers")
	}
	return info, nil
}
