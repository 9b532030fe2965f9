package oci

import (
	"slices"
	"strings"
	"testing"
)

const (
	mountsV2 = `24 30 0:22 / /proc rw,nosuid - proc proc rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
`
	mountsV1 = `31 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
32 23 0:27 / /sys/fs/cgroup/my\040memory rw - cgroup cgroup rw,memory
33 23 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
34 23 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
`
	mountsUnified = `36 23 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
)

func TestParseHierarchies(t *testing.T) {
	for _, c := range []struct {
		name, mounts string
		v2           bool
		unified      string
		memory, cpu  string
		all          int
		fault        string // part of what check says
	}{
		{"v2", mountsV2, true, "/sys/fs/cgroup", "", "", 1, ""},
		{"v1", mountsV1, false, "", "/sys/fs/cgroup/my memory", "/sys/fs/cgroup/cpu,cpuacct", 4, ""},
		{"hybrid", mountsV1 + mountsUnified, false, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/my memory",
			"/sys/fs/cgroup/cpu,cpuacct", 5, ""},
		{"hybrid, mounted twice", mountsV1 + mountsUnified + mountsV1, false, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/my memory",
			"/sys/fs/cgroup/cpu,cpuacct", 5, ""},
		{"v1 without pids", strings.ReplaceAll(mountsV1, "rw,pids", "rw,freezer"), false, "", "/sys/fs/cgroup/my memory",
			"/sys/fs/cgroup/cpu,cpuacct", 4, "mount -t cgroup -o pids"},
		{"none", "24 30 0:22 / /proc rw,nosuid - proc proc rw\n", true, "", "", "", 0, "mount -t cgroup2"},
		{"garbage", "x\n - - \n1 2 3 - cgroup\n", true, "", "", "", 0, "no cgroup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := parseHierarchies(strings.NewReader(c.mounts))
			if err != nil {
				t.Fatal(err)
			}
			if h.isV2() != c.v2 || h.unified != c.unified || h.v1["memory"] != c.memory || h.v1["cpu"] != c.cpu || len(h.all) != c.all {
				t.Errorf("%+v", h)
			}
			if slices.Contains(h.all, "") {
				t.Error("a mount point without a path")
			}
			if err := h.check(); (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("check says %v, want %q", err, c.fault)
			}
		})
	}
}
