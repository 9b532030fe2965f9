package hybrid

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestUnmounted(t *testing.T) {
	const mounts = `31 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
32 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
36 23 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,hugetlb
37 23 0:32 / /proc rw - proc proc rw
`
	const groups = `16:hugetlb,misc:/
9:name=systemd:/
4:memory:/a:b
2:cpu,cpuacct:/
1:rdma:/
0::/
`
	if got, want := unmounted(groups, mounts), []string{"hugetlb,misc", "rdma"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, garbage := range []string{"", "\n", "x", "1:2", " - ", "::"} {
		if got := unmounted(garbage, garbage); len(got) != 0 {
			t.Errorf("of %q: %q", garbage, got)
		}
	}
}

func TestYield(t *testing.T) {
	before, err := os.ReadFile(controllersOfV2)
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root, and a host with a hybrid of both versions of cgroups")
	}
	for range 2 { // as the tests of two packages do
		if err := yield(); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile(controllersOfV2); err != nil || strings.TrimSpace(string(now)) != "" {
		t.Errorf("version 2 held %q, and holds %q, %v", before, now, err)
	}
}
