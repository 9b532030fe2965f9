package ledger_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"

	"glovebox/internal/ledger"
)

// Every byte, changed, taken away, or with one put before it: each is found. Without a fuzzer, and each time.
func TestEveryByteCounts(t *testing.T) {
	w := write(t)
	for _, from := range []uint64{1, size} {
		export := text(w.export(t, from))
		found := func(what string, at int, mutant string) {
			if _, err := verify(mutant, w.signer.Public(), ledger.VerifyOptions{}); problem(err) == "" {
				t.Errorf("from %d: %s byte %d passes: %v\n%q", from, what, at, err, mutant[max(at-30, 0):min(at+30, len(mutant))])
			}
		}
		others := []byte{1, 0x20, 0x80, 0x10, 7, 0xff}
		for at := range len(export) {
			found("changing", at, export[:at]+string([]byte{export[at] ^ others[at%len(others)]})+export[at+1:])
			if cut := export[:at] + export[at+1:]; cut != export {
				found("taking away", at, cut)
			}
			found("putting a blank before", at, export[:at]+" "+export[at:])
		}
		found("a blank behind", len(export), export+" ")
		found("a line end behind", len(export), export+"\n")
	}
}

// FuzzVerify tampers with a whole export: bytes changed, cut out and put in, lines dropped, swapped and added again. None may pass.
func FuzzVerify(f *testing.F) {
	w := write(f)
	export := text(w.export(f, 1))
	tail := text(w.export(f, 4))
	for op := range byte(6) {
		f.Add(op, uint16(3), uint16(5), []byte(" "))
		f.Add(op|0x80, uint16(400), uint16(2), []byte("\n{}"))
	}
	f.Fuzz(func(t *testing.T, op byte, a, b uint16, put []byte) {
		whole := export
		if op&0x80 != 0 {
			whole = tail
		}
		mutant := mutate(whole, op&0x7f, int(a), int(b), put)
		if mutant == whole {
			return
		}
		for _, key := range []ledger.PublicKey{w.first.Public(), w.signer.Public()} {
			if _, err := verify(mutant, key, ledger.VerifyOptions{}); problem(err) == "" {
				t.Fatalf("passes (%v):\n%s", err, mutant)
			}
		}
	})
}

func mutate(export string, op byte, a, b int, put []byte) string {
	lines := strings.SplitAfter(strings.TrimSuffix(export, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	at, line, other := a%(len(export)+1), a%len(lines), b%len(lines)
	switch op % 6 {
	case 0: // bytes in others' place
		return export[:at] + string(put) + export[min(at+len(put), len(export)):]
	case 1: // bytes put in, and others cut out
		return export[:at] + string(put) + export[min(at+b, len(export)):]
	case 2:
		lines = slices.Delete(lines, line, line+1)
	case 3:
		lines[line], lines[other] = lines[other], lines[line]
	case 4:
		lines = slices.Insert(lines, line, lines[other])
	case 5:
		lines = slices.Insert(lines, line, string(put)+"\n")
	}
	return strings.Join(lines, "")
}

// FuzzForm has texts of anybody's in an entry. What is sealed is canonical as the library says, and is read back as it was.
func FuzzForm(f *testing.F) {
	f.Add("acme", "a", "b", 1.5, int64(3))
	f.Add("\u2028<&>\"\\\x00\x7f", "name", "\U0001f600é", 1e-7, int64(1<<53))
	f.Add("\xff", "x", "\xed\xa0\x80", -1e-300, int64(-1))
	f.Fuzz(func(t *testing.T, subject, name, value string, number float64, whole int64) {
		head := ledger.Head{}
		row, head, err := ledger.Seal(head, ledger.Create(operator, signer), clock)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []ledger.Draft{
			ledger.Did(ledger.KindTenantChanged, ledger.Actor{Tenant: value}, ledger.Act{Subject: subject, Details: map[string]string{name: value}}),
			ledger.Ended(tenant, ledger.Outcome{ID: subject, ResultCode: name, CPUMs: number, PeakMemoryBytes: whole}),
		} {
			sealed, next, err := ledger.Seal(head, d, clock)
			if err != nil {
				continue
			}
			canonical, err := jcs.Transform(sealed.Entry)
			if err != nil || !bytes.Equal(canonical, sealed.Entry) {
				t.Fatalf("not canonical: %v\n%s", err, sealed.Entry)
			}
			if at, err := ledger.HeadAt(sealed, next.Key); err != nil || at != next {
				t.Fatalf("%+v, %v: not read back\n%s", at, err, sealed.Entry)
			}
			var read ledger.Entry
			if err := json.Unmarshal(sealed.Entry, &read); err != nil {
				t.Fatal(err)
			}
			if read.Act != nil && (read.Act.Subject != subject || read.Act.Details[name] != value || read.Actor.Tenant != value) {
				t.Fatalf("read back as another text: %s", sealed.Entry)
			}
			if read.Outcome != nil && (read.Outcome.CPUMs != number || read.Outcome.PeakMemoryBytes != whole) {
				t.Fatalf("read back as another number: %s", sealed.Entry)
			}
		}
		_ = row
	})
}
