package leftbehind

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mountinfo = `31 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
36 23 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,hugetlb
37 23 0:32 / /proc rw - proc proc rw
`

func TestCgroupPoints(t *testing.T) {
	if diff := cmp.Diff([]string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/unified"}, cgroupPoints(mountinfo)); diff != "" {
		t.Error(diff)
	}
}
