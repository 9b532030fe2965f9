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

// ratePolicy names the only policy that there is, as a problem document names the quota.
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
	})
}

func setRate(header http.Header, rate quota.Rate) {
	header.Set(headerRatePolicy, fmt.Sprintf("%q;q=%d;w=%d", ratePolicy, rate.Limit, int(quota.Window.Seconds())))
	value := fmt.Sprintf("%q;r=%d", ratePolicy, rate.Remaining)
	if rate.Full > 0 {
		value += fmt.Sprintf(";t=%d", retrySeconds(rate.Full))
	}
	header.Set(headerRate, value)
}
