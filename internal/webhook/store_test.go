package webhook_test

import (
	"fmt"
	"testing"
	"time"

	"glovebox/internal/tenant"
	"glovebox/internal/webhook/webhooktest"
)

func TestMemory(t *testing.T) {
	webhooktest.Run(t, func(*testing.T) webhooktest.Place {
		var m webhooktest.Memory
		ended := 0
		return webhooktest.Place{
			Store:  &m,
			Tenant: func(*testing.T, string) {},
			Unset:  func(_ *testing.T, tenantID string) { m.Unset(tenantID) },
			Set:    func(_ *testing.T, w tenant.Webhook) { m.Set(w) },
			End: func(_ *testing.T, tenantID string, at time.Time) string {
				ended++
				id := fmt.Sprintf("evt_%d", ended)
				m.Add(tenantID, id, []byte("{}"), at)
				return id
			},
		}
	})
}
