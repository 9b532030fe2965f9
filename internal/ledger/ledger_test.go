package ledger_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/ledger/ledgertest"
)

var (
	signer = ledger.NewSigner()
	clock  = time.Date(2026, 11, 29, 3, 0, 0, 5, time.FixedZone("", 3600))
)

func TestMemory(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledgertest.Place {
		log := new(ledgertest.Memory)
		return ledgertest.Place{Log: log, Reopen: func(*testing.T) ledger.Log { return log }}
	})
}

// What docs/ledger.md says of how to verify by hand: with nothing of this package's.
func TestTheFormIsAsItIsDescribed(t *testing.T) {
	w := write(t)
	lines := w.export(t, 1)
	prev := "sha256:" + strings.Repeat("0", 64)
	for _, text := range lines[1 : len(lines)-1] {
		var line struct {
			Entry json.RawMessage `json:"entry"`
			Hash  string          `json:"hash"`
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(append([]byte("glovebox ledger entry v1\n"), line.Entry...))
		if line.Hash != "sha256:"+hex.EncodeToString(sum[:]) {
			t.Errorf("another hash: %s", text)
		}
		var entry struct {
			Prev string `json:"prev"`
		}
		if err := json.Unmarshal(line.Entry, &entry); err != nil || entry.Prev != prev {
			t.Errorf("follows %s, want %s: %v", entry.Prev, prev, err)
		}
		prev = line.Hash
	}
	var end struct {
		Checkpoint map[string]any `json:"checkpoint"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil {
		t.Fatal(err)
	}
	if end.Checkpoint["head"] != prev {
		t.Errorf("the checkpoint names %v", end.Checkpoint["head"])
	}
	var signature ledger.Signature
	if err := signature.UnmarshalText([]byte(end.Checkpoint["signature"].(string))); err != nil {
		t.Fatal(err)
	}
	delete(end.Checkpoint, "signature")
	unsigned, err := json.Marshal(end.Checkpoint) // its members are sorted, and nothing in it is escaped
	if err != nil {
		t.Fatal(err)
	}
	key := w.signer.Public()
	if !ed25519.Verify(key[:], append([]byte("glovebox ledger checkpoint v1\n"), unsigned...), signature[:]) {
		t.Error("the signature is of something else")
	}
}

func TestTimesAreUTC(t *testing.T) {
	row, _, err := ledger.Seal(ledger.Head{}, ledger.Create(operator, signer), clock)
	if err != nil || !strings.Contains(string(row.Entry), `"time":"2026-11-29T02:00:00.000000005Z"`) {
		t.Errorf("%s, %v", row.Entry, err)
	}
	if _, _, err := ledger.Seal(ledger.Head{}, ledger.Create(operator, signer), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Error("a year of five digits passes")
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	log := new(ledgertest.Memory)
	ledgertest.Begun(t, log)
	many := map[string]string{}
	for n := range 40 {
		many[fmt.Sprintf("n%d", n)] = strings.Repeat("x", 1000)
	}
	for name, d := range map[string]ledger.Draft{
		"no UTF-8":       ledger.Did(ledger.KindTenantCreated, operator, ledger.Act{Subject: "\xff"}),
		"a long text":    ledger.Did(ledger.KindTenantCreated, operator, ledger.Act{Subject: strings.Repeat("x", 4097)}),
		"a long entry":   ledger.Did(ledger.KindTenantCreated, operator, ledger.Act{Details: many}),
		"no name":        ledger.Did(ledger.KindTenantCreated, operator, ledger.Act{Details: map[string]string{"": "x"}}),
		"an odd kind":    ledger.Did("tenant.forgotten", operator, ledger.Act{}),
		"another's kind": ledger.Did(ledger.KindEnded, operator, ledger.Act{}),
		"NaN":            ledger.Ended(tenant, ledger.Outcome{ID: "e", ResultCode: "SUCCESS", CPUMs: math.NaN()}),
		"less than none": ledger.Ended(tenant, ledger.Outcome{ID: "e", ResultCode: "SUCCESS", PeakMemoryBytes: -1}),
		"less than 0":    ledger.Ended(tenant, ledger.Outcome{ID: "e", ResultCode: "SUCCESS", CPUMs: math.Copysign(0, -1)}),
		"too much":       ledger.Ended(tenant, ledger.Outcome{ID: "e", ResultCode: "SUCCESS", PeakMemoryBytes: 1 << 53}),
		"no id":          ledger.Began(tenant, ledger.Execution{}),
		"no agent":       ledger.TaskBegan(tenant, ledger.Task{ID: "t"}),
		"no code":        ledger.TaskEnded(tenant, ledger.Work{ID: "t"}),
		"a credit":       ledger.TaskEnded(tenant, ledger.Work{ID: "t", ResultCode: "COMPLETE", CostUSD: -1}),
	} {
		var invalid *ledger.InvalidError
		if _, err := log.Append(t.Context(), d); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDigests(t *testing.T) {
	salt := ledger.NewSalt()
	h := hmac.New(sha256.New, salt[:])
	h.Write([]byte("glovebox ledger code v1\nreturn 1"))
	if got := salt.Code("return 1"); got != ledger.MAC(h.Sum(nil)) {
		t.Errorf("%x", got)
	}
	if salt.Code("x") == salt.Input([]byte("x")) || salt.Task([]byte("x")) == salt.Input([]byte("x")) || salt.Code("x") == ledger.NewSalt().Code("x") {
		t.Error("digests of different things are the same")
	}
}

func TestKeysAreMadeOnceAndKept(t *testing.T) {
	log, path := new(ledgertest.Memory), filepath.Join(t.TempDir(), "ledger.key")
	var group sync.WaitGroup
	keys := make([]ledger.PublicKey, 8)
	for n := range keys {
		group.Go(func() {
			s, err := ledger.Open(t.Context(), log, path, operator)
			if err != nil {
				t.Error(err)
				return
			}
			keys[n] = s.Public()
		})
	}
	group.Wait()
	head, err := log.Head(t.Context())
	if err != nil || head.Size != 1 {
		t.Fatalf("%+v, %v", head, err)
	}
	for _, key := range keys {
		if key != head.Key {
			t.Errorf("%s signs, want %s", key, head.Key)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	onlyFiles(t, path, "ledger.key")
}

func onlyFiles(t *testing.T, path string, want ...string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != len(want) {
		t.Fatalf("%v, %v: want %v", files, err, want)
	}
	for n, f := range files {
		if f.Name() != want[n] {
			t.Errorf("%s is there", f.Name())
		}
	}
}

func TestAKeyFileThatWillNotDo(t *testing.T) {
	log, path := new(ledgertest.Memory), filepath.Join(t.TempDir(), "ledger.key")
	first, err := ledger.Open(t.Context(), log, path, operator)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string) {
		t.Helper()
		_, err := ledger.Open(t.Context(), log, path, operator)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		} else if strings.Contains(err.Error(), "MC4CAQ") { // how each private key begins
			t.Errorf("%s: the error shows it: %v", what, err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(path, 0o640))
	refused("one that others may read")
	must(os.Rename(path, path+".moved"))
	refused("one that is missing")
	must(os.Symlink(path+".moved", path))
	refused("a link")
	must(os.Remove(path))
	must(os.WriteFile(path, pem[:len(pem)-40], 0o600))
	refused("half a key")
	must(os.WriteFile(path, append(pem, "x"...), 0o600))
	refused("a key and more")
	must(os.Remove(path))
	if _, err := ledger.Open(t.Context(), new(ledgertest.Memory), path, operator); err != nil { // makes another key
		t.Fatal(err)
	}
	refused("another log's")
	if _, err := ledger.Open(t.Context(), log, path, operator); !errors.Is(err, ledger.ErrOtherKey) {
		t.Errorf("another log's: %v", err)
	}
	must(os.WriteFile(path, pem, 0o600))
	if again, err := ledger.Open(t.Context(), log, path, operator); err != nil || again.Public() != first.Public() {
		t.Errorf("its own: %v", err)
	}
}

func TestRotation(t *testing.T) {
	log, path := new(ledgertest.Memory), filepath.Join(t.TempDir(), "ledger.key")
	first, err := ledger.Open(t.Context(), log, path, operator)
	if err != nil {
		t.Fatal(err)
	}
	// What a rotation left that died before its entry.
	if err := os.WriteFile(path+".next", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := ledger.RotateKey(t.Context(), log, path, operator)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ledger.Open(t.Context(), log, path, operator); err != nil || again.Public() != second.Public() || again.Public() == first.Public() {
		t.Errorf("%v, %v", again, err)
	}
	onlyFiles(t, path, "ledger.key")
	export := text(written{log, first, second}.export(t, 1))
	for _, key := range []ledger.PublicKey{first.Public(), second.Public()} {
		if _, err := verify(export, key, ledger.VerifyOptions{}); err != nil {
			t.Error(err)
		}
	}
	// One that died between its entry and the file is brought to its end.
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	third, err := ledger.RotateKey(t.Context(), log, path, operator)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".next"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := ledger.Open(t.Context(), log, path, operator); err != nil || again.Public() != third.Public() {
		t.Errorf("%v, %v", again, err)
	}
	onlyFiles(t, path, "ledger.key")
}

func TestCheckpointIsNoted(t *testing.T) {
	w := write(t)
	checkpoint, err := ledger.CheckpointNow(t.Context(), w.log, w.signer, operator, clock)
	if err != nil || checkpoint.Size != size {
		t.Fatalf("%+v, %v", checkpoint, err)
	}
	line, err := checkpoint.Line()
	if err != nil {
		t.Fatal(err)
	}
	read, err := ledger.ParseCheckpoint(line)
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify(text(w.export(t, 1)), w.signer.Public(), ledger.VerifyOptions{Checkpoints: []ledger.Checkpoint{read}})
	if err != nil || report.Entries != size+1 {
		t.Errorf("%+v, %v", report, err)
	}
	for _, bad := range []string{"", "{}", string(line) + "\n", " " + string(line), `{"checkpoint":null}`, `{"checkpoint":{}}`} {
		if _, err := ledger.ParseCheckpoint([]byte(bad)); err == nil {
			t.Errorf("%q is read as a checkpoint", bad)
		}
	}
}

func TestPublicKeysArePEM(t *testing.T) {
	pem, err := signer.Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	if key, err := ledger.ParsePublicKey(pem); err != nil || key != signer.Public() {
		t.Errorf("%v, %v", key, err)
	}
	for _, bad := range []string{"", "x", "x\n" + string(pem), string(pem) + "x", string(pem) + string(pem), strings.ReplaceAll(string(pem), "PUBLIC", "PRIVATE")} {
		if _, err := ledger.ParsePublicKey([]byte(bad)); err == nil {
			t.Errorf("%q is read as a key", bad)
		}
	}
}

// Whatever a program does with a signer by habit must not show its private key.
func TestASignerIsNotShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	s, err := ledger.Open(t.Context(), new(ledgertest.Memory), path, operator)
	if err != nil {
		t.Fatal(err)
	}
	held := struct{ signer *ledger.Signer }{s}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %x", s, s, s, s, s), fmt.Sprintf("%v %+v %#v", held, held, held), fmt.Sprintf("%v %#v", *s, *s), string(encoded)} {
		if strings.Contains(shown, "[") || len(shown) > 400 {
			t.Errorf("shows bytes: %s", shown)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	_, head, err := ledger.Seal(ledger.Head{}, ledger.Create(operator, signer), clock)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := ledger.Seal(head, ledgertest.Ended(1), clock); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	w := write(b)
	for n := range 1000 {
		w.append(b, ledgertest.Ended(n))
	}
	export := text(w.export(b, 1))
	b.SetBytes(int64(len(export)))
	for b.Loop() {
		if _, err := verify(export, w.signer.Public(), ledger.VerifyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
