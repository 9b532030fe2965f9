package sandbox

import (
	"strings"
	"testing"

	"glovebox/internal/protocol"
)

func sealedReady() protocol.Ready {
	return protocol.Ready{Version: protocol.Version, UID: RunnerUID, GID: RunnerUID, NoNewPrivs: true, Seccomp: 2, SeccompFilters: 2,
		Hostname: "glovebox", Interfaces: []string{"lo"}, PID: 1, Env: []string{"PATH"}}
}

func TestCheckReady(t *testing.T) {
	expect := Expect{UID: RunnerUID, GID: RunnerUID, Env: []string{"PATH", "HOSTNAME"}, PIDOne: true}
	sealed := Sealed("sha256:0", "runc")
	if err := checkReady(sealedReady(), sealed, expect); err != nil {
		t.Fatalf("a sealed box is refused: %v", err)
	}
	for _, c := range []struct {
		name   string
		change func(*protocol.Ready)
		says   string
	}{
		{"uid", func(r *protocol.Ready) { r.UID = 0 }, "runs as 0:1"},
		{"gid", func(r *protocol.Ready) { r.GID = 0 }, "runs as 1:0"},
		{"groups", func(r *protocol.Ready) { r.Groups = 3 }, "3 supplementary groups"},
		{"no_new_privs", func(r *protocol.Ready) { r.NoNewPrivs = false }, "no_new_privs"},
		{"effective capabilities", func(r *protocol.Ready) { r.CapEff = 1 }, "capabilities"},
		{"permitted capabilities", func(r *protocol.Ready) { r.CapPrm = 1 << 21 }, "capabilities"},
		{"bounding capabilities", func(r *protocol.Ready) { r.CapBnd = 1 << 40 }, "capabilities"},
		{"inheritable capabilities", func(r *protocol.Ready) { r.CapInh = 1 }, "capabilities"},
		{"ambient capabilities", func(r *protocol.Ready) { r.CapAmb = 1 }, "capabilities"},
		{"no seccomp", func(r *protocol.Ready) { r.Seccomp = 0 }, "mode 0"},
		{"strict seccomp", func(r *protocol.Ready) { r.Seccomp = 1 }, "mode 1"},
		{"the self-seal alone", func(r *protocol.Ready) { r.SeccompFilters = 1 }, "1 seccomp filter"},
		{"no filter", func(r *protocol.Ready) { r.SeccompFilters = 0 }, "0 seccomp filter"},
		{"descriptors", func(r *protocol.Ready) { r.FDs = []string{"7: /etc"} }, "7: /etc"},
		{"environment", func(r *protocol.Ready) { r.Env = append(r.Env, "SECRET") }, `"SECRET"`},
		{"pid", func(r *protocol.Ready) { r.PID = 2 }, "process 2"},
		{"root", func(r *protocol.Ready) { r.RootWritable = true }, "root file system"},
		{"host name", func(r *protocol.Ready) { r.Hostname = "host" }, "host name"},
		{"network", func(r *protocol.Ready) { r.Interfaces = []string{"lo", "eth0"} }, `"eth0"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			ready := sealedReady()
			c.change(&ready)
			err := checkReady(ready, sealed, expect)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want it refused with %q", err, c.says)
			}
		})
	}
}

func TestCheckReadyNamesEveryFault(t *testing.T) {
	err := checkReady(protocol.Ready{}, Sealed("", "runc"), Expect{UID: 1, GID: 1, PIDOne: true})
	if err == nil {
		t.Fatal("an empty ready frame was accepted")
	}
	for _, fault := range []string{"runs as 0:0", "no_new_privs", "seccomp is in mode 0", "0 seccomp filter", "process 0", "host name"} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("%q does not name %q", err, fault)
		}
	}
}

// What a Spec does not ask for, and what a kernel does not tell, is no fault.
func TestCheckReadyAllows(t *testing.T) {
	expect := Expect{UID: RunnerUID, GID: RunnerUID, Env: []string{"PATH"}, PIDOne: true}
	for _, c := range []struct {
		name   string
		change func(*protocol.Ready, *Spec, *Expect)
	}{
		{"gVisor does not count filters", func(r *protocol.Ready, _ *Spec, _ *Expect) { r.SeccompFilters = -1 }},
		{"no profile asked for", func(r *protocol.Ready, s *Spec, _ *Expect) { s.Seccomp, r.SeccompFilters = nil, 1 }},
		{"a capability asked for", func(r *protocol.Ready, s *Spec, _ *Expect) { s.Capabilities, r.CapBnd = []string{"CAP_CHOWN"}, 1 }},
		{"a writable root asked for", func(r *protocol.Ready, s *Spec, _ *Expect) { s.ReadOnlyRoot, r.RootWritable = false, true }},
		{"an init of the driver's", func(r *protocol.Ready, _ *Spec, e *Expect) { e.PIDOne, r.PID = false, 7 }},
		{"no interface at all", func(r *protocol.Ready, _ *Spec, _ *Expect) { r.Interfaces = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ready, spec, e := sealedReady(), Sealed("", "runc"), expect
			c.change(&ready, &spec, &e)
			if err := checkReady(ready, spec, e); err != nil {
				t.Error(err)
			}
		})
	}
}
