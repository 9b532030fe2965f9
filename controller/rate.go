package controller

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"glovebox/internal/quota"
	"glovebox/internal/tenant"
)

// The fields of draft-ietf-httpapi-ratelimit-headers-10, an IETF working draft.
const (
	headerRatePolicy = "RateLimit-Policy"
	headerRate       = "RateLimit"
)

// tellRate has each answer to a tenant that has quotas of requests say where it stands with them, when the answer begins. The
// tenant is known only once the request has been let in.
func (s *Server) tellRate(c echo.Context) {
	if s.config.Quotas == nil {
		return
	}
	c.Response().Before(func() {
		if t, ok := tenant.FromContext(c.Request().Context()); ok {
			setRates(c.Response().Header(), s.config.Quotas.Rates(t))
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

// setRates names each policy as a problem document names the quota.
func setRates(header http.Header, rates []quota.Rate) {
	var policies, stands []string
	for _, rate := range rates {
		policies = append(policies, fmt.Sprintf("%q;q=%d;w=%d", rate.Quota, rate.Limit, int(quota.Window.Seconds())))
		stand := fmt.Sprintf("%q;r=%d", rate.Quota, rate.Remaining)
		if rate.Full > 0 {
			stand += fmt.Sprintf(";t=%d", retrySeconds(rate.Full))
		}
		stands = append(stands, stand)
	}
	if len(rates) > 0 {
		header.Set(headerRatePolicy, strings.Join(policies, ", "))
		header.Set(headerRate, strings.Join(stands, ", "))
	}
}

// counted answers a tenant's request within its quota of those that have nothing run: at once what a route never has run, and what it was to, and has
// not, when that is known.
func (s *Server) counted(c echo.Context, t tenant.Tenant, runs bool, next echo.HandlerFunc) error {
	if s.config.Quotas == nil {
		return next(c)
	}
	allow := s.config.Quotas.Read
	if runs {
		allow = s.config.Quotas.MayAsk
	}
	if err := allow(t); err != nil {
		s.metrics.refused(c.Request().Context(), err)
		return s.executorRefusal(c.Request().Context(), err)
	}
	err := next(c)
	if runs && (err != nil || c.Response().Status >= http.StatusBadRequest) {
		s.config.Quotas.Refused(t)
	}
	return err
}
