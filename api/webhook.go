package api

import "time"

// A WebhookEventType says what has happened, and so what an event's data is.
type WebhookEventType string

// The types of events.
const (
	EventExecutionEnded WebhookEventType = "execution.ended" // an [Execution]
	EventAgentRunEnded  WebhookEventType = "agent.run.ended" // an [AgentRun]
)

// A WebhookEvent is what a tenant's webhook is told.
type WebhookEvent struct {
	Type WebhookEventType `json:"type"`
	// Timestamp is when it happened, whenever it is told.
	Timestamp time.Time `json:"timestamp"`
	// Data is what has ended, as the type says, without its digests and what came of it.
	Data any `json:"data"`
}
