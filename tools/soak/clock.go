package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownClock has the server be a glovebox that was built with a clock which can be turned: the machine's own is everybody's. It is the same
// source, with an hour hand in package time.
func ownClock(ctx context.Context, s *server, say func(string, ...any)) error {
	say("building glovebox with a clock that can be turned (some minutes, at first) ...")
	const now = "sec, nsec, mono := runtimeNow()\n"
	standard := filepath.Join(build.Default.GOROOT, "src", "time")
	clock, err := os.ReadFile(filepath.Join(standard, "time.go"))
	if err != nil {
		return err
	}
	turned := strings.Replace(string(clock), now, now+"\tsec += hand.Load()\n", 1)
	if turned == string(clock) {
		return errors.New("this Go's package time reads its clock in another way: tools/soak/clock.go has to learn it")
	}
	program := filepath.Join(s.dir, "clock")
	if err := os.Mkdir(program, 0o700); err != nil {
		return err
	}
	main, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "glovebox/cmd/glovebox").Output()
	if err != nil {
		return fmt.Errorf("where glovebox's source is: %w", err)
	}
	replace := map[string]string{}
	for path, body := range map[string]string{
		filepath.Join(standard, "time.go"): turned,
		filepath.Join(standard, "hand.go"): "package time\n\nimport \"internal/runtime/atomic\"\n\nvar hand atomic.Int64\n\n" +
			"func TurnHand(seconds int64) { hand.Store(seconds) }\n",
		filepath.Join(string(bytes.TrimSpace(main)), "hand.go"): handSource,
	} {
		file := filepath.Join(program, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			return err
		}
		replace[path] = file
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	list := filepath.Join(program, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return err
	}
	s.program = filepath.Join(program, "glovebox")
	s.env = append(s.env, "SOAK_HAND="+s.hand())
	out, err := exec.CommandContext(ctx, "go", "build", "-overlay", list, "-o", s.program, "glovebox/cmd/glovebox").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build with a clock that can be turned: %w: %s", err, out)
	}
	return nil
}

// handSource turns the hand to where a file says, at each SIGUSR1.
const handSource = `package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func init() {
	turn := make(chan os.Signal, 1)
	signal.Notify(turn, syscall.SIGUSR1)
	go func() {
		for range turn {
			body, _ := os.ReadFile(os.Getenv("SOAK_HAND"))
			seconds, _ := strconv.ParseInt(string(body), 10, 64)
			time.TurnHand(seconds)
			_ = os.Remove(os.Getenv("SOAK_HAND")) // it is done
		}
	}()
}
`

func (s *server) hand() string { return filepath.Join(s.dir, "hand") }

// turn sets the server's clock off from the machine's, and returns when that is done.
func (s *server) turn(ctx context.Context, off time.Duration) error {
	if err := os.WriteFile(s.hand(), strconv.AppendInt(nil, int64(off/time.Second), 10), 0o600); err != nil {
		return err
	}
	if err := s.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	return until(context.WithoutCancel(ctx), startLimit, func(context.Context) (bool, error) {
		_, err := os.Stat(s.hand())
		return errors.Is(err, os.ErrNotExist), nil
	}, func() error { return errors.New("the server's clock is not turned") })
}

// turnClock puts the clock forward, far back, and right again.
func turnClock(ctx context.Context, l *load) error {
	jumps := []time.Duration{2 * time.Hour, -26 * time.Hour, 0}
	for i, off := range jumps {
		within(ctx, 1/float64(len(jumps)+1-i))
		if err := l.server.turn(ctx, off); err != nil {
			return err
		}
	}
	l.tell("2 h forward, 28 h back, right again")
	return l.works(context.WithoutCancel(ctx))
}
