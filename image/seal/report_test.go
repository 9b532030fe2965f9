package seal

import "testing"

func TestRootReadOnly(t *testing.T) {
	for _, test := range []struct {
		name, mountinfo string
		want            bool
	}{
		{"a read-only bind of a writable file system (runc)",
			"60 59 254:0 /rootfs / ro,nosuid,relatime shared:1 - ext4 /dev/vda rw\n61 60 0:5 / /proc rw - proc proc rw\n", true},
		{"gVisor's form", "7 6 0:20 / / ro - 9p none rw\n", true},
		{"a read-only file system", "7 6 0:20 / / rw - overlay overlay ro,lowerdir=/a\n", true},
		{"a writable root", "7 6 0:20 / / rw - overlay overlay rw\n", false},
		{"an option that only begins alike", "7 6 0:20 / / rw,root - ext4 /dev/vda rw,root\n", false},
		{"a writable mount over a read-only one", "7 6 0:20 / / ro - ext4 /dev/vda rw\n8 7 0:21 / / rw - tmpfs tmpfs rw\n", false},
		{"another mount is read-only", "7 6 0:20 / / rw - ext4 /dev/vda rw\n8 7 0:21 / /proc ro - proc proc ro\n", false},
		{"nothing", "", false},
		{"a line that is cut short", "7 6 0:20 / /\n", false},
	} {
		if got := rootReadOnly(test.mountinfo); got != test.want {
			t.Errorf("%s: %v, not %v", test.name, got, test.want)
		}
	}
}
