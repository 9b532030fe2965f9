package ledger_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/ledger/ledgertest"
)

var (
	operator = ledger.Actor{Operator: "uid:0"}
	tenant   = ledger.Actor{Tenant: "acme", Key: "k1"}
)

// A written is a log with an entry of each sort, and who signs it.
type written struct {
	log           *ledgertest.Memory
	first, signer *ledger.Signer
}

// write makes one; it has size entries, of kinds that differ.
const size = 10

func write(t testing.TB) written {
	t.Helper()
	w := written{log: new(ledgertest.Memory)}
	w.first = ledgertest.Begun(t, w.log)
	w.signer = ledger.NewSigner()
	salt := ledger.NewSalt()
	w.append(t,
		ledger.Did(ledger.KindTenantCreated, operator, ledger.Act{Subject: "acme", Details: map[string]string{"quota.cpus": "1.5", "note": "a <b> & \"é\u2028\"\n"}}),
		ledger.Began(tenant, ledger.Execution{ID: "e1", Language: "javascript", Code: salt.Code("return 1"), Input: new(salt.Input([]byte("{}"))),
			Limits: ledger.Limits{TimeoutSeconds: 0.5, MemoryLimitMB: 128, CPUs: 1}}),
		ledger.Ended(tenant, ledger.Outcome{ID: "e1", ResultCode: "SUCCESS", ExecutionTimeMs: 1.25, CPUMs: 1e-7, PeakMemoryBytes: 1 << 40, Driver: "oci",
			Runtime: "runc", RuntimeVersion: "1.4.0", Image: "sha256:0", Seccomp: "sha256:1", Attestation: "sha256:2", Verified: true}),
		ledger.TaskBegan(tenant, ledger.Task{ID: "t1", Agent: "codesmith", Model: "tiny", Task: salt.Task([]byte("{}"))}),
		ledger.TaskEnded(tenant, ledger.Work{ID: "t1", ResultCode: "COMPLETE", Answers: 2, Runs: 2, InputTokens: 3, OutputTokens: 4, CostUSD: 1e-7, DurationMs: 1.5}),
		ledger.Note(operator, w.first),
		ledger.Rotate(operator, w.first, w.signer),
		ledger.Did(ledger.KindKeyRevoked, operator, ledger.Act{Subject: "k1"}),
		ledgertest.Ended(2),
	)
	return w
}

func (w written) append(t testing.TB, drafts ...ledger.Draft) {
	t.Helper()
	if _, err := w.log.Append(t.Context(), drafts...); err != nil {
		t.Fatal(err)
	}
}

// export writes the log from an entry on, and returns its lines, each with its end.
func (w written) export(t testing.TB, from uint64) []string {
	t.Helper()
	var out bytes.Buffer
	if _, err := ledger.Export(t.Context(), &out, w.log, w.signer, from, time.Now()); err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// text joins lines to an export.
func text(lines []string) string {
	text := strings.Join(lines, "")
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

func verify(text string, key ledger.PublicKey, o ledger.VerifyOptions) (ledger.Report, error) {
	return ledger.Verify(strings.NewReader(text), key, o)
}
