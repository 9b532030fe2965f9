package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
)

// What a daemon is costs it two processes to tell (it asks its runc and its init for their versions), and
// us a third for a runtime's: a tenth of a second of every cold start. A memo keeps it for the next
// process, as long as nothing has happened that could change it.
type memo struct {
	Key      string            `json:"key"` // of the daemon, see daemonKey
	At       time.Time         `json:"at"`
	Info     Info              `json:"info"`
	Versions map[string]string `json:"versions"` // of runtimes, by the stamp of their binaries
}

// memoAge bounds how long a memo is believed: a daemon may reread a configuration that its command
// line does not name.
const memoAge = time.Minute

const memoFile = "docker.json"

// knowDaemon returns what the daemon is and what version its runtime has, from the memo where that
// still holds. Only a local daemon, whose every restart can be seen, is remembered.
func knowDaemon(ctx context.Context, c *client.Client, state *sandbox.State, runtime string) (info Info, name, version string, err error) {
	key, known := daemonKey(c.DaemonHost())
	m := memo{Key: key, At: time.Now()}
	changed := true
	if old, ok := readMemo(state); ok && known && old.Key == key && old.fresh() && old.has(runtime) {
		m, changed = old, false
	} else if m.Info, err = probe(ctx, c); err != nil {
		return Info{}, "", "", err
	}
	if runtime == "" {
		runtime = m.Info.BestRuntime()
	}
	stamp, found := m.Info.runtimeStamp(runtime)
	version, ok := m.Versions[stamp]
	if !ok {
		version = m.Info.RuntimeVersion(ctx, runtime)
		if found {
			m.Versions, changed = map[string]string{stamp: version}, true
		}
	}
	if known && changed {
		writeWhole(state, memoFile, m)
	}
	return m.Info, runtime, version, nil
}

// fresh distrusts the future too: the clock may have been set back.
func (m memo) fresh() bool {
	age := time.Since(m.At)
	return age >= 0 && age < memoAge
}

// has reports whether the memo can answer for the runtime; "" is whichever is best.
func (m memo) has(runtime string) bool {
	_, ok := m.Info.Runtime(runtime)
	return ok || runtime == ""
}

// daemonKey names one start of a local daemon with one configuration; ok is false where another could
// go by the same name.
func daemonKey(host string) (key string, ok bool) {
	pid, err := socketOwner(host)
	if err != nil || pid <= 0 {
		return "", false
	}
	// A socket of systemd's outlives the daemons behind it.
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(comm)) != "dockerd" {
		return "", false
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return "", false
	}
	socket, err := stamp(strings.TrimPrefix(host, "unix://"))
	if err != nil {
		return "", false
	}
	configuration, err := stamp(configFile(strings.Split(string(cmdline), "\x00")))
	if err != nil {
		configuration = "none"
	}
	return fmt.Sprintf("%s %d %s %s", host, pid, socket, configuration), true
}

// configFile finds the daemon's configuration in its command line.
func configFile(args []string) string {
	for i, arg := range args {
		if path, ok := strings.CutPrefix(arg, "--config-file="); ok {
			return path
		}
		if arg == "--config-file" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return "/etc/docker/daemon.json"
}

// stamp names a file in its present state.
func stamp(path string) (string, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%d:%d:%d:%d.%09d", path, s.Dev, s.Ino, s.Size, s.Ctim.Sec, s.Ctim.Nsec), nil
}

// runtimeStamp names the binary of a local daemon's runtime in its present state.
func (i Info) runtimeStamp(name string) (string, bool) {
	r, ok := i.Runtime(name)
	if !ok || !i.Local || r.Path == "" {
		return "", false
	}
	path, err := exec.LookPath(r.Path)
	if err != nil {
		return "", false
	}
	s, err := stamp(path)
	return s, err == nil
}

// readMemo takes a memo that cannot be read for none.
func readMemo(state *sandbox.State) (m memo, ok bool) {
	body, err := os.ReadFile(state.Path(memoFile))
	if err != nil || json.Unmarshal(body, &m) != nil {
		return memo{}, false
	}
	return m, true
}

// writeWhole puts a file of JSON in place whole. Where it cannot, the next process finds out anew what it tells.
func writeWhole(state *sandbox.State, name string, content any) {
	body, err := json.Marshal(content)
	if err != nil {
		return
	}
	temp, err := os.CreateTemp(state.Path(), name+".")
	if err != nil {
		return
	}
	_, err = temp.Write(body)
	if closeErr := temp.Close(); err != nil || closeErr != nil || os.Rename(temp.Name(), state.Path(name)) != nil {
		_ = os.Remove(temp.Name())
	}
}
