package docker

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"go.opentelemetry.io/otel/trace/noop"

	"glovebox/internal/sandbox"
)

// probeLimit bounds the questions to a daemon that may not be there, or hang.
const probeLimit = 2 * time.Second

// minAPI is Docker Engine 20.10's: older ones know no private cgroup namespace.
const minAPI = "1.41"

// ErrNoDaemon is wrapped by errors that mean that no Docker daemon answers, or one that is too old to be used.
var ErrNoDaemon = errors.New("no Docker daemon answers")

// Info is what a daemon tells of itself, and what follows from it.
type Info struct {
	Host           string    `json:"host"` // where it was reached, as in DOCKER_HOST
	Version        string    `json:"version"`
	API            string    `json:"api"` // the version of the API that it and we speak
	CgroupDriver   string    `json:"cgroupDriver"`
	CgroupVersion  string    `json:"cgroupVersion"` // "1" or "2"
	StorageDriver  string    `json:"storageDriver"`
	Architecture   string    `json:"architecture"` // as the kernel says it: x86_64, aarch64
	Runtimes       []Runtime `json:"runtimes"`     // in the order of their names
	DefaultRuntime string    `json:"defaultRuntime"`
	// RuncVersion is that of the daemon's own runc.
	RuncVersion     string   `json:"runcVersion"`
	SecurityOptions []string `json:"securityOptions"`
	// Rootless and Remapped say that ids of its containers are mapped to others of the host.
	Rootless bool `json:"rootless"`
	Remapped bool `json:"remapped"`
	// Local says that it runs in our own namespaces: we see its processes, cgroups and files as it does.
	Local bool `json:"local"`
}

// A Runtime is an OCI runtime that a daemon knows.
type Runtime struct {
	Name string   `json:"name"`
	Path string   `json:"path"`
	Args []string `json:"args,omitempty"`
}

// Check fails where the daemon is too old to hold a box. The error wraps [ErrNoDaemon]: such a daemon is as good as
// none. [New] asks it too.
func (i Info) Check() error {
	if versions.LessThan(i.API, minAPI) {
		return fmt.Errorf("docker: %w that could be used: the one at %s (version %s) speaks API %s, and %s is needed: "+
			"install Docker Engine 20.10 or newer", ErrNoDaemon, i.Host, i.Version, i.API, minAPI)
	}
	return nil
}

// UserNamespace reports whether the daemon's containers have a user namespace.
func (i Info) UserNamespace() bool { return i.Rootless || i.Remapped }

// Runtime returns the runtime of that name.
func (i Info) Runtime(name string) (Runtime, bool) {
	for _, r := range i.Runtimes {
		if r.Name == name {
			return r, true
		}
	}
	return Runtime{}, false
}

// BestRuntime returns the name of the runtime that isolates best: gVisor where it is registered as it
// must be, rather without privileges on the host, else a runc of ours, else the daemon's default.
func (i Info) BestRuntime() string {
	heeds := func(r Runtime) bool { return sandbox.RuntimeKind(r.Name) == sandbox.KindRunsc && !dropsSeccomp(r) }
	for _, want := range []func(Runtime) bool{
		func(r Runtime) bool { return heeds(r) && hasBareKernel(r) },
		heeds,
		func(r Runtime) bool { return r.Name == OurRunc },
	} {
		for _, r := range i.Runtimes {
			if want(r) {
				return r.Name
			}
		}
	}
	return i.DefaultRuntime
}

// OurRunc is the name under which scripts/docker-setup.sh registers the runc that was built with
// Glovebox: Docker keeps the name runc for its own, whose version may be below the CVE floor.
const OurRunc = "runc-glovebox"

// newClient connects to nothing yet: the first request does, and agrees on the API's version. What it is asked is part of no trace: the
// client would make a span of each request, with the provider that it finds in the context.
func newClient() (*client.Client, error) {
	c, err := client.New(client.FromEnv, client.WithTraceProvider(noop.NewTracerProvider()))
	if err != nil {
		return nil, fmt.Errorf("docker: %w (is DOCKER_HOST right?)", err)
	}
	return c, nil
}

// Ping reports whether a Docker daemon answers, within two seconds. The error wraps [ErrNoDaemon].
func Ping(ctx context.Context) error {
	c, err := newClient()
	if err != nil {
		return errors.Join(ErrNoDaemon, err)
	}
	defer func() { _ = c.Close() }()
	return ping(ctx, c)
}

// ping also settles which version of the API is spoken, before anybody else asks: who comes at once with another would read it while it is written.
func ping(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return fmt.Errorf("docker: %w at %s: %w", ErrNoDaemon, c.DaemonHost(), err)
	}
	return nil
}

// Probe asks the daemon what it is. Where none answers it returns within two seconds, and the error
// wraps [ErrNoDaemon].
func Probe(ctx context.Context) (Info, error) {
	c, err := newClient()
	if err != nil {
		return Info{}, errors.Join(ErrNoDaemon, err)
	}
	defer func() { _ = c.Close() }()
	return probe(ctx, c)
}

func probe(ctx context.Context, c *client.Client) (Info, error) {
	if err := ping(ctx, c); err != nil {
		return Info{}, err
	}
	// It answers: what it must look up itself may take longer on a busy host.
	ctx, cancel := context.WithTimeout(ctx, 10*probeLimit)
	defer cancel()
	result, err := c.Info(ctx, client.InfoOptions{})
	if err != nil {
		return Info{}, fmt.Errorf("docker: info: %w", err)
	}
	daemon := result.Info
	info := Info{
		Host: c.DaemonHost(), Version: daemon.ServerVersion, API: c.ClientVersion(),
		CgroupDriver: daemon.CgroupDriver, CgroupVersion: daemon.CgroupVersion, StorageDriver: daemon.Driver,
		Architecture: daemon.Architecture, DefaultRuntime: daemon.DefaultRuntime, RuncVersion: daemon.RuncCommit.ID,
		SecurityOptions: daemon.SecurityOptions,
	}
	for name, r := range daemon.Runtimes {
		info.Runtimes = append(info.Runtimes, Runtime{Name: name, Path: r.Path, Args: r.Args})
	}
	slices.SortFunc(info.Runtimes, func(a, b Runtime) int { return strings.Compare(a.Name, b.Name) })
	for _, option := range daemon.SecurityOptions {
		switch name, _, _ := strings.Cut(strings.TrimPrefix(option, "name="), ","); name {
		case "rootless":
			info.Rootless = true
		case "userns":
			info.Remapped = true
		}
	}
	info.Local = isLocal(info.Host)
	return info, nil
}

// RuntimeVersion returns what the runtime's binary says its version is: the first line of its
// --version without the name, "" where it cannot be asked. Only a local daemon's binary can.
func (i Info) RuntimeVersion(ctx context.Context, name string) string {
	r, ok := i.Runtime(name)
	if !ok || !i.Local || r.Path == "" {
		if name == "runc" {
			return i.RuncVersion
		}
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*probeLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, r.Path, "--version").Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	_, version, ok := strings.Cut(line, " version ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(version)
}
