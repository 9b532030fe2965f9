package webhook

import (
	"context"
	"net/http"
)

// What tests of the whole look into.
var (
	NewTransport = newTransport
	Public       = public
	Judge        = judge
	ErrPlainHTTP = errPlainHTTP
)

const (
	MaxAnswerHeaders = maxAnswerHeaders
	MostOfOne        = mostOfOne
	Places           = places
	SlowPlaces       = slowPlaces
	Patience         = patience
	AttemptLimit     = attemptLimit
	StaleAfter       = staleAfter
	MaxRetryAfter    = maxRetryAfter
	LookAgain        = lookAgain
)

// OpenThrough is Open, through something else than the network.
func OpenThrough(ctx context.Context, config Config, through http.RoundTripper) (*Deliverer, error) {
	return open(ctx, config, through, func() {
		if t, ok := through.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
	})
}

// Post makes one attempt.
func (d *Deliverer) Post(ctx context.Context, delivery Delivery) error { return d.post(ctx, delivery) }
