// Package webhook tells tenants what has happened, by signed requests to addresses of theirs (https://www.standardwebhooks.com): at least
// once, again and again where nobody listens, and never to an address that is not public, unless that is allowed.
package webhook

import (
	"context"
	"time"

	"glovebox/internal/tenant"
)

// A Delivery is something that a tenant's webhook has not been told yet.
type Delivery struct {
	// ID is the same with each attempt: a receiver knows by it what it was told before.
	ID        string
	Body      []byte // JSON
	CreatedAt time.Time
	// DueAt is when it is to be tried next, Attempts how often it was tried with this receiver, in vain. What was not tried yet is due at once, whatever the
	// clock said when it came: then DueAt is zero.
	DueAt    time.Time
	Attempts int
	// To is the webhook as it is now.
	To tenant.Webhook
}

// A Backlog is what one tenant has not been told yet.
type Backlog struct {
	Tenant     string
	Deliveries int
}

// A Store keeps deliveries. Whoever says that something has happened puts them there, in the step that makes it so. Its methods are
// safe for concurrent use, and what they have done is durable when they return.
type Store interface {
	// Backlogs returns those of every tenant that has any deliveries, in no order.
	Backlogs(ctx context.Context) ([]Backlog, error)
	// Next returns at most so many of a tenant's deliveries, those that are due first before others, whether they are due yet or not.
	Next(ctx context.Context, tenantID string, most int) ([]Delivery, error)
	// Postpone counts an attempt, and says when the next is due. Of what is gone it says nothing.
	Postpone(ctx context.Context, id string, due time.Time) error
	// Remove forgets a delivery: it was made, or is given up. Of what is gone it says nothing.
	Remove(ctx context.Context, id string) error
}
