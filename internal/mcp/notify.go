package mcp

import (
	"context"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// heldNotes is how many notes may wait for a client that reads slowly; more are left out, since a box never
	// waits for a reader. The result has every log.
	heldNotes = 256
	// maxNote bounds one note, in bytes.
	maxNote = 4 << 10
)

// A notifier tells a client what happens while its call runs, as progress. Without a progress token in the call it
// tells nothing.
type notifier struct {
	notes chan string
	done  chan struct{}
}

func newNotifier(ctx context.Context, request *sdk.CallToolRequest) *notifier {
	n := &notifier{}
	token := request.Params.GetProgressToken()
	if token == nil {
		return n
	}
	n.notes, n.done = make(chan string, heldNotes), make(chan struct{})
	go func() {
		defer close(n.done)
		told := 0
		for note := range n.notes {
			told++
			// A client that cannot be told gets its result, or does not, all the same.
			_ = request.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{
				ProgressToken: token, Progress: float64(told), Message: note,
			})
		}
	}()
	return n
}

// say tells a note, or leaves it out. It never blocks. It must not be called after end.
func (n *notifier) say(note string) {
	if n.notes == nil {
		return
	}
	if len(note) > maxNote {
		note = cut(note, maxNote)
	}
	select {
	case n.notes <- note:
	default:
	}
}

// end waits until what was said is told: after the result a client takes no progress any more.
func (n *notifier) end() {
	if n.notes == nil {
		return
	}
	close(n.notes)
	<-n.done
}
