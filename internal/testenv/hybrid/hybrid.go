// Package hybrid lets crun be tested where it would refuse to work: on a host whose cgroups are of version 1 while an
// otherwise empty version 2 beside them holds a controller that nobody mounted.
package hybrid

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// controllersOfV2 is the one place where crun looks.
const controllersOfV2 = "/sys/fs/cgroup/unified/cgroup.controllers"

// Yield has version 1 hold, as long as this process lives, the controllers that version 2 of a hybrid host holds. On
// another host, and without root, it does nothing. It fails where version 2 has a controller in use. It is safe for
// concurrent use, and does its work once.
//
// Nothing is mounted anywhere. What holds a controller is a file descriptor of this process, which no child inherits:
// when the process ends, however it does, the kernel gives the controller back. Boxes do not use such a controller.
var Yield = sync.OnceValue(yield)

func yield() error {
	if _, err := os.Stat(controllersOfV2); err != nil || os.Geteuid() != 0 {
		return nil
	}
	// In this order: what another test's process gives back in between is seen twice, and not missed.
	held, err := heldByV1()
	if err != nil {
		return err
	}
	free, err := os.ReadFile(controllersOfV2)
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(free)) {
		if !slices.Contains(held, name) {
			held = append(held, name)
		}
	}
	for _, controllers := range held {
		if err := holdSoon(controllers); err != nil {
			return fmt.Errorf("version 1 of cgroups cannot take %s from version 2: %w", controllers, err)
		}
	}
	return nil
}

// givenBack is far longer than the kernel takes to give back what another test's process held: until then it says that
// the controller is busy.
const givenBack = 10 * time.Second

func holdSoon(controllers string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(givenBack); ; <-tick.C {
		if err := hold(controllers); !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

// hold makes a hierarchy of version 1, or finds the one that another test's process holds.
func hold(controllers string) error {
	fd, err := unix.Fsopen("cgroup", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("fsopen: %w", err)
	}
	for name := range strings.SplitSeq(controllers, ",") {
		if err == nil {
			err = unix.FsconfigSetFlag(fd, name)
		}
	}
	if err == nil {
		err = unix.FsconfigCreate(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("fsconfig: %w", err)
	}
	return nil // the descriptor stays open
}

// heldByV1 returns the hierarchies of version 1 that are mounted nowhere: other tests' processes hold them.
func heldByV1() ([]string, error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return unmounted(string(groups), string(mounts)), nil
}

// unmounted reads the forms of /proc/PID/cgroup and /proc/PID/mountinfo.
func unmounted(groups, mounts string) (controllers []string) {
	var options []string // of every mounted hierarchy
	for line := range strings.Lines(mounts) {
		_, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(after); len(fields) == 3 && fields[0] == "cgroup" {
			options = append(options, strings.Split(fields[2], ",")...)
		}
	}
	for line := range strings.Lines(groups) {
		// number:controllers:path; version 2 has no controllers, and a named hierarchy has name=NAME
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 || fields[1] == "" || strings.Contains(fields[1], "=") {
			continue
		}
		if first, _, _ := strings.Cut(fields[1], ","); !slices.Contains(options, first) {
			controllers = append(controllers, fields[1])
		}
	}
	return controllers
}
