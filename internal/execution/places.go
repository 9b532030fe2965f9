package execution

import (
	"context"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/logcontext"
	"glovebox/internal/tenant"
)

// A live is an execution on its way, with its logs so far.
type live = kept.Live[api.Log]

// keepLog keeps an entry. The box's own bounds are held already: these are for a box that does not keep them.
func keepLog(l *live) func(api.Log) {
	return func(entry api.Log) { l.Add(entry, len(entry.Message), api.MaxLogEntries, api.MaxLogBytes) }
}

// item is what wants a place: a record's request.
func (r Record) item() kept.Item {
	return kept.Item{ID: r.ID, Tenant: r.Tenant, Bytes: int64(len(r.Request.Code) + len(r.Request.InputData))}
}

// start runs what an earlier server has accepted: bounds do not count.
func (s *Service) start(r Record, whose tenant.Tenant) {
	l := s.board.Hold(r.item())
	ctx := s.base
	if r.Tenant != "" {
		ctx = logcontext.With(ctx, logcontext.Tenant, r.Tenant)
	}
	s.runs.Go(func() { s.run(ctx, r, whose, l, r.CreatedAt) })
}

// tenantOf returns the tenant of an execution that an earlier server has accepted; ok is false where there is none of that id any
// more, so that nobody knows what its script may have.
func (s *Service) tenantOf(ctx context.Context, r Record) (t tenant.Tenant, ok bool, err error) {
	if r.Tenant == "" || s.config.Tenant == nil {
		return tenant.Tenant{ID: r.Tenant}, true, nil
	}
	return s.config.Tenant(ctx, r.Tenant)
}
