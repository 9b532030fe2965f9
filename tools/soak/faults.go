package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // as the server's own
)

// The faults, by their names; calm is none.
const (
	calm        = "calm"
	faultKill   = "kill"
	faultBoxes  = "boxes"
	faultSlow   = "slow"
	faultLeave  = "leave"
	faultLocked = "locked"
	faultTorn   = "torn"
	faultFull   = "full"
	faultClock  = "clock"
	faultDaemon = "daemon"
)

// faults do something to the server while it is asked for scripts, which it is until they return. ctx ends when their time is up; what must be for
// there to have been a fault is waited for beyond that, within startLimit.
var faults = map[string]func(ctx context.Context, l *load) error{
	calm:        func(context.Context, *load) error { return nil },
	faultKill:   killServer,
	faultBoxes:  killBoxes,
	faultSlow:   slowClients,
	faultLeave:  leavingClients,
	faultLocked: lockStore,
	faultTorn:   tearLog,
	faultFull:   fillDisk,
	faultClock:  turnClock,
	faultDaemon: restartDaemon,
}

// within waits for a share of what is left of ctx's time.
func within(ctx context.Context, share float64) {
	deadline, _ := ctx.Deadline()
	select {
	case <-time.After(time.Duration(share * float64(time.Until(deadline)))):
	case <-ctx.Done():
	}
}

// killServer kills the server amid its work, and starts another.
func killServer(ctx context.Context, l *load) error {
	within(ctx, 0.4)
	if _, err := l.server.claims(); err != nil {
		return err
	}
	return l.afterKill(ctx, func() error { return nil })
}

// afterKill kills the server, has something done that it would not stand, and starts another.
func (l *load) afterKill(ctx context.Context, do func() error) error {
	began := time.Now()
	l.server.kill()
	if err := do(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := l.server.start(ctx); err != nil {
		return err
	}
	err := l.server.ready(ctx)
	l.recovered(began)
	return err
}

// recovered notes how long it took since the fault, or its end, until the server worked again.
func (l *load) recovered(since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.round.recovery = time.Since(since)
}

// killBoxes kills a process of some box, again and again, and once at least.
func killBoxes(ctx context.Context, l *load) error {
	err := until(context.WithoutCancel(ctx), startLimit, func(context.Context) (bool, error) { return l.killBox() },
		func() error { return errors.New("no box was found to be killed") })
	const pause = 250 * time.Millisecond
	again := time.NewTicker(pause)
	defer again.Stop()
	killed := 1
	for err == nil {
		select {
		case <-ctx.Done():
			l.tell("%d boxes killed", killed)
			return nil
		case <-again.C:
		}
		var one bool
		if one, err = l.killBox(); one {
			killed++
		}
	}
	return err
}

// killBox kills a process of a box, and reports whether there was one.
func (l *load) killBox() (killed bool, err error) {
	claims, err := l.server.claims()
	if err != nil {
		return false, err
	}
	for _, claim := range claims {
		if pid := processOf(claim.ID); pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
			return true, nil
		}
	}
	return false, nil
}

func (l *load) tell(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.round.told = fmt.Sprintf(format, args...)
}

// processOf finds a process in the cgroup of a box, 0 where there is none.
func processOf(box string) int {
	paths, _ := filepath.Glob("/proc/[0-9]*/cgroup") // the pattern is ours
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(body), "-"+box) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}

// slowClients read a byte of their answers each second.
func slowClients(ctx context.Context, l *load) error {
	const clients = 20
	dialer := &net.Dialer{}
	for i := range clients {
		c, err := dialer.DialContext(context.WithoutCancel(ctx), "tcp", l.server.address)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		body := `{"code":"return 'x'.repeat(1000000)"}`
		if _, err := fmt.Fprintf(c, "POST /v1/executions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			l.server.address, l.keys[i%len(l.keys)], len(body), body); err != nil {
			return err
		}
		go func() {
			in := bufio.NewReaderSize(c, 16)
			for ctx.Err() == nil {
				if _, err := in.ReadByte(); err != nil {
					return
				}
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}()
	}
	l.tell("%d clients", clients)
	<-ctx.Done()
	return nil
}

// leavingClients ask and go before the answer.
func leavingClients(ctx context.Context, l *load) error {
	left := 0
	for ctx.Err() == nil {
		const patience = 30 * time.Millisecond
		leaves, cancel := context.WithTimeout(ctx, patience)
		_, err := l.ask(leaves, "POST", executions.path, l.keys[left%len(l.keys)], `{"code":"for(;;);","timeoutSeconds":5}`, nil)
		cancel()
		if err != nil {
			left++
		}
	}
	l.tell("%d clients left", left)
	return nil
}

// lockStore keeps the database locked for a while, as another process may.
func lockStore(ctx context.Context, l *load) (err error) {
	within(ctx, 0.2)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(l.server.data, "glovebox.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	deadline, _ := ctx.Deadline()
	const most = 3 * time.Second
	hold := min(most, time.Until(deadline))
	if _, err := c.ExecContext(context.WithoutCancel(ctx), "BEGIN IMMEDIATE"); err != nil { // its turn may come late
		return err
	}
	began := time.Now()
	<-time.After(hold)
	_, err = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	l.tell("locked for %v", time.Since(began).Round(time.Millisecond))
	return err
}
