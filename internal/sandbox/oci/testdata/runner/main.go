// As in the real runner: the sealed process is killed for the prctl by which Go names its memory.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0

// Command runner is a runner for this package's tests: it seals itself and speaks the protocol as the real
// one does, and its "code" is the name of something to do.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/api"
	"glovebox/image/seal"
	"glovebox/internal/protocol"
)

func main() {
	seen := look()
	report, err := seal.Seal()
	if err != nil {
		fmt.Fprintln(os.Stderr, "seal:", err)
		os.Exit(70)
	}
	send(protocol.Frame{Type: protocol.FrameReady, Ready: &report})
	job, err := protocol.ReadJob(os.Stdin)
	if err != nil {
		os.Exit(71)
	}
	output, err := do(job.Code, seen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	body, _ := json.Marshal(output)
	send(protocol.Frame{Type: protocol.FrameResult, Result: &protocol.Result{Code: api.Success, Output: body}})
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func send(f protocol.Frame) {
	if err := protocol.WriteMessage(os.Stdout, f); err != nil {
		os.Exit(73)
	}
}

// Seen is what the box shows to whoever is in it.
type Seen struct {
	Root, Dev, Proc []string
	UIDMap          string
	Mounts          []string
	Umask           string
	OOMScoreAdj     string
	Limits          string
	Cgroup          string
	Args            []string
	Namespaces      map[string]string
	// The errors, or the beginning of what they hold.
	DevNull, Kcore, KeyUsers string
}

// look uses raw system calls: package os would open the Go runtime's epoll, which the seal takes for a
// leaked descriptor.
func look() Seen {
	s := Seen{Args: os.Args, Namespaces: map[string]string{}}
	s.Root, s.Dev, s.Proc = names("/"), names("/dev"), names("/proc")
	s.UIDMap = text("/proc/self/uid_map")
	s.Mounts = strings.Split(text("/proc/self/mountinfo"), "\n")
	_, s.Umask, _ = strings.Cut(text("/proc/self/status"), "Umask:\t")
	s.Umask, _, _ = strings.Cut(s.Umask, "\n")
	s.OOMScoreAdj = text("/proc/self/oom_score_adj")
	s.Limits = text("/proc/self/limits")
	s.Cgroup = text("/proc/self/cgroup")
	s.DevNull = text("/dev/null")
	s.Kcore = text("/proc/kcore")
	s.KeyUsers = text("/proc/key-users")
	for _, ns := range []string{"pid", "net", "ipc", "uts", "mnt", "cgroup", "user"} {
		target := make([]byte, 64)
		if n, err := unix.Readlink("/proc/self/ns/"+ns, target); err == nil {
			s.Namespaces[ns] = string(target[:n])
		}
	}
	return s
}

func names(dir string) []string {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = unix.Close(fd) }()
	list := []string{}
	buffer := make([]byte, 16<<10)
	for {
		n, err := unix.Getdents(fd, buffer)
		if err != nil || n <= 0 {
			slices.Sort(list)
			return list
		}
		_, _, list = unix.ParseDirent(buffer[:n], -1, list)
	}
}

func text(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = unix.Close(fd) }()
	buffer := make([]byte, 16<<10)
	n, err := unix.Read(fd, buffer)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(buffer[:n]))
}

func do(code string, seen Seen) (any, error) {
	switch code {
	case "look":
		return seen, nil
	case "spin":
		for {
		}
	case "sleep":
		time.Sleep(time.Hour)
	case "eat":
		var kept [][]byte
		for {
			block := make([]byte, 8<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			kept = append(kept, block)
		}
	case "forbidden": // the profile kills for it
		_, _, err := unix.Syscall(unix.SYS_PTRACE, 0, 0, 0)
		return nil, err
	case "die":
		return nil, fmt.Errorf("told to die")
	}
	return "done", nil
}
