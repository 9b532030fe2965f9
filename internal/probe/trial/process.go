//go:build linux

package trial

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func init() {
	register(map[string]func(*T){
		"process.clone-process": func(t *T) {
			t.try("clone of a process", func() (string, error) { return answer(forking(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0)) })
		},
		"process.clone-namespace": func(t *T) {
			t.try("clone into a user namespace", func() (string, error) {
				return answer(forking(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD), 0, 0, 0, 0))
			})
		},
		"process.clone3": func(t *T) {
			args := &[11]uint64{4: uint64(unix.SIGCHLD)}
			t.try("clone3 of a process", func() (string, error) { return answer(forking(unix.SYS_CLONE3, pointer(args), 88, 0, 0, 0)) })
		},
		"process.execve": func(t *T) {
			// It has succeeded where it would start a program: a path without one shows that it got as far.
			t.try("execve of what is not there", func() (string, error) {
				_, errno := raw(unix.SYS_EXECVE, pointer(text("/glovebox-probe-none")), 0, 0)
				if errno == unix.ENOENT {
					return "made: no such file", nil
				}
				return "", errno
			})
		},
		"process.execveat": func(t *T) {
			t.try("execveat of what is not there", func() (string, error) {
				_, errno := raw(unix.SYS_EXECVEAT, atCWD, pointer(text("/glovebox-probe-none")), 0, 0, 0)
				if errno == unix.ENOENT {
					return "made: no such file", nil
				}
				return "", errno
			})
		},
		"process.memfd": func(t *T) {
			t.call("memfd_create", closeFD, unix.SYS_MEMFD_CREATE, pointer(text("probe")), unix.MFD_CLOEXEC)
		},
		"process.executable-memory": func(t *T) {
			t.try("mmap of memory to execute", func() (string, error) {
				got, errno := raw(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, bad, 0)
				if errno != 0 {
					return "", errno
				}
				_, _ = raw(unix.SYS_MUNMAP, got, 4096)
				return "mapped", nil
			})
			t.try("mprotect to execute", func() (string, error) {
				got, errno := raw(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, bad, 0)
				if errno != 0 {
					return "", errno
				}
				defer func() { _, _ = raw(unix.SYS_MUNMAP, got, 4096) }()
				_, errno = raw(unix.SYS_MPROTECT, got, 4096, unix.PROT_READ|unix.PROT_EXEC)
				if errno != 0 {
					return "", errno
				}
				return "changed", nil
			})
		},
		"process.unshare-user": func(t *T) {
			t.try("unshare of a user namespace", func() (string, error) {
				_, errno := raw(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
				if errno == unix.EINVAL {
					return "made: only for a process with several threads it comes to nothing", nil
				}
				return "left", orNil(errno)
			})
		},
		"process.unshare-mount": func(t *T) { t.call("unshare of a mount namespace", nil, unix.SYS_UNSHARE, unix.CLONE_NEWNS) },
		"process.setns": func(t *T) {
			t.try("setns", func() (string, error) {
				_, errno := raw(unix.SYS_SETNS, bad, 0)
				if errno == unix.EBADF {
					return "made, and missed its descriptor", nil
				}
				return "", errno
			})
		},
		"process.ptrace": func(t *T) {
			t.call("ptrace", func(uintptr) { _, _ = raw(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(t.victim())) },
				unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(t.victim()))
		},
		"process.memory": func(t *T) {
			t.try("process_vm_readv", func() (string, error) {
				var word [8]byte
				here := unix.Iovec{Base: &word[0], Len: 8}
				there := []unix.RemoteIovec{{Base: pointer(&[8]byte{1}), Len: 8}}
				n, err := unix.ProcessVMReadv(t.victim(), []unix.Iovec{here}, there, 0)
				if err == unix.EFAULT {
					return "past the check of privileges", nil
				}
				return count(n, "byte"), err
			})
			t.try("open of its memory", func() (string, error) {
				path := fmt.Sprintf("/proc/%d/mem", t.victim())
				fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
				if err == nil {
					_ = unix.Close(fd)
					if t.victim() == os.Getpid() {
						return "", contained("its own")
					}
				}
				return "opened " + path, err
			})
		},
		"process.pidfd": func(t *T) {
			t.call("pidfd_open", closeFD, unix.SYS_PIDFD_OPEN, uintptr(os.Getpid()), 0)
		},
		"process.pidfd-getfd": func(t *T) {
			t.try("pidfd_getfd", func() (string, error) {
				_, errno := raw(unix.SYS_PIDFD_GETFD, bad, 0, 0)
				if errno == unix.EBADF {
					return "made, and missed its descriptor", nil
				}
				return "", errno
			})
		},
		"process.pidfd-signal": func(t *T) {
			t.try("pidfd_send_signal", func() (string, error) {
				_, errno := raw(unix.SYS_PIDFD_SEND_SIGNAL, bad, 0, 0, 0)
				if errno == unix.EBADF {
					return "made, and missed its descriptor", nil
				}
				return "", errno
			})
		},
		"process.kcmp": func(t *T) {
			t.call("kcmp", nil, unix.SYS_KCMP, uintptr(t.victim()), uintptr(t.victim()), 1, 0, 0)
		},
		"process.signal-others": func(t *T) {
			// Signal 0 only asks. The filter lets tgkill through, for the Go scheduler: it is the pid namespace that leaves
			// nobody to name.
			t.try("tgkill to every process but our own", func() (string, error) {
				own := os.Getpid()
				var last error = unix.ESRCH
				for pid := 1; pid <= 33_000; pid++ {
					if pid == own {
						continue
					}
					err := unix.Tgkill(pid, pid, 0)
					if err == nil {
						return fmt.Sprintf("process %d", pid), nil
					}
					if err != unix.ESRCH {
						last = err
					}
					if err == unix.ENOSYS {
						break
					}
				}
				return "", last
			})
			t.try("kill of every process, signal 0", func() (string, error) {
				// In a pid namespace of its own there is nobody but the caller, who does not count.
				_, errno := raw(unix.SYS_KILL, bad, 0)
				if errno != 0 {
					return "", errno
				}
				return "somebody is there", nil
			})
		},
		"process.see-others": func(t *T) {
			t.try("other processes in /proc", func() (string, error) {
				list, err := names("/proc")
				if err != nil {
					return "", err
				}
				var others []string
				for _, name := range list {
					if pid, err := strconv.Atoi(name); err == nil && pid != os.Getpid() {
						others = append(others, name)
					}
				}
				if others == nil {
					return "", absent("none but our own")
				}
				return "processes " + strings.Join(others, " "), nil
			})
		},
		"process.environment-of-others": func(t *T) {
			t.try("environments in /proc", func() (string, error) {
				list, err := names("/proc")
				if err != nil {
					return "", err
				}
				var last error = absent("no other process")
				for _, name := range list {
					pid, err := strconv.Atoi(name)
					if err != nil || pid == os.Getpid() {
						continue
					}
					body, err := readFile("/proc/" + name + "/environ")
					if err == nil && body != "" {
						return "of process " + name, nil
					}
					last = err
				}
				return "", last
			})
		},
		"process.setuid":    func(t *T) { t.call("setuid 0", nil, unix.SYS_SETUID, 0) },
		"process.setgid":    func(t *T) { t.call("setgid 0", nil, unix.SYS_SETGID, 0) },
		"process.setgroups": func(t *T) { t.call("setgroups, none", nil, unix.SYS_SETGROUPS, 0, 0) },
		"process.capset": func(t *T) {
			header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			all := &[2]unix.CapUserData{{Effective: 1, Permitted: 1}}
			t.call("capset, to have CAP_CHOWN", nil, unix.SYS_CAPSET, pointer(header), pointer(all))
		},
		"process.capabilities": func(t *T) {
			t.try("capabilities in its status", func() (string, error) {
				status, err := readFile("/proc/self/status")
				if err != nil {
					return "", err
				}
				for line := range strings.Lines(status) {
					if strings.HasPrefix(line, "Cap") && strings.Trim(line[strings.IndexByte(line, ':')+1:], "\t 0\n") != "" {
						return strings.TrimSpace(line), nil
					}
				}
				return "", absent("every set is empty")
			})
		},
		"process.ambient-capability": func(t *T) {
			t.call("prctl, an ambient capability", nil, unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_CHOWN, 0, 0)
		},
		"process.gain-privileges": func(t *T) {
			t.try("no_new_privs is not set", func() (string, error) {
				got, errno := raw(unix.SYS_PRCTL, unix.PR_GET_NO_NEW_PRIVS)
				if errno != 0 {
					return "", errno
				}
				if got == 1 {
					return "", contained("no_new_privs is set")
				}
				return "it is not", nil
			})
		},
		"process.root": func(t *T) {
			t.try("its user is root", func() (string, error) {
				uid, errno := raw(unix.SYS_GETUID)
				if errno != 0 {
					return "", errno
				}
				if uid != 0 {
					return "", contained("it is %d", uid)
				}
				return "it is", nil
			})
		},
		"process.priority": func(t *T) {
			t.call("setpriority -20", nil, unix.SYS_SETPRIORITY, 0, 0, ^uintptr(19))
		},
		"process.real-time": func(t *T) {
			param := &[2]int32{1}
			t.call("sched_setscheduler, FIFO", func(uintptr) {
				_, _ = raw(unix.SYS_SCHED_SETSCHEDULER, 0, 0, pointer(&[2]int32{}))
			}, unix.SYS_SCHED_SETSCHEDULER, 0, 1 /* SCHED_FIFO */, pointer(param))
		},
		"process.descriptors": func(t *T) {
			t.try("descriptors beyond the standard ones and the Go runtime's", func() (string, error) {
				list, err := names("/proc/self/fd")
				if err != nil {
					return "", err
				}
				var foreign []string
				for _, name := range list {
					if fd, _ := strconv.Atoi(name); fd <= 2 {
						continue
					}
					target, err := os.Readlink("/proc/self/fd/" + name)
					if err != nil || strings.HasPrefix(target, "anon_inode:") || strings.HasSuffix(target, "/fd") || strings.HasSuffix(target, "/status") {
						continue
					}
					foreign = append(foreign, target)
				}
				if foreign == nil {
					return "", absent("none")
				}
				return strings.Join(foreign, " "), nil
			})
		},
		"process.own-environment": func(t *T) {
			t.try("variables other than PATH, HOME and HOSTNAME", func() (string, error) {
				var found []string
				for _, pair := range os.Environ() {
					switch name, _, _ := strings.Cut(pair, "="); name {
					case "PATH", "HOME", "HOSTNAME":
					default:
						found = append(found, name)
					}
				}
				if found == nil {
					return "", absent("none")
				}
				return strings.Join(found, " "), nil
			})
		},
	})
}

// victim is the process that is attacked: the one that the audit names, or our own, on which nothing but a filter
// forbids it.
func (t *T) victim() int {
	if pid, err := strconv.Atoi(t.trial.Args["victim"]); err == nil {
		return pid
	}
	return os.Getpid()
}
