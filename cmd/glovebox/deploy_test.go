package main

import (
	"bufio"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"glovebox/controller"
)

// parsed finds the verb that a command line names, and gives it its flags: one that it has not got is an error.
func parsed(t *testing.T, args []string) *cobra.Command {
	t.Helper()
	cmd, rest, err := newRoot().Find(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return cmd
}

func flagOf(t *testing.T, cmd *cobra.Command, name string) string {
	t.Helper()
	flag := cmd.Flags().Lookup(name)
	if flag == nil {
		t.Fatalf("%s has no flag %s", cmd.Name(), name)
	}
	return flag.Value.String()
}

// unitDirectives are the names that may stand in the unit: systemd goes on with a warning over one that it does not know.
var unitDirectives = map[string][]string{
	"Unit": {"Description", "After"},
	"Service": {
		"Type", "ExecStart", "ExecStopPost", "KillMode", "TimeoutStopSec", "Restart", "RestartSec", "RestartPreventExitStatus", "Delegate",
		"StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "RuntimeDirectoryMode", "RuntimeDirectoryPreserve",
		"NoNewPrivileges", "CapabilityBoundingSet", "ProtectSystem", "ReadWritePaths", "ProtectHome", "PrivateTmp", "ProtectKernelModules",
		"DevicePolicy", "RestrictRealtime", "LockPersonality", "SystemCallArchitectures", "IPAddressDeny", "IPAddressAllow",
	},
	"Install": {"WantedBy"},
}

// unitFile reads the form of systemd.syntax(7) as far as ours goes: no continued lines, and nothing twice.
func unitFile(t *testing.T, name string) map[string]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	values, section := map[string]string{}, ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			if unitDirectives[section] == nil || line != "["+section+"]" {
				t.Fatalf("%s is no section", line)
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if _, twice := values[key]; !ok || twice || value == "" || strings.HasSuffix(value, `\`) || !slices.Contains(unitDirectives[section], key) {
			t.Errorf("[%s] %s", section, line)
		}
		values[key] = value
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// controllerCleanup is how long a controller waits for what it has cancelled (its default).
const controllerCleanup = 10 * time.Second

func TestSystemdUnit(t *testing.T) {
	unit := unitFile(t, "../../deploy/systemd/glovebox.service")

	program := strings.Fields(unit["ExecStart"])
	serve := parsed(t, program[1:])
	if serve.Name() != "serve" || !path.IsAbs(program[0]) {
		t.Errorf("ExecStart is %s", unit["ExecStart"])
	}
	if err := controller.CheckListenAddress(flagOf(t, serve, "listen"), controller.Exposure{}); err != nil {
		t.Error(err)
	}
	if driver := flagOf(t, serve, "driver"); driver != "oci" {
		t.Errorf("the driver is %s", driver)
	}
	if data := flagOf(t, serve, "data-dir"); data != "/var/lib/"+unit["StateDirectory"] || unit["StateDirectoryMode"] != "0700" {
		t.Errorf("data is kept in %s", data)
	}
	state := flagOf(t, serve, "state-dir")
	if state != "/run/"+unit["RuntimeDirectory"] || unit["RuntimeDirectoryMode"] != "0700" || unit["RuntimeDirectoryPreserve"] != "yes" {
		t.Errorf("state is kept in %s", state)
	}
	if writable := unit["ReadWritePaths"]; !strings.HasPrefix(state+"-rootfs", writable+"/") {
		t.Errorf("%s may be written, and not %s-rootfs", writable, state)
	}

	sweep := parsed(t, strings.Fields(strings.TrimPrefix(unit["ExecStopPost"], "-"))[1:])
	if sweep.Name() != "sweep" || flagOf(t, sweep, "state-dir") != state {
		t.Errorf("ExecStopPost is %s", unit["ExecStopPost"])
	}

	patience, err := time.ParseDuration(unit["TimeoutStopSec"])
	if most := drainLimit + controllerCleanup + closeLimit; err != nil || patience <= most {
		t.Errorf("TimeoutStopSec is %s: a good end takes up to %v", unit["TimeoutStopSec"], most)
	}
	if unit["Type"] != "exec" { // serve speaks no sd_notify(3)
		t.Errorf("Type is %s", unit["Type"])
	}
	for _, controller := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(strings.Fields(unit["Delegate"]), controller) {
			t.Errorf("%s is not delegated", controller)
		}
	}
}
