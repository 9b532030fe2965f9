package controller

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

// keyring keeps keys and tenants as a store does.
type keyring struct {
	mu      sync.Mutex
	keys    map[string]tenant.Key
	tenants map[string]tenant.Tenant
	err     error // what every question is answered with
}

func newKeyring(tenants ...string) *keyring {
	k := &keyring{keys: map[string]tenant.Key{}, tenants: map[string]tenant.Tenant{}}
	for _, id := range tenants {
		k.tenants[id] = tenant.Tenant{ID: id}
	}
	return k
}

func (k *keyring) AnyTenant(ctx context.Context) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return len(k.tenants) > 0, k.err
}

func (k *keyring) Key(_ context.Context, id string) (tenant.Key, tenant.Tenant, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[id]
	if k.err != nil || !ok {
		return tenant.Key{}, tenant.Tenant{}, errors.Join(k.err, store.ErrNotFound)
	}
	return key, k.tenants[key.Tenant], nil
}

// change has f alter what is kept.
func (k *keyring) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

// add makes a key, and returns its id and its text.
func (k *keyring) add(t testing.TB, whose string, scopes ...tenant.Scope) (id, text string) {
	t.Helper()
	key, revealed, err := tenant.NewKey(whose, "", scopes, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	k.change(func() { k.keys[key.ID] = key })
	return key.ID, revealed.Reveal()
}

func (k *keyring) option() option { return func(c *Config, _ *bounds) { c.Keys = k } }

func keyed(key string, r *http.Request) *http.Request {
	return with(r, "Authorization", "Bearer "+key)
}

// TestEveryRouteAsksForItsScope asks every route with no key, and with a key of each scope.
func TestEveryRouteAsksForItsScope(t *testing.T) {
	const execute, read, admin = tenant.ScopeExecute, tenant.ScopeRead, tenant.ScopeAdmin
	want := map[string][]tenant.Scope{
		"POST /v1/executions": {execute}, "GET /v1/executions": {read}, "GET /v1/executions/:id": {read}, "GET /v1/executions/:id/events": {read},
		"DELETE /v1/executions/:id": {}, // both are needed
		"GET /v1/actions":           {execute, read, admin}, "GET /v1/actions/:name": {execute, read, admin}, "GET /v1/info": {execute, read, admin},
		"POST /v1/actions/:name/runs": {execute}, "POST /v1/agents/:name/runs": {execute},
		"GET /v1/agents/:name/runs": {read}, "GET /v1/agents/:name/runs/:id": {read}, "GET /v1/agents/:name/runs/:id/events": {read},
		"DELETE /v1/agents/:name/runs/:id": {}, // both are needed
		"POST /mcp":                        {execute}, "GET /mcp": {execute}, "DELETE /mcp": {execute}, "GET /metrics": {admin},
	}
	open := []string{"GET /", "GET /openapi.yaml", "GET /healthz", "GET /readyz"}
	ring := newKeyring("a")
	s := testServer(t, succeeds, ring.option())
	both := []tenant.Scope{execute, read}
	for _, row := range s.table {
		name := row.method + " " + row.path
		scopes, asks := want[name]
		if asks == slices.Contains(open, name) {
			t.Errorf("%s is in none of the lists, or in both", name)
			continue
		}
		methods := []string{row.method}
		if row.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			send := func(key string) answer {
				r := request(method, strings.NewReplacer(":id", "x", ":name", "x").Replace(row.path), strings.NewReader(`{"code":"1"}`))
				r.Header.Set("Content-Type", "application/json")
				if key != "" {
					keyed(key, r)
				}
				return ask(t, s, r)
			}
			if a := send(""); (a.status == http.StatusUnauthorized) != asks {
				t.Errorf("%s without a key: %d", name, a.status)
			}
			for _, scope := range tenant.Scopes() {
				_, key := ring.add(t, "a", scope)
				a := send(key)
				if refused := a.status == http.StatusForbidden; refused != (asks && !slices.Contains(scopes, scope)) || a.status == http.StatusUnauthorized {
					t.Errorf("%s with %s: %d %s", name, scope, a.status, a.body)
				}
				if challenge := a.header.Get("WWW-Authenticate"); (a.status == http.StatusForbidden) != strings.Contains(challenge, `error="insufficient_scope", scope="`) {
					t.Errorf("%s with %s: %d, WWW-Authenticate: %s", name, scope, a.status, challenge)
				}
			}
		}
	}
	_, key := ring.add(t, "a", both...)
	if a := ask(t, s, keyed(key, request(http.MethodDelete, "/v1/executions/x", nil))); a.status != http.StatusNotFound {
		t.Errorf("cancelled with both scopes: %d", a.status)
	}
}

func TestAKeyThatOpensNothing(t *testing.T) {
	ring := newKeyring("a", "b")
	id, key := ring.add(t, "a", tenant.ScopeExecute)
	otherID, other := ring.add(t, "b", tenant.ScopeExecute)
	var log logged
	s := testServer(t, executorFunc(func(ctx context.Context, r api.Request) (api.Result, error) {
		if got, _ := tenant.FromContext(ctx); got.ID != "a" {
			t.Errorf("it is %q's", got.ID)
		}
		if got, _ := tenant.KeyFromContext(ctx); got.ID != id {
			t.Errorf("it is made with the key %q", got.ID)
		}
		return success(r), nil
	}), ring.option(), log.option())
	ask(t, s, keyed(key, post(`{"code":"1"}`))).result(t)
	ask(t, s, with(post(`{"code":"1"}`), "Authorization", "bearer   "+key)).result(t)

	refused := func(name, code string, r *http.Request) {
		t.Helper()
		a := ask(t, s, r)
		p := a.problem(t)
		want := `Bearer realm="glovebox"`
		if code != "" {
			want += `, error="` + code + `"`
		}
		if a.status != http.StatusUnauthorized || p.Type != problemPrefix+"unauthorized" || a.header.Get("WWW-Authenticate") != want {
			t.Errorf("%s: %d, %+v, WWW-Authenticate: %s", name, a.status, p, a.header.Get("WWW-Authenticate"))
		}
	}
	twice := keyed(key, post(`{"code":"1"}`))
	twice.Header.Add("Authorization", "Bearer "+key)
	refused("two of them", "", twice)
	refused("another scheme", "", with(post(`{"code":"1"}`), "Authorization", "Basic "+key))
	refused("no scheme", "", with(post(`{"code":"1"}`), "Authorization", key))
	refused("nothing of it", "", with(post(`{"code":"1"}`), "Authorization", "Bearer "))
	refused("in the query", "", postTo("/v1/executions?access_token="+key, `{"code":"1"}`))
	refused("mistyped", "invalid_token", keyed(key[:len(key)-1], post(`{"code":"1"}`)))
	_, unknown, err := tenant.NewKey("a", "", tenant.Scopes(), time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	refused("unknown", "invalid_token", keyed(unknown.Reveal(), post(`{"code":"1"}`)))
	refused("another's", "invalid_token", func() *http.Request {
		ring.change(func() { // what is kept under one id is another key's
			k := ring.keys[otherID]
			k.Digest[0]++
			ring.keys[otherID] = k
		})
		return keyed(other, post(`{"code":"1"}`))
	}())

	kept := ring.keys[id]
	for name, change := range map[string]func(){
		"revoked":   func() { k := kept; k.RevokedAt = time.Now(); ring.keys[id] = k },
		"expired":   func() { k := kept; k.ExpiresAt = time.Now(); ring.keys[id] = k },
		"gone":      func() { delete(ring.keys, id) },
		"suspended": func() { ring.tenants["a"] = tenant.Tenant{ID: "a", Suspended: true} },
	} {
		ring.change(change)
		refused(name, "invalid_token", keyed(key, post(`{"code":"1"}`)))
		ring.change(func() { ring.keys[id], ring.tenants["a"] = kept, tenant.Tenant{ID: "a"} })
		ask(t, s, keyed(key, post(`{"code":"1"}`))).result(t)
	}
	text := log.String()
	for _, want := range []string{"tenant=a key=" + id, "the key is revoked", "the key has expired", "the tenant is suspended"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if _, secretPart, _ := strings.Cut(strings.TrimPrefix(key, tenant.KeyPrefix), "_"); strings.Contains(text, secretPart) {
		t.Error("the log holds the key")
	}
}

// TestAServerClosesWithItsFirstTenant: it does not open again when the last one goes.
func TestAServerClosesWithItsFirstTenant(t *testing.T) {
	ring := newKeyring()
	s := testServer(t, succeeds, ring.option())
	ask(t, s, post(`{"code":"1"}`)).result(t)
	ring.change(func() { ring.tenants["a"] = tenant.Tenant{ID: "a"} })
	if a := ask(t, s, post(`{"code":"1"}`)); a.status != http.StatusUnauthorized {
		t.Errorf("with a tenant: %d", a.status)
	}
	ring.change(func() { clear(ring.tenants) })
	if a := ask(t, s, post(`{"code":"1"}`)); a.status != http.StatusUnauthorized {
		t.Errorf("without one again: %d", a.status)
	}
}

// TestNobodyEntersUnjudged: where nobody can tell who may enter, nobody does.
func TestNobodyEntersUnjudged(t *testing.T) {
	ring := newKeyring()
	_, key := ring.add(t, "a", tenant.ScopeExecute)
	s := testServer(t, executorFunc(func(_ context.Context, r api.Request) (api.Result, error) {
		t.Error("it was run")
		return success(r), nil
	}), ring.option())
	ring.err = errors.New("the disk is gone")
	for _, r := range []*http.Request{post(`{"code":"1"}`), keyed(key, post(`{"code":"1"}`))} {
		if a := ask(t, s, r); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || bytes.Contains(a.body, []byte("disk")) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := ask(t, s, get("/healthz")); a.status != http.StatusOK {
		t.Errorf("healthz: %d", a.status)
	}
}

// TestTenantsSeeTheirOwn asks with two tenants' keys for what one of them has run.
func TestTenantsSeeTheirOwn(t *testing.T) {
	ring := newKeyring("a", "b")
	_, a := ring.add(t, "a", tenant.ScopeExecute, tenant.ScopeRead)
	_, b := ring.add(t, "b", tenant.ScopeExecute, tenant.ScopeRead, tenant.ScopeAdmin)
	s := onFake(t, ring.option())
	submit := func(key, code string) api.Execution {
		t.Helper()
		return ask(t, s, keyed(key, with(post(code), "Prefer", async, "Idempotency-Key", `"same"`))).execution(t, http.StatusAccepted)
	}
	theirs := submit(a, `{"code":"hang"}`)
	path := "/v1/executions/" + theirs.ID
	for _, r := range []*http.Request{
		get(path), get(path + "?wait=20s"), get(path + "/events"), request(http.MethodDelete, path, nil), request(http.MethodDelete, path+"?forget=true", nil),
	} {
		if got := ask(t, s, keyed(b, r)); got.status != http.StatusNotFound || bytes.Contains(got.body, []byte("hang")) {
			t.Errorf("%s %s by another tenant: %d %s", r.Method, r.URL, got.status, got.body)
		}
	}
	if page := ask(t, s, keyed(b, get("/v1/executions"))).page(t, http.StatusOK); len(page.Executions) > 0 {
		t.Errorf("b's list: %+v", page)
	}
	// The same idempotency key is another one of another tenant's, with another body.
	own := submit(b, `{"code":"quick"}`)
	if own.ID == theirs.ID {
		t.Error("two tenants share an execution")
	}
	if page := ask(t, s, keyed(a, get("/v1/executions"))).page(t, http.StatusOK); len(page.Executions) != 1 || page.Executions[0].ID != theirs.ID {
		t.Errorf("a's list: %+v", page)
	}
	if e := ask(t, s, keyed(a, request(http.MethodDelete, path, nil))).execution(t, http.StatusOK); e.ResultCode != api.Cancelled {
		t.Errorf("%+v", e)
	}
	ended := ask(t, s, keyed(b, get("/v1/executions/"+own.ID+"?wait=20s"))).execution(t, http.StatusOK)
	if ended.ResultCode != api.Success {
		t.Errorf("%+v", ended)
	}
	if got := ask(t, s, keyed(a, request(http.MethodDelete, "/v1/executions/"+own.ID+"?forget=true", nil))); got.status != http.StatusNotFound {
		t.Errorf("a has b's forgotten: %d", got.status)
	}
}

// A server that is told to stop just as it starts has nothing to drain, and ended well: it once failed, for want of time to look for a tenant.
func TestServeThatIsStoppedAtOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := testServer(t, succeeds, newKeyring("a").option()).Serve(ctx, listener); err != nil {
		t.Error(err)
	}
}

// TestServeBeyondLoopback refuses to listen where others could come in unasked, or listen in.
func TestServeBeyondLoopback(t *testing.T) {
	for name, test := range map[string]struct {
		keys *keyring
		want string
	}{
		"no tenant":      {newKeyring(), "there is no tenant"},
		"no TLS":         {newKeyring("a"), "--tls-cert"},
		"nobody can say": {&keyring{err: errors.New("the disk is gone")}, "the disk is gone"},
	} {
		listener, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := testServer(t, succeeds, test.keys.option()).Serve(t.Context(), listener); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Serve said %v", name, err)
		}
		if _, err := listener.Accept(); err == nil {
			t.Errorf("%s: the listener is open", name)
		}
	}
}
