//go:build linux

package trial

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func init() {
	socket := func(what string, family, kind, protocol int) func(*T) {
		return func(t *T) {
			t.call("socket "+what, closeFD, unix.SYS_SOCKET, uintptr(family), uintptr(kind|unix.SOCK_CLOEXEC), uintptr(protocol))
		}
	}
	register(map[string]func(*T){
		"net.socket-inet":    socket("AF_INET", unix.AF_INET, unix.SOCK_STREAM, 0),
		"net.socket-inet6":   socket("AF_INET6", unix.AF_INET6, unix.SOCK_DGRAM, 0),
		"net.socket-unix":    socket("AF_UNIX", unix.AF_UNIX, unix.SOCK_STREAM, 0),
		"net.socket-netlink": socket("AF_NETLINK", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE),
		"net.socket-packet":  socket("AF_PACKET", unix.AF_PACKET, unix.SOCK_RAW, 0),
		"net.socket-raw":     socket("AF_INET, raw", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		"net.socket-vsock":   socket("AF_VSOCK", unix.AF_VSOCK, unix.SOCK_STREAM, 0),
		"net.socket-alg":     socket("AF_ALG", unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
		"net.socket-families": func(t *T) {
			// One attempt: which of all families the kernel would give a socket of.
			t.try("sockets of families 0 to 45", func() (string, error) {
				var got []string
				var last error
				for family := range 46 {
					for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET} {
						fd, err := newSocket(family, kind)
						if err != nil {
							if last == nil || !errors.Is(err, unix.EAFNOSUPPORT) {
								last = err
							}
							continue
						}
						_ = unix.Close(fd)
						got = append(got, strconv.Itoa(family))
						break
					}
				}
				if len(got) == 0 {
					return "", last
				}
				return "families " + strings.Join(got, " "), nil
			})
		},
		"net.socketpair": func(t *T) {
			t.try("socketpair", func() (string, error) {
				pair := new([2]int32)
				_, errno := raw(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0, pointer(pair))
				if errno != 0 {
					return "", errno
				}
				closeBoth([2]int{int(pair[0]), int(pair[1])})
				return "a pair", nil
			})
		},
		"net.metadata-address": func(t *T) { t.connect(unix.AF_INET, &unix.SockaddrInet4{Port: 80, Addr: metadata4}) },
		"net.metadata-address6": func(t *T) {
			t.connect(unix.AF_INET6, &unix.SockaddrInet6{Port: 80, Addr: metadata6})
		},
		"net.host-loopback": func(t *T) {
			port, _ := strconv.Atoi(t.trial.Args["port"])
			t.connect(unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
		},
		"net.docker-socket": func(t *T) {
			for _, path := range []string{"/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"} {
				t.try("look at "+path, func() (string, error) {
					var s unix.Stat_t
					err := unix.Stat(path, &s)
					return fmt.Sprintf("mode %o", s.Mode), err
				})
			}
			t.connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: "/var/run/docker.sock"})
		},
		"net.abstract-socket": func(t *T) { t.connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: "@" + t.trial.Args["name"]}) },
		"net.interfaces": func(t *T) {
			t.try("interfaces other than lo", func() (string, error) {
				table, err := readFile("/proc/self/net/dev")
				if err != nil {
					return "", err
				}
				var found []string
				for line := range strings.Lines(table) {
					if name, _, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) != "lo" {
						found = append(found, strings.TrimSpace(name))
					}
				}
				if found == nil {
					return "", absent("nothing but lo")
				}
				return strings.Join(found, " "), nil
			})
		},
		"net.routes":      func(t *T) { t.rows("/proc/self/net/route", 1) },
		"net.connections": func(t *T) { t.rows("/proc/self/net/tcp", 1) },
		"net.unix-names":  func(t *T) { t.rows("/proc/self/net/unix", 1) },
		"net.inherited-socket": func(t *T) {
			t.try("a socket among the descriptors", func() (string, error) {
				for fd := range 64 {
					var s unix.Stat_t
					err := unix.Fstat(fd, &s)
					if err == unix.ENOSYS || err == unix.EPERM {
						return "", err
					}
					if err == nil && s.Mode&unix.S_IFMT == unix.S_IFSOCK {
						return fmt.Sprintf("descriptor %d", fd), nil
					}
				}
				return "", absent("none")
			})
		},
	})
}

// newSocket is by a call that the Go runtime knows may not return, as package unix's own is not: a filter may kill the
// thread for it.
func newSocket(family, kind int) (int, error) {
	fd, errno := raw(unix.SYS_SOCKET, uintptr(family), uintptr(kind|unix.SOCK_CLOEXEC), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// connect makes a socket and connects it.
func (t *T) connect(family int, to unix.Sockaddr) {
	t.try("connect", func() (string, error) {
		fd, err := newSocket(family, unix.SOCK_STREAM)
		if err != nil {
			return "", err
		}
		defer func() { _ = unix.Close(fd) }()
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: 500_000}); err != nil {
			return "", err
		}
		return "connected", unix.Connect(fd, to)
	})
}

// rows finds rows in a table of /proc beyond its heading.
func (t *T) rows(path string, heading int) {
	t.try("rows of "+path, func() (string, error) {
		table, err := readFile(path)
		if err != nil {
			return "", err
		}
		if n := strings.Count(table, "\n") - heading; n > 0 {
			return count(n, "row"), nil
		}
		return "", absent("no row")
	})
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// readFile returns the beginning of a file.
func readFile(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	buffer := make([]byte, 64<<10)
	n, err := unix.Read(fd, buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}

// names lists a directory.
func names(dir string) ([]string, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer func() { _ = f.Close() }()
	return f.Readdirnames(-1)
}
