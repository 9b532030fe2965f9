package kept

import (
	"crypto/sha256"
	"testing"
)

func TestIdempotency(t *testing.T) {
	body := sha256.Sum256([]byte("a"))
	key := IdempotencyKey{Key: "k", Body: body}
	other := IdempotencyKey{Key: "k", Body: sha256.Sum256([]byte("b"))}
	first, second := key.Keep(), key.Keep()
	if first.Key != "k" || first.Body == body || first.Body == second.Body || first.Salt == second.Salt {
		t.Errorf("what is kept tells of the body: %+v, %+v", first, second)
	}
	if !first.StandsFor(key) || first.StandsFor(other) {
		t.Errorf("%+v stands for the same: %v, for another: %v", first, first.StandsFor(key), first.StandsFor(other))
	}
	first.Forget()
	if !first.StandsFor(key) || !first.StandsFor(other) {
		t.Error("without its salt it stands for less than it did")
	}
	if none := (IdempotencyKey{Body: body}).Keep(); none != (Idempotency{}) {
		t.Errorf("of no key %+v is kept", none)
	}
}
