package docker

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Which version of the API is spoken was settled by the first question behind the ping, which came beside another that read it: an old daemon passed
// for a new one, and the race detector stopped a server.
func TestThePingSettlesTheVersion(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_ping" {
			t.Errorf("%s is asked", r.URL.Path)
		}
		w.Header().Set("API-Version", "1.41")
	}))
	defer web.Close()
	t.Setenv("DOCKER_HOST", "tcp://"+strings.TrimPrefix(web.URL, "http://"))
	t.Setenv("DOCKER_API_VERSION", "")
	c, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := ping(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := c.ClientVersion(); got != "1.41" {
		t.Errorf("API %s", got)
	}
}
