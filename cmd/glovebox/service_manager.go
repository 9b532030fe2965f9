package main

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// envNotifySocket names the variable by which a service manager says that it wants to be told. It stays in our environment, of which runtimes are
// given nothing: runc would have it for the box.
const envNotifySocket = "NOTIFY_SOCKET"

const (
	// startPatience is how long a start may go on after a migration has last been told of: as long as the unit gives to one without.
	startPatience = 90 * time.Second
	// statusEvery is how often it is looked whether scripts can be run.
	statusEvery = 5 * time.Second
	// tellingLimit bounds the wait, at the end, for a service manager that does not read.
	tellingLimit = time.Second
)

// A serviceManager has started the server, and wants to be told how that is doing (sd_notify(3)): systemd, of a unit of Type=notify, or whoever else
// has set $NOTIFY_SOCKET. Where nobody has, nothing is told. The server never waits for it, but for tellingLimit at its end.
type serviceManager struct {
	ctx      context.Context // ends when the server is to
	log      *slog.Logger
	messages chan string // nil where nobody is to be told
	closing  chan struct{}
	sent     chan struct{} // closed when no more is
	stopping func()        // says so once, however often it is called
	forget   func() bool
}

// openServiceManager finds the service manager. It is told that the server stops when ctx ends, or when it is closed.
func openServiceManager(ctx context.Context, log *slog.Logger) *serviceManager {
	m := &serviceManager{ctx: ctx, log: log, closing: make(chan struct{}), sent: make(chan struct{})}
	if os.Getenv(envNotifySocket) == "" {
		close(m.sent)
	} else {
		const room = 64
		m.messages = make(chan string, room)
		go m.send()
	}
	m.stopping = sync.OnceFunc(func() { m.tell(daemon.SdNotifyStopping, statusLine("stopping")) })
	m.forget = context.AfterFunc(ctx, m.stopping)
	return m
}

// send sends what is told, in its order.
func (m *serviceManager) send() {
	defer close(m.sent)
	var failed bool
	send := func(message string) {
		_, err := daemon.SdNotify(false, message)
		if err != nil && !failed {
			m.log.Warn("the service manager cannot be told of the server", "error", err)
		}
		failed = err != nil
	}
	for {
		select {
		case message := <-m.messages:
			send(message)
			continue
		case <-m.closing:
		}
		for {
			select {
			case message := <-m.messages:
				send(message)
			default:
				return
			}
		}
	}
}

// tell has assignments sent as one message; where too many wait already it is dropped.
func (m *serviceManager) tell(assignments ...string) {
	select {
	case m.messages <- strings.Join(assignments, "\n"):
	default:
	}
}

// statusLine is the assignment of a status: one line, however many the text has.
func statusLine(text string) string { return "STATUS=" + strings.Join(strings.Fields(text), " ") }

// starts says what a start takes so long for, and that it goes on.
func (m *serviceManager) starts(doing string) {
	m.tell(statusLine(doing), "EXTEND_TIMEOUT_USEC="+strconv.FormatInt(startPatience.Microseconds(), 10))
}

// A served server is one that listens.
type served struct {
	about string                      // says what it does, in one line
	works func()                      // returns unless the server hangs
	ready func(context.Context) error // reports whether a script that came now could be run
}

// ready says that the server listens, and from then on how it is. That no script can be run, as when Docker's daemon is dead, is told, and is no reason
// to end the server: a next one would find no daemon either, and not start, while this one answers, keeps what it has accepted, and goes on as
// soon as there is one. The watchdog ends a server that hangs itself.
func (m *serviceManager) ready(s served) {
	m.tell(daemon.SdNotifyReady, statusLine(s.about))
	if m.messages == nil {
		return
	}
	go m.tellStatus(s)
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		m.log.Warn("the service manager's watchdog is not told of the server", "error", err)
	}
	if interval > 0 {
		go m.feedWatchdog(interval/2, s.works)
	}
}

// tellStatus says whether scripts can be run, whenever that changes, until the server is to stop.
func (m *serviceManager) tellStatus(s served) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	told := s.about
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.closing:
			return
		case <-tick.C:
		}
		status := s.about
		if err := s.ready(m.ctx); err != nil {
			status = "no script can be run now: " + err.Error()
		}
		if m.ctx.Err() == nil && status != told {
			m.tell(statusLine(status))
			told = status
		}
	}
}

// feedWatchdog says that the server works for as long as it does, also while it stops.
func (m *serviceManager) feedWatchdog(every time.Duration, works func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-m.closing:
			return
		case <-tick.C:
			works()
			m.tell(daemon.SdNotifyWatchdog)
		}
	}
}

// close says that the server stops, unless that has been said.
func (m *serviceManager) close() {
	m.forget()
	m.stopping()
	close(m.closing)
	select {
	case <-m.sent:
	case <-time.After(tellingLimit):
	}
}
