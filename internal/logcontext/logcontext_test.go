package logcontext

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestLinesSayOnWhoseBehalf(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(NewHandler(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	request := With(t.Context(), Request, "r1")
	tenant := With(request, Tenant, "acme")
	again := With(tenant, Request, "r2")
	background := Copy(context.Background(), tenant)
	log.Info("nobody")
	log.InfoContext(request, "request")
	log.InfoContext(tenant, "tenant", "a", 1)
	log.InfoContext(again, "again")
	log.InfoContext(tenant, "its own", "tenant", "other")
	log.With("b", 2).InfoContext(tenant, "with")
	log.InfoContext(background, "background")
	log.DebugContext(tenant, "not enabled")
	want := `level=INFO msg=nobody
level=INFO msg=request request=r1
level=INFO msg=tenant a=1 request=r1 tenant=acme
level=INFO msg=again tenant=acme request=r2
level=INFO msg="its own" tenant=other request=r1
level=INFO msg=with b=2 request=r1 tenant=acme
level=INFO msg=background request=r1 tenant=acme
`
	if got := strings.TrimLeft(out.String(), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
