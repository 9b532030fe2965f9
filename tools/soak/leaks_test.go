package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// A server was said to leak that had not yet taken leave of clients which had just gone.
func TestALeakIsWhatStays(t *testing.T) {
	const base = 50
	var goroutines atomic.Int64
	goroutines.Store(base)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			_, _ = fmt.Fprint(w, `{"runs":[]}`)
			return
		}
		_, _ = fmt.Fprintf(w, "glovebox_executions_in_flight 0\nglovebox_boxes 0\n%s 0\ngo_goroutines %d\n", pendingDeliveries, goroutines.Load())
		if n := goroutines.Load(); n > base { // they go, one by one
			goroutines.Add(-1)
		}
	}))
	defer web.Close()
	s := &server{options: options{concurrency: 1}, address: strings.TrimPrefix(web.URL, "http://"), cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
	watch := leakWatch{load: newLoad(s, []string{"key"}, "key")}
	for _, more := range []int64{0, 150} {
		goroutines.Store(base + more)
		r := &round{}
		if err := watch.look(t.Context(), r, os.Getpid()); err != nil || len(watch.leaks) > 0 {
			t.Fatalf("%v, %q", err, watch.leaks)
		}
		if r.goroutines > base+moreGoroutines {
			t.Errorf("%d goroutines at rest", r.goroutines)
		}
	}
}
