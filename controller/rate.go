package controller

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"glovebox/internal/quota"
	"glovebox/internal/tenant"
)

// The fields of draft-ietf-httpapi-ratelimit-headers-10, an IETF working draft.
const (
	headerRatePolicy = "RateLimit-Policy"
	headerRate       = "RateLimit"
)

// ratePolicy names the policy that every answer tells of, as a problem document names the quota.
const ratePolicy = "requestsPerMinute"

// tellRate has each answer to a tenant that has a quota of requests say where it stands with it, when the answer begins. The
// tenant is known only once the request has been let in.
func (s *Server) tellRate(c echo.Context) {
	if s.config.Quotas == nil {
		return
	}
	c.Response().Before(func() {
		t, ok := tenant.FromContext(c.Request().Context())
		if !ok {
			return
		}
		if rate, ok := s.config.Quotas.Rate(t); ok {
			setRate(c.Response().Header(), rate)
		}
		if over, ok := c.Get(keyQuota).(*quota.Error); ok {
			addUsedUp(c.Response().Header(), over)
		}
	})
}

// keyQuota is where a request's context has the quota that refused it.
const keyQuota = "quota"

// quotaUnits are what the policies of other quotas than of requests count, and for how long, where a window ends it.
var quotaUnits = map[string]string{
	"concurrency":      `;qu="concurrent-requests"`,
	"queue":            `;qu="concurrent-requests"`,
	"cpuSecondsPerDay": `;w=86400;qu="cpu-seconds"`, // a unit of our own: the draft has none for it
}

// addUsedUp tells of a quota that is used up, beside that of requests.
func addUsedUp(header http.Header, over *quota.Error) {
	units, ok := quotaUnits[over.Quota]
	if !ok || over.Forbidden || over.Limit == nil {
		return
	}
	appendTo := func(name, item string) {
		if before := header.Get(name); before != "" {
			item = before + ", " + item
		}
		header.Set(name, item)
	}
	appendTo(headerRatePolicy, fmt.Sprintf("%q;q=%d%s", over.Quota, int64(*over.Limit), units))
	appendTo(headerRate, fmt.Sprintf("%q;r=0;t=%d", over.Quota, retrySeconds(over.After)))
}

func setRate(header http.Header, rate quota.Rate) {
	header.Set(headerRatePolicy, fmt.Sprintf("%q;q=%d;w=%d", ratePolicy, rate.Limit, int(quota.Window.Seconds())))
	value := fmt.Sprintf("%q;r=%d", ratePolicy, rate.Remaining)
	if rate.Full > 0 {
		value += fmt.Sprintf(";t=%d", retrySeconds(rate.Full))
	}
	header.Set(headerRate, value)
}
