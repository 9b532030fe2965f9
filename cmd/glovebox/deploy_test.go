package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"

	"glovebox/controller"
	"glovebox/internal/config"
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

// withFile gives a command the settings of a file of ours, whatever it is called where it is to be.
func withFile(t *testing.T, cmd *cobra.Command, name string) *cobra.Command {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return withSettings(t, cmd, name, body)
}

func withSettings(t *testing.T, cmd *cobra.Command, name string, body []byte) *cobra.Command {
	t.Helper()
	file, err := config.Parse(name, body)
	if err == nil {
		err = file.Check(allSettings(cmd.Root()))
	}
	if err == nil {
		_, err = config.Apply(cmd.Flags(), func(string) string { return "" }, file)
	}
	if err != nil {
		t.Fatal(err)
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
	"Unit": {"Description", "After", "StartLimitIntervalSec"},
	"Service": {
		"Type", "NotifyAccess", "TimeoutStartSec", "WatchdogSec", "Environment", "LimitCORE", "ExecStart", "ExecStopPost", "KillMode", "TimeoutStopSec", "Restart", "RestartSec", "RestartPreventExitStatus", "Delegate",
		"StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "RuntimeDirectoryMode", "RuntimeDirectoryPreserve",
		"NoNewPrivileges", "CapabilityBoundingSet", "ProtectSystem", "ReadWritePaths", "ExecPaths", "ProtectHome", "PrivateTmp", "PrivateDevices",
		"ProtectKernelModules", "ProtectClock", "DevicePolicy", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "UMask",
		"RestrictAddressFamilies", "SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber", "IPAddressDeny", "IPAddressAllow",
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

// checkPatience wants whoever ends a server to wait for a good end.
func checkPatience(t *testing.T, given string) {
	t.Helper()
	patience, err := time.ParseDuration(given)
	if most := drainLimit + controllerCleanup + closeLimit; err != nil || patience <= most {
		t.Errorf("the server has %s to end: a good end takes up to %v", given, most)
	}
}

func TestSystemdUnit(t *testing.T) {
	unit := unitFile(t, "../../deploy/systemd/glovebox.service")

	const settings, installed = "../../deploy/systemd/config.yaml", "/etc/glovebox/config.yaml"
	program := strings.Fields(unit["ExecStart"])
	serve := parsed(t, program[1:])
	if serve.Name() != "serve" || !path.IsAbs(program[0]) || flagOf(t, serve, configFlag) != installed {
		t.Errorf("ExecStart is %s", unit["ExecStart"])
	}
	withFile(t, serve, settings)
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
	for _, may := range []string{"ReadWritePaths", "ExecPaths"} { // /run may be noexec
		if paths := unit[may]; !strings.HasPrefix(state+"-rootfs", paths+"/") {
			t.Errorf("%s is %s, and not %s-rootfs", may, paths, state)
		}
	}

	sweep := parsed(t, strings.Fields(strings.TrimPrefix(unit["ExecStopPost"], "-"))[1:])
	if sweep.Name() != "sweep" || flagOf(t, sweep, configFlag) != installed || flagOf(t, withFile(t, sweep, settings), "state-dir") != state {
		t.Errorf("ExecStopPost is %s", unit["ExecStopPost"])
	}

	checkPatience(t, unit["TimeoutStopSec"])
	if unit["Restart"] != "on-failure" || unit["StartLimitIntervalSec"] != "0" { // else five failures, and it stays away
		t.Errorf("after a failure it is tried again %s, within %s", unit["Restart"], unit["StartLimitIntervalSec"])
	}
	if unit["Type"] != "notify" || unit["NotifyAccess"] != "main" {
		t.Errorf("Type is %s, and %s may speak", unit["Type"], unit["NotifyAccess"])
	}
	if patience, err := time.ParseDuration(unit["TimeoutStartSec"]); err != nil || patience != startPatience {
		t.Errorf("a start has %s, and %v behind a migration", unit["TimeoutStartSec"], startPatience)
	}
	if fed, err := time.ParseDuration(unit["WatchdogSec"]); err != nil || fed < time.Minute { // a busy machine is none that hangs
		t.Errorf("the watchdog waits for %s", unit["WatchdogSec"])
	}
	// A panic, and the watchdog's SIGABRT, must not look as a usage error does.
	if unit["RestartPreventExitStatus"] != strconv.Itoa(statusUsage) || unit["Environment"] != "GOTRACEBACK=crash" || unit["LimitCORE"] != "0" {
		t.Errorf("after %s it stays away, with %s and cores of %s", unit["RestartPreventExitStatus"], unit["Environment"], unit["LimitCORE"])
	}
	for _, controller := range []string{"cpu", "cpuset", "memory", "pids"} { // cpuset is gVisor's, which fails where it has to turn it on itself
		if !slices.Contains(strings.Fields(unit["Delegate"]), controller) {
			t.Errorf("%s is not delegated", controller)
		}
	}
}

// systemd knows every line of the unit, where it is at hand.
func TestSystemdVerifiesTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	unit, err := os.ReadFile("../../deploy/systemd/glovebox.service")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable() // glovebox is not installed here
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "glovebox.service")
	if err := os.WriteFile(file, bytes.ReplaceAll(unit, []byte("/usr/local/bin/glovebox"), []byte(program)), 0o644); err != nil {
		t.Fatal(err)
	}
	// What it says of is not always a failure to it. It reads the machine's units too, which are not ours to judge.
	out, err := exec.Command(analyze, "verify", "--recursive-errors=no", "--man=no", file).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("glovebox.service")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// composeFile is what ours uses of the Compose specification: a member that is not here is a slip of the pen.
type composeFile struct {
	Name     string `yaml:"name"`
	Services map[string]struct {
		Build struct {
			Context    string `yaml:"context"`
			Dockerfile string `yaml:"dockerfile"`
		} `yaml:"build"`
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		NetworkMode string            `yaml:"network_mode"`
		PID         string            `yaml:"pid"`
		Volumes     []struct {
			Type   string `yaml:"type"`
			Source string `yaml:"source"`
			Target string `yaml:"target"`
			Bind   struct {
				CreateHostPath *bool `yaml:"create_host_path"`
			} `yaml:"bind"`
		} `yaml:"volumes"`
		ReadOnly        bool     `yaml:"read_only"`
		CapDrop         []string `yaml:"cap_drop"`
		SecurityOpt     []string `yaml:"security_opt"`
		Restart         string   `yaml:"restart"`
		StopGracePeriod string   `yaml:"stop_grace_period"`
	} `yaml:"services"`
	Volumes map[string]struct{} `yaml:"volumes"`
}

func TestComposeFile(t *testing.T) {
	const dir = "../../deploy"
	body, err := os.ReadFile(path.Join(dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file composeFile
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	service := file.Services["serve"]
	if len(file.Services) != 1 {
		t.Fatalf("%d services", len(file.Services))
	}
	if _, err := os.Stat(path.Join(dir, service.Build.Context, service.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	serve := parsed(t, service.Command)
	var environ []string
	for name, value := range service.Environment {
		environ = append(environ, name+"="+value)
	}
	if strange := config.Strange(environ, settingsOf(serve), nil); len(strange) > 0 {
		t.Error(strange)
	}
	if _, err := config.Apply(serve.Flags(), func(name string) string { return service.Environment[name] }, nil); err != nil {
		t.Error(err)
	}
	if serve.Name() != "serve" || flagOf(t, serve, "driver") != "docker" {
		t.Errorf("the command is %v", service.Command)
	}
	// It is the host's loopback only where the network is.
	if err := controller.CheckListenAddress(flagOf(t, serve, "listen"), controller.Exposure{}); err != nil || service.NetworkMode != "host" {
		t.Errorf("listens on the network %s: %v", service.NetworkMode, err)
	}
	writable := map[string]string{} // by its path in the container
	for _, v := range service.Volumes {
		writable[v.Target] = v.Source
		if _, ok := file.Volumes[v.Source]; v.Type == "volume" && !ok {
			t.Errorf("no volume %s", v.Source)
		}
	}
	if data := flagOf(t, serve, "data-dir"); writable[path.Dir(data)] != "data" {
		t.Errorf("%s is in no volume, where serve could make it with its own mode", data)
	}
	if state := flagOf(t, serve, "state-dir"); writable[state] != state || service.PID != "host" {
		t.Errorf("%s is not the host's, or the processes are not", state)
	}
	if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
		t.Error("the container may do more than it needs")
	}
	checkPatience(t, service.StopGracePeriod)
}

// podFile is what docs/operations.md uses of a Pod: a member that is not here is a slip of the pen.
type podFile struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   map[string]string `yaml:"metadata"`
	Spec       struct {
		AutomountServiceAccountToken  *bool               `yaml:"automountServiceAccountToken"`
		EnableServiceLinks            *bool               `yaml:"enableServiceLinks"`
		TerminationGracePeriodSeconds int                 `yaml:"terminationGracePeriodSeconds"`
		NodeSelector                  map[string]string   `yaml:"nodeSelector"`
		Tolerations                   []map[string]string `yaml:"tolerations"`
		Containers                    []struct {
			Name    string   `yaml:"name"`
			Image   string   `yaml:"image"`
			Command []string `yaml:"command"`
			Env     []struct {
				Name  string `yaml:"name"`
				Value string `yaml:"value"`
			} `yaml:"env"`
			SecurityContext struct {
				RunAsUser                int                 `yaml:"runAsUser"`
				Capabilities             map[string][]string `yaml:"capabilities"`
				AllowPrivilegeEscalation *bool               `yaml:"allowPrivilegeEscalation"`
				ReadOnlyRootFilesystem   bool                `yaml:"readOnlyRootFilesystem"`
				SeccompProfile           map[string]string   `yaml:"seccompProfile"`
				AppArmorProfile          map[string]string   `yaml:"appArmorProfile"`
			} `yaml:"securityContext"`
			ReadinessProbe podProbe `yaml:"readinessProbe"`
			LivenessProbe  podProbe `yaml:"livenessProbe"`
			VolumeMounts   []struct {
				Name      string `yaml:"name"`
				MountPath string `yaml:"mountPath"`
				ReadOnly  bool   `yaml:"readOnly"`
			} `yaml:"volumeMounts"`
		} `yaml:"containers"`
		Volumes []map[string]any `yaml:"volumes"`
	} `yaml:"spec"`
}

type podProbe struct {
	HTTPGet struct {
		Path        string              `yaml:"path"`
		Port        int                 `yaml:"port"`
		Scheme      string              `yaml:"scheme"`
		HTTPHeaders []map[string]string `yaml:"httpHeaders"`
	} `yaml:"httpGet"`
}

// The pod in docs/operations.md has settings that serve knows and could start with, room where it writes, and probes that it answers.
func TestOperationsShowAPod(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(page, []byte("```yaml\napiVersion:"))
	example, _, found := bytes.Cut(rest, []byte("```"))
	if !found {
		t.Fatal("there is no pod")
	}
	var pod podFile
	decoder := yaml.NewDecoder(bytes.NewReader(append([]byte("apiVersion:"), example...)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&pod); err != nil {
		t.Fatal(err)
	}
	checkPatience(t, fmt.Sprintf("%ds", pod.Spec.TerminationGracePeriodSeconds))
	container := pod.Spec.Containers[0]
	serve := parsed(t, container.Command[1:])
	given, environ := map[string]string{}, []string{}
	for _, v := range container.Env {
		given[v.Name], environ = v.Value, append(environ, v.Name+"="+v.Value)
	}
	if strange := config.Strange(environ, settingsOf(serve), nil); len(strange) > 0 {
		t.Error(strange)
	}
	if _, err := config.Apply(serve.Flags(), func(name string) string { return given[name] }, nil); err != nil {
		t.Error(err)
	}
	// What gVisor needs, and no more: the others' boxes need a privileged container.
	if driver, isolation := flagOf(t, serve, "driver"), flagOf(t, serve, "isolation"); driver != "oci" || isolation != "gvisor" {
		t.Errorf("the driver is %s, the isolation %s", driver, isolation)
	}
	rights := container.SecurityContext
	if may := rights.AllowPrivilegeEscalation; rights.RunAsUser != 0 || may == nil || *may || !rights.ReadOnlyRootFilesystem ||
		!slices.Equal(rights.Capabilities["drop"], []string{"ALL"}) || !slices.Equal(rights.Capabilities["add"], []string{"SETUID", "SETGID", "DAC_OVERRIDE"}) {
		t.Errorf("%+v", rights)
	}
	if err := controller.CheckListenAddress(flagOf(t, serve, "listen"), controller.Exposure{Keys: true, TLS: true}); err != nil {
		t.Error(err)
	}
	var mounted []string
	for _, m := range container.VolumeMounts {
		if !slices.ContainsFunc(pod.Spec.Volumes, func(v map[string]any) bool { return v["name"] == m.Name }) {
			t.Errorf("no volume %s", m.Name)
		}
		mounted = append(mounted, m.MountPath)
	}
	for _, setting := range []string{"state-dir", "data-dir", "tls-cert", "tls-key"} {
		if value := flagOf(t, serve, setting); !slices.Contains(mounted, path.Dir(value)) {
			t.Errorf("%s is %s, in no volume", setting, value)
		}
	}
	for _, probe := range []podProbe{container.ReadinessProbe, container.LivenessProbe} {
		get := probe.HTTPGet
		if !strings.HasSuffix(flagOf(t, serve, "listen"), fmt.Sprintf(":%d", get.Port)) || get.Scheme != "HTTPS" ||
			!strings.Contains(flagOf(t, serve, "allow-host"), get.HTTPHeaders[0]["value"]) {
			t.Errorf("nobody answers %s on %d by %v", get.Path, get.Port, get.HTTPHeaders)
		}
	}
}

// The example in docs/operations.md has every setting of serve's but one that it cannot know, and serve could start with it.
func TestOperationsShowEverySetting(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(page, []byte("```yaml\n"))
	example, _, found := bytes.Cut(rest, []byte("```"))
	if !found {
		t.Fatal("there is no example")
	}
	var f serveFlags
	cmd := &cobra.Command{Use: "serve"}
	f.register(cmd.Flags())
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	config.Mark(cmd.Flags(), names...)
	withSettings(t, cmd, "docs/operations.md", example)
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		// Which runtimes there are is the machine's.
		if key, _ := config.Key(flag); !flag.Changed && key != "runtime" {
			t.Errorf("the example has no %s", key)
		}
		byDefault := !bytes.Contains(lineOf(example, flag.Name), []byte("by default"))
		if ofMachine := []string{"runtime", "concurrency", "queue", "pool", "warm-cpus", "agent-model", "agent-base-url", "tls-key"}; byDefault &&
			!slices.Contains(ofMachine, flag.Name) && flag.Value.String() != flag.DefValue {
			t.Errorf("%s is %s in the example, and by default %s", flag.Name, flag.Value, flag.DefValue)
		}
	})
	if err := f.check(cmd.Flags()); err != nil {
		t.Error(err)
	}
}

// lineOf returns the line of a key.
func lineOf(file []byte, key string) []byte {
	for line := range bytes.Lines(file) {
		if bytes.HasPrefix(line, []byte(key+":")) {
			return line
		}
	}
	return nil
}

// docs/operations.md says how long a good end may take.
func TestOperationsTellTheEnd(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	for _, want := range []string{
		fmt.Sprintf("have %.0f s to end.", drainLimit.Seconds()),
		fmt.Sprintf("has %.0f s for its answer", controllerCleanup.Seconds()),
		fmt.Sprintf("%.0f s more at most.", closeLimit.Seconds()),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/operations.md does not say: %s", want)
		}
	}
}
