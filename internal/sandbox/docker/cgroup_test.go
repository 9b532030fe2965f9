package docker

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/cgroup"
)

const mountinfo = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
34 30 0:30 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
35 30 0:31 / /sys/fs/cgroup/a\040b rw,relatime - cgroup2 cgroup2 rw
36 30 0:27 / /mnt/again rw,relatime - cgroup cgroup rw,memory
37 30 0:32 /docker/abc /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
nonsense
`

func TestHierarchies(t *testing.T) {
	all, err := hierarchies(strings.NewReader(mountinfo))
	if err != nil {
		t.Fatal(err)
	}
	var mounts []string
	for _, h := range all {
		mounts = append(mounts, h.mount)
	}
	want := []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/a b"}
	if !slices.Equal(mounts, want) {
		t.Errorf("got %q, want %q", mounts, want)
	}
	v1, v2 := &cgroupFS{all: all}, &cgroupFS{all: all, v2: true}
	for controller, want := range map[string]string{"memory": want[0], "cpuacct": want[1], "pids": want[2]} {
		if got, err := v1.mount(controller); got != want || err != nil {
			t.Errorf("v1 %s: %q, %v", controller, got, err)
		}
		if got, err := v2.mount(controller); got != "/sys/fs/cgroup/a b" || err != nil {
			t.Errorf("v2 %s: %q, %v", controller, got, err)
		}
	}
	if _, err := v1.mount("freezer"); err == nil {
		t.Error("a part of a tree is taken for the whole")
	}
}

func TestFindCgroup(t *testing.T) {
	const lines = "9:name=systemd:/s\n4:memory:/a/b:c\n2:cpu,cpuacct:/cpu\n0::/two\n"
	for _, c := range []struct {
		controller string
		v2         bool
		want       string
	}{{"memory", false, "/a/b:c"}, {"cpuacct", false, "/cpu"}, {"memory", true, "/two"}} {
		if got, err := cgroup.Find(lines, c.controller, c.v2); got != c.want || err != nil {
			t.Errorf("%s: %q, %v", c.controller, got, err)
		}
	}
	if got, err := cgroup.Find(lines, "pids", false); err == nil {
		t.Errorf("pids: %q", got)
	}
}

func FuzzHierarchies(f *testing.F) {
	f.Add(mountinfo)
	f.Add("1 2 0:1 / /x\\040 - cgroup x rw\n")
	f.Fuzz(func(t *testing.T, in string) {
		all, _ := hierarchies(strings.NewReader(in))
		for _, h := range all {
			if h.v2 && h.controllers != nil {
				t.Error("a v2 tree with controllers of v1")
			}
		}
	})
}

// tree makes a directory look like a cgroup tree.
func tree(t *testing.T, v2 bool, files map[string]string) *cgroupFS {
	t.Helper()
	root := t.TempDir()
	fsys := &cgroupFS{v2: v2}
	if v2 {
		fsys.all = []hierarchy{{mount: root, v2: true}}
	}
	for name, body := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		if controller, _, _ := strings.Cut(name, "/"); !v2 && !slices.ContainsFunc(fsys.all, func(h hierarchy) bool { return h.mount == filepath.Join(root, controller) }) {
			fsys.all = append(fsys.all, hierarchy{mount: filepath.Join(root, controller), controllers: []string{controller}})
		}
	}
	return fsys
}

func TestUsage(t *testing.T) {
	v1 := map[string]string{
		"cpuacct/box/cpuacct.usage": "1500000000\n", "memory/box/memory.max_usage_in_bytes": "4096\n",
		"memory/box/memory.failcnt": "3\n", "memory/box/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
	}
	v2 := map[string]string{
		"box/cpu.stat": "usage_usec 1500000\nuser_usec 1\n", "box/memory.peak": "4096\n",
		"box/memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n",
	}
	want := sandbox.Usage{CPU: 1500 * time.Millisecond, PeakMemoryBytes: 4096, OOMKilled: true, MemoryAtLimit: true}
	if got, err := tree(t, false, v1).group("/box").Usage(); got != want || err != nil {
		t.Errorf("v1: %+v, %v", got, err)
	}
	if got, err := tree(t, true, v2).group("/box").Usage(); got != want || err != nil {
		t.Errorf("v2: %+v, %v", got, err)
	}
	// What is in use stands for a peak that an old kernel does not keep.
	delete(v2, "box/memory.peak")
	v2["box/memory.current"] = "4095\n"
	if got, err := tree(t, true, v2).group("/box").Usage(); got.PeakMemoryBytes != 4095 || err != nil {
		t.Errorf("v2 without a peak: %+v, %v", got, err)
	}
	// What cannot be read is no zero in silence.
	delete(v1, "memory/box/memory.failcnt")
	if got, err := tree(t, false, v1).group("/box").Usage(); err == nil {
		t.Errorf("a missing counter: %+v", got)
	}
}

func TestLimitsOf(t *testing.T) {
	box := func(string) (string, error) { return "/box", nil }
	v1 := map[string]string{
		"memory/box/memory.limit_in_bytes": "1048576\n", "memory/box/memory.memsw.limit_in_bytes": "1052672\n",
		"pids/box/pids.max": "64\n", "cpu/box/cpu.cfs_quota_us": "50000\n", "cpu/box/cpu.cfs_period_us": "100000\n",
	}
	v2 := map[string]string{"box/memory.max": "1048576\n", "box/memory.swap.max": "4096\n", "box/pids.max": "64\n", "box/cpu.max": "50000 100000\n"}
	want := leafLimits{memory: 1 << 20, swap: 4096, pids: 64, cpus: 0.5}
	if got, err := tree(t, false, v1).limitsOf(box); got != want || err != nil {
		t.Errorf("v1: %+v, %v", got, err)
	}
	if got, err := tree(t, true, v2).limitsOf(box); got != want || err != nil {
		t.Errorf("v2: %+v, %v", got, err)
	}
	delete(v1, "memory/box/memory.memsw.limit_in_bytes")
	if got, err := tree(t, false, v1).limitsOf(box); got.swap != -1 || err != nil {
		t.Errorf("v1 without accounting of swap: %+v, %v", got, err)
	}
	delete(v2, "box/memory.swap.max")
	if got, err := tree(t, true, v2).limitsOf(box); got.swap != -1 || err != nil {
		t.Errorf("v2 without accounting of swap: %+v, %v", got, err)
	}
	v2["box/memory.max"], v2["box/pids.max"], v2["box/cpu.max"] = "max\n", "max\n", "max 100000\n"
	if got, err := tree(t, true, v2).limitsOf(box); err == nil {
		t.Errorf("no limit is read as %+v", got)
	}
}

// A runtime that drops a limit is found out, whatever it drops.
func TestCheckCgroupFindsEachLimitThatIsNotInForce(t *testing.T) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{}
	for _, controller := range []string{"memory", "pids", "cpu"} {
		if in[controller], err = cgroup.Find(string(own), controller, false); err != nil {
			t.Skip("needs cgroup v1: ", err)
		}
	}
	good := map[string]string{
		"memory/memory.limit_in_bytes": "201326592", "memory/memory.memsw.limit_in_bytes": "201326592",
		"pids/pids.max": "64", "cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000",
	}
	check := func(change, to string) error {
		files := map[string]string{}
		for name, body := range good {
			if name == change {
				body = to
			}
			controller, file, _ := strings.Cut(name, "/")
			files[filepath.Join(controller, in[controller], file)] = body
		}
		return judge(inForce(tree(t, false, files), os.Getpid(), ""))
	}
	if err := check("", ""); err != nil {
		t.Errorf("with every limit in force: %v", err)
	}
	for name, bad := range map[string]string{
		"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.memsw.limit_in_bytes": "201330688",
		"pids/pids.max": "max", "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "50000",
	} {
		if err := check(name, bad); err == nil {
			t.Errorf("%s of %s passes", name, bad)
		}
	}
	files := map[string]string{}
	for name, body := range good {
		controller, file, _ := strings.Cut(name, "/")
		files[filepath.Join(controller, in[controller], file)] = body
	}
	if err := judge(inForce(tree(t, false, files), os.Getpid(), "/elsewhere")); err == nil {
		t.Error("a process outside the cgroup that we watch passes")
	}
}

// judge compares limits with those of the tests' Spec.
func judge(got *sandbox.Cgroup, err error) error {
	if err != nil {
		return err
	}
	return sandbox.Compare(got.Checks(testSpec("runc").Overhead, testLimits()))
}

// needCgroups skips the test where we may not make cgroups.
func needCgroups(t *testing.T) *cgroupFS {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root may make a cgroup")
	}
	for _, version := range []string{"1", "2"} {
		if fsys, err := readCgroupFS(version); err == nil {
			if !fsys.v2 || exists(filepath.Join(fsys.all[0].mount, "memory.stat")) {
				return fsys
			}
		}
	}
	t.Skip("needs cgroups with a memory controller")
	return nil
}

func TestHoldKillsAndOutlives(t *testing.T) {
	fsys := needCgroups(t)
	path := holdPath("7e57" + "00" + strings.Repeat("0", 8))
	h, err := newHold(fsys, path, 64<<20)
	if err != nil {
		t.Skip("needs a cgroup of our own: ", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := fsys.remove(ctx, path); err != nil {
			t.Error(err)
		}
		if err := h.release(); err != nil {
			t.Error(err)
		}
		for _, tree := range fsys.all {
			if dir := filepath.Join(tree.mount, path); exists(dir) {
				t.Errorf("%s is left behind", dir)
			}
		}
	}()
	mount, err := fsys.mount("memory")
	if err != nil {
		t.Fatal(err)
	}
	leaf := filepath.Join(mount, path, "leaf")
	if err := os.Mkdir(leaf, 0o755); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	bystander := exec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = bystander.Process.Kill(), bystander.Wait() }()
	if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(itoa(child.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	// A pid that has been given to another process, out of the cgroup, is left alone.
	if err := fsys.killIn(bystander.Process.Pid, path); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := fsys.killAll(path); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 100*time.Millisecond {
		t.Errorf("the kill took %v", took)
	}
	_ = child.Wait()
	if state := child.ProcessState.String(); state != "signal: killed" {
		t.Errorf("the process ended by %q", state)
	}
	if alive, err := openPidfd(bystander.Process.Pid); err != nil || alive.ended() {
		t.Errorf("a process elsewhere was killed too (%v)", err)
	} else {
		alive.close()
	}
	if err := os.Remove(leaf); err != nil {
		t.Fatal(err)
	}
	if usage, err := h.usage(); err != nil || usage.OOMKilled || usage.PeakMemoryBytes <= 0 {
		t.Errorf("after its death: %+v, %v", usage, err)
	}
	if err := fsys.killAll(path); err != nil {
		t.Errorf("killing nobody: %v", err)
	}
}

func TestCheckInspect(t *testing.T) {
	p, err := translate(testSpec("runc"), testLimits(), testInfo(), testImage, testBox())
	if err != nil {
		t.Fatal(err)
	}
	if err := sandbox.Compare(checkInspect(p, inspected(p))); err != nil {
		t.Errorf("what was asked for: %v", err)
	}
	// Every setting that seals is looked at: each, in turn, is something else.
	skip := []string{"ContainerIDFile", "PortBindings", "RestartPolicy", "VolumeDriver", "ConsoleSize", "Annotations", "DNS", "DNSOptions", "DNSSearch",
		"ExtraHosts", "Cgroup", "Links", "OomScoreAdj", "PublishAllPorts", "StorageOpt", "ShmSize", "Isolation", "Resources", "Umask"}
	host := reflect.TypeOf(*p.options.HostConfig)
	for i := range host.NumField() {
		name := host.Field(i).Name
		if slices.Contains(skip, name) {
			continue
		}
		got := inspected(p)
		spoil(t, reflect.ValueOf(got.HostConfig).Elem().Field(i))
		if err := sandbox.Compare(checkInspect(p, got)); err == nil {
			t.Errorf("%s of another value passes", name)
		}
	}
	for _, name := range []string{"Memory", "MemorySwap", "NanoCPUs", "PidsLimit", "Ulimits", "CgroupParent", "Devices", "DeviceRequests"} {
		got := inspected(p)
		spoil(t, reflect.ValueOf(got.HostConfig).Elem().FieldByName("Resources").FieldByName(name))
		if err := sandbox.Compare(checkInspect(p, got)); err == nil {
			t.Errorf("%s of another value passes", name)
		}
	}
	for _, name := range []string{"Hostname", "User", "Tty", "Cmd", "Entrypoint", "NetworkDisabled"} {
		got := inspected(p)
		spoil(t, reflect.ValueOf(got.Config).Elem().FieldByName(name))
		if err := sandbox.Compare(checkInspect(p, got)); err == nil {
			t.Errorf("%s of another value passes", name)
		}
	}
}
