package quota

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// An Error says which quota of a tenant a request is over.
type Error struct {
	// Quota is the quota's name in JSON, as in tenant.Quota.
	Quota string
	// Field is the request's field that asks for too much; "" where it is no field's fault.
	Field string
	// Limit is the quota and Used what is used of it, or what the request asks for, both in the quota's own unit; nil where the
	// quota is no number.
	Limit, Used *float64
	// Allowed lists what is, where the quota is a list.
	Allowed []string
	// Forbidden is true where no waiting helps; else After is how long to wait.
	Forbidden bool
	After     time.Duration

	detail string
}

// Error is a sentence for whoever asked.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "over the tenant's quota %s: ", e.Quota)
	switch {
	case e.Limit != nil && e.Forbidden:
		fmt.Fprintf(&b, "at most %s is allowed, and %s is asked for", decimal(*e.Limit), decimal(*e.Used))
	case e.Limit != nil:
		fmt.Fprintf(&b, "%s of %s are used", decimal(*e.Used), decimal(*e.Limit))
	case len(e.Allowed) == 0:
		b.WriteString("none is allowed")
	default:
		b.WriteString("allowed is " + strings.Join(e.Allowed, ", "))
	}
	if e.detail != "" {
		b.WriteString("; " + e.detail)
	}
	return b.String()
}

// decimal writes a number without an exponent, to thousandths.
func decimal(n float64) string {
	const thousandths = 1000
	return strconv.FormatFloat(math.Round(n*thousandths)/thousandths, 'f', -1, 64)
}
