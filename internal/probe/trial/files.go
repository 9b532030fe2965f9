//go:build linux

package trial

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	create := func(dirs ...string) func(*T) {
		return func(t *T) {
			for _, dir := range dirs {
				t.create(dir)
			}
		}
	}
	write := func(paths ...string) func(*T) {
		return func(t *T) {
			for _, path := range paths {
				t.openToWrite(path)
			}
		}
	}
	read := func(paths ...string) func(*T) {
		return func(t *T) {
			for _, path := range paths {
				t.read(path)
			}
		}
	}
	register(map[string]func(*T){
		"files.write-root":   create("/"),
		"files.write-temp":   create("/tmp", "/var/tmp", "/run"),
		"files.write-shm":    create("/dev/shm", "/dev/mqueue", "/dev"),
		"files.write-proc":   create("/proc"),
		"files.write-runner": write("/runner", "/proc/self/exe"),
		"files.proc-sys": write("/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/vm/drop_caches",
			"/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/modprobe", "/proc/sys/fs/binfmt_misc/register"),
		"files.core-pattern":  write("/proc/sys/kernel/core_pattern"),
		"files.sysrq-trigger": write("/proc/sysrq-trigger"),
		"files.release-agent": func(t *T) {
			for _, path := range []string{"/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/rdma/release_agent"} {
				t.openToWrite(path)
			}
		},
		"files.cgroup": func(t *T) {
			for _, path := range []string{"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
				"/sys/fs/cgroup/memory/cgroup.procs"} {
				t.openToWrite(path)
			}
		},
		"files.oom-score": func(t *T) {
			t.try("write a lower oom_score_adj", func() (string, error) {
				fd, err := unix.Open("/proc/self/oom_score_adj", unix.O_WRONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					return "", err
				}
				defer func() { _ = unix.Close(fd) }()
				_, err = unix.Write(fd, []byte("-1000"))
				return "written", err
			})
		},
		"files.host-files": func(t *T) {
			t.try("read the host's name in /etc/hostname", func() (string, error) {
				body, err := readFile("/etc/hostname")
				if err != nil {
					return "", err
				}
				if name := strings.TrimSpace(body); name != t.trial.Args["host"] {
					return "", absent("it holds %q", name) // the box's own, as Docker has it
				}
				return body, nil
			})
			read("/etc/passwd", "/etc/shadow", "/root", "/home", "/var/lib/docker", "/usr/bin/env", "/bin/sh")(t)
		},
		"files.proc-root": func(t *T) { t.procRoots() },
		"files.kcore":     read("/proc/kcore"),
		"files.proc-kernel": read("/proc/kallsyms", "/proc/modules", "/proc/iomem", "/proc/slabinfo", "/proc/timer_list",
			"/proc/sched_debug", "/proc/vmallocinfo", "/proc/kpageflags", "/proc/config.gz"),
		"files.proc-keys": read("/proc/keys", "/proc/key-users"),
		"files.sys":       read("/sys", "/sys/kernel", "/sys/fs/cgroup", "/sys/firmware", "/sys/class/net"),
		"files.devices": func(t *T) {
			for _, path := range []string{"/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/nvme0n1",
				"/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/vhost-net", "/dev/userfaultfd", "/dev/loop-control"} {
				t.read(path)
			}
		},
		"files.mknod": func(t *T) {
			path := text("/glovebox-probe-node")
			t.call("mknod of a device", func(uintptr) { _ = unix.Unlink("/glovebox-probe-node") },
				unix.SYS_MKNODAT, atCWD, pointer(path), unix.S_IFCHR|0o600, uintptr(unix.Mkdev(1, 3)))
		},
		"files.mount": func(t *T) {
			t.try("mount of a tmpfs", func() (string, error) {
				err := unix.Mount("tmpfs", "/proc", "tmpfs", 0, "")
				if err == nil {
					_ = unix.Unmount("/proc", unix.MNT_DETACH)
				}
				return "mounted", err
			})
		},
		"files.remount": func(t *T) {
			t.try("remount of / to be written to", func() (string, error) {
				return "remounted", unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "")
			})
		},
		"files.unmount": func(t *T) {
			t.try("umount of what masks /proc/keys", func() (string, error) { return "unmounted", unix.Unmount("/proc/keys", unix.MNT_DETACH) })
		},
		"files.new-mount-api": func(t *T) {
			kind := text("tmpfs")
			t.call("fsopen", closeFD, unix.SYS_FSOPEN, pointer(kind), 0)
		},
		"files.open-tree": func(t *T) {
			root := text("/")
			t.call("open_tree, a copy", closeFD, unix.SYS_OPEN_TREE, atCWD, pointer(root), unix.OPEN_TREE_CLONE)
		},
		"files.move-mount": func(t *T) {
			t.try("move_mount", func() (string, error) {
				_, errno := raw(unix.SYS_MOVE_MOUNT, bad, pointer(text("none")), bad, pointer(text("none")), 0)
				if errno == unix.EBADF || errno == unix.ENOENT {
					return "past the check of privileges, and missed its mount", nil
				}
				return "moved", orNil(errno)
			})
		},
		"files.mount-setattr": func(t *T) {
			attr := &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
			t.call("mount_setattr", nil, unix.SYS_MOUNT_SETATTR, atCWD, pointer(text("/")), 0, pointer(attr), unsafe.Sizeof(*attr))
		},
		"files.pivot-root": func(t *T) {
			// On the same place twice: where it is allowed it fails with EBUSY or EINVAL, and changes nothing.
			t.try("pivot_root", func() (string, error) {
				err := unix.PivotRoot("/proc", "/proc")
				if err == unix.EINVAL || err == unix.EBUSY {
					return "past the check of privileges: " + err.Error(), nil
				}
				return "pivoted", err
			})
		},
		"files.chroot": func(t *T) {
			t.try("chroot", func() (string, error) { return "changed", unix.Chroot("/") })
		},
		"files.by-handle": func(t *T) {
			t.try("open_by_handle_at", func() (string, error) {
				handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/", 0)
				if err != nil {
					return "", err
				}
				root, err := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					return "", err
				}
				defer func() { _ = unix.Close(root) }()
				fd, err := unix.OpenByHandleAt(root, handle, unix.O_RDONLY)
				if err == nil {
					_ = unix.Close(fd)
				}
				return "opened", err
			})
		},
		"files.openat2-escape": func(t *T) {
			t.try("openat2 above the root", func() (string, error) {
				fd, err := unix.Openat2(unix.AT_FDCWD, "/../../../../etc/passwd", &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC})
				if err == nil {
					_ = unix.Close(fd)
				}
				return "opened", err
			})
		},
		"files.leaked-descriptors": func(t *T) {
			for fd := 3; fd < 12; fd++ {
				t.try(fmt.Sprintf("above descriptor %d", fd), func() (string, error) {
					path := "../../../../../../etc/passwd"
					if given := t.trial.Args["leak"]; given != "" {
						path = given
					}
					up, err := unix.Openat(fd, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
					if err == nil {
						_ = unix.Close(up)
					}
					return "opened a file of the host's", err
				})
			}
		},
		"files.other-box": func(t *T) {
			t.try("a mark of the neighbour's in any file", func() (string, error) {
				mark := []byte(t.trial.Args["mark"])
				dirs := []string{"/", "/proc/1", "/proc/self", "/dev", "/dev/shm", "/tmp", "/run"}
				read := 0
				for _, dir := range dirs {
					list, err := names(dir)
					if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
						return "", err
					}
					for _, name := range list {
						body, err := readFile(dir + "/" + name)
						if err == nil {
							read++
						}
						if len(mark) > 0 && bytes.Contains([]byte(body), mark) {
							return "in " + dir + "/" + name, nil
						}
					}
				}
				return "", absent("not in %s", count(read, "file"))
			})
		},
	})
}

var atCWD = func() uintptr { cwd := unix.AT_FDCWD; return uintptr(cwd) }()

// create makes a file in a directory, and removes it.
func (t *T) create(dir string) {
	t.try("create in "+dir, func() (string, error) {
		path := strings.TrimSuffix(dir, "/") + "/glovebox-probe"
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return "", err
		}
		_, _ = unix.Close(fd), unix.Unlink(path)
		return "created", nil
	})
}

// openToWrite opens a file to write, and writes nothing. What masks a file is /dev/null, which keeps nothing.
func (t *T) openToWrite(path string) {
	t.try("open to write "+path, func() (string, error) {
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", err
		}
		defer func() { _ = unix.Close(fd) }()
		if isNull(fd) {
			return "", contained("/dev/null masks it")
		}
		return "opened", nil
	})
}

func isNull(fd int) bool {
	var s unix.Stat_t
	return unix.Fstat(fd, &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFCHR && s.Rdev == unix.Mkdev(1, 3)
}

// read reads a byte of a file, or lists a directory. Nothing to be read is as good as no file.
func (t *T) read(path string) {
	t.try("read "+path, func() (string, error) {
		if list, err := names(path); err == nil {
			if len(list) == 0 {
				return "", absent("an empty directory")
			}
			return count(len(list), "entry"), nil
		}
		body, err := readFile(path)
		if err != nil {
			return "", err
		}
		if body == "" {
			return "", absent("an empty file")
		}
		first, _, _ := strings.Cut(body, "\n")
		return fmt.Sprintf("%s: %q", count(len(body), "byte"), first[:min(len(first), 60)]), nil
	})
}

// procRoots goes by way of other processes' roots.
func (t *T) procRoots() {
	for _, path := range []string{"/proc/1/root/etc/passwd", "/proc/self/root/etc/passwd", "/proc/1/cwd/../etc/passwd", "/proc/2/root/etc/passwd"} {
		t.read(path)
	}
}
