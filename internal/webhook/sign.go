package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"glovebox/internal/tenant"
)

// The headers of a delivery.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// sign sets the headers of one attempt at a delivery. The signatures are one for each secret that signs at that time.
func sign(header http.Header, d Delivery, at time.Time) error {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	var signatures []string
	for _, s := range d.To.Secrets(at) {
		key, err := tenant.WebhookKey(s)
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(d.ID + "." + timestamp + "."))
		mac.Write(d.Body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	header.Set(headerID, d.ID)
	header.Set(headerTimestamp, timestamp)
	header.Set(headerSignature, strings.Join(signatures, " "))
	return nil
}
