package docker

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeDocker is a docker command whose daemon knows these runtimes; with "" no daemon answers.
func fakeDocker(t *testing.T, dir, runtimes string) {
	t.Helper()
	script := "#!/bin/sh\nexit 1\n"
	if runtimes != "" {
		script = "#!/bin/sh\ncase $1 in info) printf '" + runtimes + "';; version) echo 20.10;; esac\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// setup runs scripts/docker-setup.sh where the fake is the only docker. It never may install anything here.
func setup(t *testing.T, runtimes string, args ...string) (status int, said string) {
	t.Helper()
	dir := t.TempDir()
	fakeDocker(t, dir, runtimes)
	if err := os.WriteFile(filepath.Join(dir, "runsc"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "$DIR", dir)
	}
	script := filepath.Join("..", "..", "..", "scripts", "docker-setup.sh")
	cmd := exec.Command("bash", append([]string{script, "--dir", filepath.Join(dir, "state")}, args...)...)
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skip("needs bash: ", err)
	}
	if exists(filepath.Join(dir, "state")) {
		t.Error("it made something unasked")
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func TestDockerSetupOnlySaysWhatToType(t *testing.T) {
	for name, c := range map[string]struct {
		runtimes string
		args     []string
		status   int
		says     []string // nothing: it is quiet
	}{
		"nothing to do":          {`runc=runc\n`, nil, 0, nil},
		"every runtime is there": {`runc=runc\nrunsc=/bin/sh\n`, []string{"--runsc", "$DIR/runsc"}, 0, nil},
		"no daemon":              {"", nil, 3, []string{"no Docker daemon answers", "SETUP_DOCKER=1"}},
		"no daemon, and a runtime to register": {"", []string{"--runsc", "$DIR/runsc"}, 3,
			[]string{"SETUP_DOCKER=1", "--runsc"}},
		"a daemon of somebody else's": {`runc=runc\n`, []string{"--runsc", "$DIR/runsc"}, 3,
			[]string{"/etc/docker/daemon.json", `"runsc"`, `"--oci-seccomp", "--directfs=false"]`, "kill -HUP"}},
		"a runtime that is not there": {`runc=runc\n`, []string{"--runsc", "$DIR/none"}, 1, []string{"not an executable file"}},
		"a wrong argument":            {`runc=runc\n`, []string{"--what"}, 2, []string{"--what"}},
		"an argument without a value": {`runc=runc\n`, []string{"--runsc"}, 2, []string{"--runsc takes a value"}},
		"no daemon of ours to stop":   {`runc=runc\n`, []string{"--stop"}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			status, said := setup(t, c.runtimes, c.args...)
			if status != c.status {
				t.Errorf("exit status %d, want %d: %s", status, c.status, said)
			}
			if c.says == nil && said != "" {
				t.Errorf("it is not quiet: %s", said)
			}
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q: %s", want, said)
				}
			}
		})
	}
}
