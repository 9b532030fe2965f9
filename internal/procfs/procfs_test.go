package procfs

import (
	"os"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"glovebox/internal/protocol"
)

func TestParseMountsReadOnly(t *testing.T) {
	for _, test := range []struct {
		name, mountinfo string
		want            string // what is told to be writable, of all that is mounted
	}{
		{"a read-only bind of a writable file system (runc)",
			"60 59 254:0 /rootfs / ro,nosuid,relatime shared:1 - ext4 /dev/vda rw\n61 60 0:5 / /proc rw - proc proc rw\n", "/proc"},
		{"gVisor's form", "7 6 0:20 / / ro - 9p none rw\n", ""},
		{"a read-only file system", "7 6 0:20 / / rw - overlay overlay ro,lowerdir=/a\n", ""},
		{"a writable root", "7 6 0:20 / / rw - overlay overlay rw\n", "/"},
		{"an option that only begins alike", "7 6 0:20 / / rw,root - ext4 /dev/vda rw,root\n", "/"},
		{"nothing", "", ""},
		{"a line that is cut short", "7 6 0:20 / /\n", ""},
	} {
		var writable string
		for _, m := range ParseMounts(test.mountinfo) {
			if m.Writable() {
				writable += m.Point
			}
		}
		if writable != test.want {
			t.Errorf("%s: %q, not %q", test.name, writable, test.want)
		}
	}
}

func TestParseMounts(t *testing.T) {
	got := ParseMounts(`9 8 0:1 / /a\040b rw,nosuid,nodev,noexec,relatime master:3 - tmpfs tmpfs rw,size=4k` + "\n")
	want := []protocol.Mount{{Point: "/a b", Type: "tmpfs", Root: "/", Options: []string{"rw", "nosuid", "nodev", "noexec"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestParseStatus(t *testing.T) {
	got, err := ParseStatus([]byte("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nCapInh:\t01\nCapPrm:\t02\nCapEff:\t03\nCapBnd:\t04\n" +
		"CapAmb:\t1f\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n"))
	want := Status{UIDs: []int{1, 2, 3, 4}, GIDs: []int{5, 6, 7, 8}, Groups: []int{9, 10}, NoNewPrivs: true, Seccomp: 2, SeccompFilters: 3,
		CapInh: 1, CapPrm: 2, CapEff: 3, CapBnd: 4, CapAmb: 0x1f}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ParseStatus([]byte("Seccomp:\t0\n")); err != nil || got.SeccompFilters != -1 {
		t.Errorf("a kernel that counts no filters: %+v, %v", got, err)
	}
	if _, err := ParseStatus([]byte("CapEff:\tnone\n")); err == nil {
		t.Error("capabilities that are no number")
	}
}

// What is read of this very process agrees with what the kernel tells it by system calls.
func TestReadSelf(t *testing.T) {
	p, err := Read(Self)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Status.UIDs) != 4 || p.Status.UIDs[1] != os.Geteuid() || p.Status.GIDs[0] != os.Getgid() {
		t.Errorf("ids %v, %v", p.Status.UIDs, p.Status.GIDs)
	}
	for _, known := range Rlimits {
		var l unix.Rlimit
		if err := unix.Prlimit(0, known.Resource, nil, &l); err != nil {
			t.Fatal(err)
		}
		want := protocol.Rlimit{Type: known.Name, Soft: l.Cur, Hard: l.Max}
		if !slices.Contains(p.Rlimits, want) {
			t.Errorf("%+v is not among %+v", want, p.Rlimits)
		}
	}
	for _, name := range NamespaceFiles {
		var s unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+name, &s); err != nil || p.Namespaces[name] != s.Ino {
			t.Errorf("namespace %s: %d, not %d, %v", name, p.Namespaces[name], s.Ino, err)
		}
	}
	if len(p.UIDMap) == 0 || len(p.GIDMap) == 0 || len(p.Mounts) == 0 {
		t.Errorf("%+v", p)
	}
	if _, err := Read(Dir(0)); err == nil {
		t.Error("a process that is not there was read")
	}
}

func TestParseLimitsRefuses(t *testing.T) {
	if _, err := ParseLimits("Max open files            many                 16                   files     \n"); err == nil {
		t.Error("a limit that is no number")
	}
}
