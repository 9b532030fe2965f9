//go:build linux

package trial

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"glovebox/internal/probe/plan"
)

// StandIn plays the host for controls, in namespaces that were made for it: it is the first process of its pid
// namespace, and root of its user namespace alone. It listens where probes connect to, holds what they look for, and
// has a process that they may attack. It says "ready" and the number of that process when all is there, and ends when its standard input does.
func StandIn() error {
	var victim int
	steps := []struct {
		what string
		do   func() error
	}{
		{"parent death", func() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) }},
		{"mounts", standInMounts},
		{"host name", func() error { return unix.Sethostname([]byte(plan.StandInName)) }},
		{"addresses", standInAddresses},
		{"listener on 127.0.0.1", func() error {
			return listen(unix.AF_INET, &unix.SockaddrInet4{Port: plan.StandInPort, Addr: [4]byte{127, 0, 0, 1}})
		}},
		{"listener on the metadata address", func() error { return listen(unix.AF_INET, &unix.SockaddrInet4{Port: 80, Addr: metadata4}) }},
		{"abstract socket", func() error { return listen(unix.AF_UNIX, &unix.SockaddrUnix{Name: "@" + plan.StandInSocket}) }},
		{"shared memory", func() error { _, errno := raw(unix.SYS_SHMGET, shmKey, 4096, 0o1666); return orNil(errno) }},
		{"victim", func() (err error) { victim, err = startVictim(); return err }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("stand-in host: %s: %w", s.what, err)
		}
	}
	// Not every kernel has IPv6.
	if err := listen(unix.AF_INET6, &unix.SockaddrInet6{Port: 80, Addr: metadata6}); err != nil {
		fmt.Fprintln(os.Stderr, "stand-in host: IPv6:", err)
	}
	if _, err := fmt.Println("ready", victim); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// Victim is a process of the stand-in host's to be attacked. It waits until it is killed.
func Victim() error {
	for {
		if err := unix.Pause(); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

var (
	metadata4 = [4]byte{169, 254, 169, 254}
	metadata6 = [16]byte{0xfd, 0, 0x0e, 0xc2, 14: 2, 15: 0x54}
)

const shmKey = 0x676c6f76

func orNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// standInMounts mounts /proc anew, for the pid namespace, on a mount namespace from which nothing goes back.
func standInMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// standInAddresses gives the loopback the addresses of clouds' metadata services, and sets it up.
func standInAddresses() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := setUp(fd, "lo"); err != nil {
		return err
	}
	// An interface that is not the loopback, with a route: a bridge without ports.
	const addBridge = 0x89a0 // SIOCBRADDBR
	if _, errno := raw(unix.SYS_IOCTL, uintptr(fd), addBridge, pointer(text("eth0"))); errno != 0 {
		return fmt.Errorf("a bridge: %w", errno)
	}
	if err := errors.Join(setAddress(fd, "eth0", [4]byte{10, 255, 0, 1}), setUp(fd, "eth0"), setAddress(fd, "lo:1", metadata4)); err != nil {
		return err
	}
	six, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(six) }()
	request := &struct {
		address [16]byte
		prefix  uint32
		index   int32
	}{metadata6, 128, 1}
	if _, errno := raw(unix.SYS_IOCTL, uintptr(six), unix.SIOCSIFADDR, pointer(request)); errno != 0 && errno != unix.EACCES && errno != unix.EOPNOTSUPP {
		return errno
	}
	return nil
}

func setAddress(fd int, name string, address [4]byte) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := request.SetInet4Addr(address[:]); err != nil {
		return err
	}
	_, errno := raw(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(request)))
	return orNil(errno)
}

func setUp(fd int, name string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	_, errno := raw(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(request)))
	return orNil(errno)
}

// listen keeps a socket open for as long as the process lives.
func listen(family int, on unix.Sockaddr) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, on); err != nil {
		return err
	}
	return unix.Listen(fd, 8)
}

// startVictim starts a process whose user is the one that root of a box is, in the host's count, once the box has lost
// its layer of ids.
func startVictim() (pid int, err error) {
	// Its number is one that no box has for a thread of its own.
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte("30000"), 0); err != nil {
		return 0, err
	}
	return syscall.ForkExec("/proc/self/exe", []string{"/proc/self/exe", "victim"}, &syscall.ProcAttr{
		Env: []string{"SECRET=of-the-stand-in-host"}, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: plan.VictimUID, Gid: plan.VictimUID}, Pdeathsig: syscall.SIGKILL},
	})
}
